"""Durations as people write them: `500ms`, `30s`, `2m`, `1h`, or a bare number of seconds."""

from __future__ import annotations

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
LONGEST = 7 * 24 * 3600.0
"""A week, in seconds: more is a slip of the pen."""


def parse_duration(text: str) -> float | None:
    """The seconds of a duration above zero and of a week at most; None when the text is none."""
    number = text.rstrip("msh")
    unit = text[len(number) :]
    digits = number.replace(".", "", 1)
    if unit not in _UNITS or not (digits.isdigit() and digits.isascii() and len(digits) < 12):
        return None
    seconds = float(number) * _UNITS[unit]
    return seconds if 0 < seconds <= LONGEST else None
