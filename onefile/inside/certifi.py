"""Stands in for certifi where it has no folder of its own: in the one file and in the zipapp. The same bundle.

The real one would write the bundle to a temporary file, as soon as requests is imported.
"""


def contents() -> str:
    """The certificates, as PEM."""
    try:
        from _secrets_exec import authorities
    except ImportError:
        folder = __file__.rpartition("/")[0]
        return __loader__.get_data(f"{folder}/cacert.pem").decode()  # type: ignore[name-defined]  # each module has one
    return authorities().decode()


def where() -> str:
    """A path that nobody reads: requests wants one, and `transports/trust.py` chooses."""
    return "/nowhere/cacert.pem"
