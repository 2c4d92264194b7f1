"""Stands in for the package that reads HTML too, with a table of 2,000 entities: http.server only writes some."""


def escape(text: str, quote: bool = True) -> str:
    """Text as HTML, also within quotes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#x27;") if quote else text
