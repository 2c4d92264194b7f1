"""Secrets that give themselves away wherever they turn up, in whatever form."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from urllib.parse import quote

_AWKWARD = "\"\\'%+/=~"
_PART = 14


class Canary:
    """A secret of some kind: a core that occurs nowhere else, and characters behind it that every escaping changes."""

    def __init__(self, kind: str, awkward: str = _AWKWARD) -> None:
        self.kind = kind
        self.core = f"c4n{secrets.token_hex(12)}"
        self.text = self.core + awkward

    def __repr__(self) -> str:
        return f"<Canary {self.kind}>"

    def forms(self) -> Mapping[str, bytes]:
        """How it could be told, by the name of the form."""
        core, text = self.core.encode(), self.text
        return {
            "a part": core[:_PART],
            "raw": text.encode(),
            "hex": core.hex().encode(),
            "upper-case hex": core.hex().upper().encode(),
            "base64": _base64(core, 0),
            "base64 behind one byte": _base64(core, 1),
            "base64 behind two bytes": _base64(core, 2),
            "URL-encoded": quote(text, safe="").encode(),
            "JSON": json.dumps(text)[1:-1].encode(),
            "repr": repr(text)[1:-1].encode(),
            "repr of bytes": repr(text.encode())[2:-1].encode(),
        }

    def found_in(self, data: bytes) -> Iterator[str]:
        """The forms in which the data holds it."""
        return (name for name, form in self.forms().items() if form in data)


def _base64(data: bytes, offset: int) -> bytes:
    """What base64 makes of the data behind `offset` other bytes, without what depends on its neighbours."""
    whole = base64.b64encode(b"\0" * offset + data)
    end = (offset + len(data)) // 3 * 4
    return whole[(0, 2, 3)[offset] : end]
