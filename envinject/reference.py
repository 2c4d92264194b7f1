"""References: which secret is meant, in a form that can be printed. A reference never holds a value.

    PROVIDER://ID[?version=N | ?stage=S][#KEY]

ID is percent-encoded where it holds `?`, `#`, `%`, spaces or control characters. KEY is taken as it
stands after the first `#`. `parse(str(ref)) == ref` holds for every reference that a provider accepts.
"""

from __future__ import annotations

from .errors import ManifestError, suggest
from .record import Record

COORDINATES = ("provider", "id", "version", "stage", "key")
_REVISIONS = ("version", "stage")
_ENCODED = "?#%"
LONGEST = 2048
"""Characters of a reference in its short form."""


class SecretRef(Record):
    """One secret of one provider: `id`, perhaps a `version` or a `stage`, perhaps a `key` of its value.

    `provider` is a provider's name in the manifest, or a type. `key` is a key of the JSON object, or a
    JSON Pointer (RFC 6901) when it begins with `/`.
    """

    provider: str
    id: str
    version: str | None = None
    stage: str | None = None
    key: str | None = None

    def __init__(
        self, provider: str, id: str, version: str | None = None, stage: str | None = None, key: str | None = None
    ) -> None:
        fields = self.__dict__  # by hand, since there are thousands; and so below
        fields["provider"], fields["id"], fields["version"] = provider, id, version
        fields["stage"], fields["key"] = stage, key

    def __hash__(self) -> int:
        return hash((self.provider, self.id, self.stage, self.key))

    def __str__(self) -> str:
        given = ((name, getattr(self, name)) for name in _REVISIONS)
        coordinate = next((f"?{name}={_encode(value, '&')}" for name, value in given if value), "")
        key = "" if self.key is None else f"#{self.key}"
        return f"{self.provider}://{_encode(self.id)}{coordinate}{key}"

    @property
    def whole(self) -> SecretRef:
        """The reference to the whole secret, without its key: what one request is sent for."""
        return self if self.key is None else self.replace(key=None)


def parse(text: str) -> SecretRef:
    """Read the short form.

    Raises: ManifestError, without a place, when the text is no reference.
    """
    provider, separator, rest = text.partition("://")
    if not separator or not is_provider_name(provider):
        raise ManifestError(
            "this is no reference", hint="write PROVIDER://ID, PROVIDER://ID?version=N or PROVIDER://ID#KEY"
        )
    if len(text) > LONGEST:
        raise ManifestError(f"a reference of {len(text)} characters", hint=f"at most {LONGEST}")
    rest, fragment, key = rest.partition("#")
    encoded, query, coordinate = rest.partition("?")
    if fragment and not key:
        raise ManifestError("the key after '#' is empty", hint="leave '#' out for the whole secret")
    name, value = _coordinate(coordinate) if query else ("version", None)
    return SecretRef(provider, _decode(encoded), key=key or None, **{name: value})


def is_provider_name(text: str) -> bool:
    """Whether a provider may be called so: a letter, then letters, digits, `-`, `_` or `.`."""
    return (
        text[:1].isalpha()
        and text.isascii()
        and len(text) <= 64
        and text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    )


def is_reference(text: str) -> bool:
    """Whether the text has the form of a reference, of whatever provider."""
    return is_provider_name(text.partition("://")[0]) and "://" in text


def _coordinate(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if name not in _REVISIONS or "&" in value:
        raise ManifestError(
            f"'?{name}' says nothing about a secret" if "&" not in value else "more than one of version and stage",
            hint=f"{suggest(name, _REVISIONS)}write ?version=N or ?stage=S",
        )
    if not value:
        raise ManifestError(f"the {name} after '?{name}=' is empty", hint=f"leave '?{name}=' out")
    return name, _decode(value)


def _encode(text: str, more: str = "") -> str:
    return "".join(_escaped(c) if c in _ENCODED + more or c.isspace() or not c.isprintable() else c for c in text)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    first, *parts = text.split("%")
    data = bytearray(first.encode("utf-8", "surrogatepass"))
    try:
        for part in parts:
            if not (len(part) >= 2 and part[:2].isalnum() and part[:2].isascii()):
                raise ValueError
            data.append(int(part[:2], 16))
            data += part[2:].encode("utf-8", "surrogatepass")
        return data.decode("utf-8", "surrogatepass")
    except ValueError:
        raise ManifestError("'%' is not followed by two hex digits of UTF-8", hint="write a '%' as %25") from None
