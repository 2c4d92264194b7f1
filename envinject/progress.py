"""One live line on a terminal while a start takes longer than one would like; gone when it is over."""

from __future__ import annotations

import os

from .log import PREFIX, printable, terminal_width

_STANDARD_ERROR = 2
_FIRST_SECONDS, _NEXT_SECONDS = 2.0, 0.5
_WIDTH = 80
_CLEAR = "\r\x1b[K"


class Progress:
    """A line that is drawn anew at the times that `due` tells, in the seconds of the monotonic clock."""

    def __init__(self, started: float) -> None:
        self.due = started + _FIRST_SECONDS
        self._is_shown = False

    def show(self, text: str, now: float) -> None:
        """Draw the line, cut to the terminal's width."""
        self.due = now + _NEXT_SECONDS
        line = printable(f"{PREFIX}: {text}")[: (terminal_width() or _WIDTH) - 1]
        self._is_shown = _draw(_CLEAR + line)

    def clear(self) -> None:
        """Leave the terminal as if the line had never been."""
        if self._is_shown:
            self._is_shown = False
            _draw(_CLEAR)


def _draw(text: str) -> bool:
    try:
        os.write(_STANDARD_ERROR, text.encode("ascii", "replace"))
    except OSError:
        return False
    return True
