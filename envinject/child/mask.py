"""Masking: in a stream of bytes known values are replaced by their names, also where they come in pieces.

Knows names and bytes, no process and no descriptor. Best effort: what a program changes in another way than one of
the forms below is not found.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SHORTEST = 6
"""Bytes that a value needs: shorter ones would be found where they are none."""


class Mask:
    """One stream. `feed` it what comes; what it gives may be shown.

    What may be the begin of a value is held until more has come. `held` is such a tail, of which `_done` bytes were
    dealt with already: they were shown in a pause, or are covered by a name that was shown (`_is_covered`).
    """

    def __init__(self, values: Iterable[tuple[str, bytes]]) -> None:
        self._patterns = _patterns(values)
        self.held = b""
        self._done = 0
        self._is_covered = False

    @property
    def waits(self) -> bool:
        """Whether something is held that `pause` would show."""
        return self._done < len(self.held)

    def feed(self, data: bytes) -> bytes:
        """What may be shown after these bytes too."""
        text = self.held + data
        found = self._found(text)
        cut = len(text) - self._open(text)
        shown, end = self._shown(text, [each for each in found if each[0] < cut], cut)
        self.held, self._done = text[cut:], max(0, end - cut)
        return shown

    def pause(self) -> bytes:
        """What may be shown when nothing more comes for a while: a prompt ends where it ends.

        The begin of a value stays held when it is so long that it would be told itself.
        """
        found = self._found(self.held)
        last = max((end for _, end, _ in found), default=self._done)
        to = len(self.held) if len(self.held) - max(last, self._done) < SHORTEST else last
        shown, self._done = self._shown(self.held, found, max(to, self._done))
        return shown

    def end(self) -> bytes:
        """The rest, when nothing comes any more."""
        shown, _ = self._shown(self.held, self._found(self.held), len(self.held))
        self.held, self._done, self._is_covered = b"", 0, False
        return shown

    def _shown(self, text: bytes, found: Sequence[tuple[int, int, bytes]], to: int) -> tuple[bytes, int]:
        """The text up to `to` with names in it, without what was shown before; and how far it went."""
        parts, at, is_covered = [], self._done, self._is_covered
        for start, end, name in found:
            if end <= at:
                continue
            if start > at:
                parts.append(text[at:start])
            if not (is_covered and start < at):
                parts.append(name)
            at, is_covered = end, True
        if at < to:
            parts.append(text[at:to])
            at, is_covered = to, False
        self._is_covered = is_covered
        return b"".join(parts), at

    def _found(self, text: bytes) -> list[tuple[int, int, bytes]]:
        """Where values stand, from left to right: start, end, and what is shown instead. What overlaps is one."""
        found = [
            (start, start + len(pattern), name) for pattern, name in self._patterns for start in _starts(pattern, text)
        ]
        if len(found) > 1:
            found.sort(key=lambda each: (each[0], -each[1]))
            found = list(_united(found))
        return found

    def _open(self, text: bytes) -> int:
        """The length of the longest tail that a value begins with, and that is not all of it."""
        longest = 0
        for pattern, _ in self._patterns:
            tail = text[1 - len(pattern) :]
            at = tail.find(pattern[:1])
            while at >= 0 and len(tail) - at > longest:
                if pattern.startswith(tail[at:]):
                    longest = len(tail) - at
                    break
                at = tail.find(pattern[:1], at + 1)
        return longest


def _starts(pattern: bytes, text: bytes) -> Iterator[int]:
    at = text.find(pattern)
    while at >= 0:
        yield at
        at = text.find(pattern, at + 1)


def _united(found: Sequence[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    """What overlaps as one, under the name of the longest."""
    start, end, name = found[0]
    longest = end - start
    for next_start, next_end, next_name in found[1:]:
        if next_start >= end:
            yield start, end, name
            start, end, name, longest = next_start, next_end, next_name, next_end - next_start
            continue
        if next_end - next_start > longest:
            name, longest = next_name, next_end - next_start
        end = max(end, next_end)
    yield start, end, name


# The forms of a value


def _patterns(values: Iterable[tuple[str, bytes]]) -> list[tuple[bytes, bytes]]:
    """What is looked for, and what is shown instead. Of two variables with one value the first one names it."""
    patterns: dict[bytes, bytes] = {}
    for name, value in values:
        if len(value) >= SHORTEST:
            for form in _forms(value):
                patterns.setdefault(form, f"[{name}]".encode())
    return sorted(patterns.items(), key=lambda pattern: len(pattern[0]), reverse=True)


def _forms(value: bytes) -> Iterator[bytes]:
    """As it is, without a line end, as JSON, URL-encoded and in base64, in all the ways in which these are written."""
    yield value
    for line_end in (b"\r\n", b"\n"):
        if value.endswith(line_end) and len(value) - len(line_end) >= SHORTEST:
            yield value[: -len(line_end)]
    yield from _as_json(value)
    yield from _in_url(value)
    yield from _in_base64(value)


def _as_json(value: bytes) -> Iterator[bytes]:
    import json

    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    for is_ascii in (True, False):
        written = json.dumps(text, ensure_ascii=is_ascii)[1:-1]
        yield written.encode()
        yield written.replace("/", "\\/").encode()


def _in_url(value: bytes) -> Iterator[bytes]:
    from urllib.parse import quote, quote_plus

    for written in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield written.encode()
        yield _with_small_digits(written).encode()


def _with_small_digits(written: str) -> str:
    """%2F as %2f."""
    first, *rest = written.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


def _in_base64(value: bytes) -> Iterator[bytes]:
    """In both alphabets; within other data it begins at one of three offsets, and its last digits depend on what
    follows, so those are left out."""
    from base64 import b64encode

    for offset in range(3):
        digits = b64encode(bytes(offset) + value)
        begin = (offset * 8 + 5) // 6
        certain = digits[begin : (offset + len(value)) * 8 // 6]
        for form in (certain, certain.translate(_URL_SAFE)):
            if len(form) >= SHORTEST:
                yield form


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
