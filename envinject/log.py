"""What we tell: one message, a few printable ASCII lines, on standard error, never on standard output."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import SecretsExecError

QUIET, NORMAL, VERBOSE, DEBUG = -1, 0, 1, 2
PREFIX = "secrets-exec"
_STANDARD_ERROR = 2


class Log:
    """Tells errors always, warnings and notices unless quiet, steps when verbose."""

    def __init__(self, verbosity: int = NORMAL, *, as_json: bool = False) -> None:
        self.verbosity = verbosity
        self.as_json = as_json

    @property
    def is_live(self) -> bool:
        """Whether somebody may be watching who wants to see how it goes: a terminal that was not closed on us."""
        return self.verbosity > QUIET and not self.as_json and sys.stderr is not None and os.isatty(_STANDARD_ERROR)

    def error(self, error: SecretsExecError) -> None:
        """Something that stops the start."""
        self._tell("error", error.what, error.where, error.hint, code=error.exit_code)

    def warning(self, what: str, *, where: str = "", hint: str = "") -> None:
        """Something that does not stop the start but should be mended."""
        if self.verbosity > QUIET:
            self._tell("warning", what, where, hint)

    def notice(self, what: str) -> None:
        """Something that explains why nothing happens right now, such as a first retry."""
        if self.verbosity > QUIET:
            self._tell("notice", what)

    def told(self, what: str) -> None:
        """What was asked for by an option, whatever the verbosity."""
        self._tell("info", what)

    def step(self, what: str) -> None:
        """Something done, for `-v`."""
        if self.verbosity >= VERBOSE:
            self._tell("info", what)

    def detail(self, what: str) -> None:
        """Something done within a step, for `-vv`."""
        if self.verbosity >= DEBUG:
            self._tell("debug", what)

    def _tell(self, level: str, what: str, where: str = "", hint: str = "", code: int | None = None) -> None:
        if self.as_json:
            import json  # costs milliseconds, needed only for this format

            message = {"level": level, "message": what, "where": where, "hint": hint, "exit_code": code}
            write(json.dumps({name: value for name, value in message.items() if value not in ("", None)}))
            return
        shown = "" if level in ("info", "debug") else f"{level}: "
        lines = [f"{PREFIX}: {shown}{printable(what)}"]
        lines += [f"  where: {printable(where)}"] if where else []
        lines += [f"  hint:  {printable(hint)}"] if hint else []
        write("\n".join(lines))


def write(text: str) -> None:
    """Write lines to standard error; a stream that is closed or full is nobody's error."""
    if sys.stderr is None:  # closed when we started: the descriptor may be something else by now
        return
    data = text.encode("ascii", "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(_STANDARD_ERROR, data) :]
    except OSError:
        return


def terminal_width() -> int:
    """The columns of standard error where that is a terminal, else 0."""
    try:
        return os.get_terminal_size(_STANDARD_ERROR).columns
    except OSError:
        return 0


def counted(number: int, noun: str) -> str:
    """`1 secret`, `2 secrets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """The text in printable ASCII on one line, everything else escaped as Python would."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
