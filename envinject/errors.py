"""Everything that can go wrong, with what, where, how to mend it, and the exit code.

    SecretsExecError
        UsageError        64  the command line makes no sense
        BadValue          65  a value cannot become a variable
        NotFound          66  a secret, version, stage or key is not there
        StoreError        69  the store cannot be used as it is
        SystemRefused     71  no memory, no process, no descriptor
        Unavailable       75  try again later
        Denied            77  credentials missing, wrong or not allowed
        ManifestError     78  the manifest cannot be read or makes no sense
        CommandUnusable  126  the command was found but cannot be run
        CommandNotFound  127  the command was not found
    Failures                  several of them at once

The texts are our own words: no foreign exception's text and no answer of a store goes into them, since
either may hold a value. A bug is not an error: it is whatever else escapes (70).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

BUG = 70
SIGNALLED = 128
"""Added to a signal's number: the exit code of a launcher or a child that it ended."""

# Of several failures the one decides that a retry cannot mend (docs/running.md).
_DECIDING = (64, BUG, 78, 127, 126, 77, 66, 65, 69, 71, 75)

_NAMED = 50
"""How many variables an error names that it stands for."""

_NEARBY, _LONGEST_WORD = 1000, 64
"""How many known words are compared with a misspelt one, and how many characters of a word are of use."""


class SecretsExecError(Exception):
    """Something that a user can mend, told in `what`, `where` and `hint`.

    Errors of one `cause` are one thing that went wrong for several: a token, a host. They are told once.
    """

    exit_code = BUG

    def __init__(self, what: str, *, where: str = "", hint: str = "", cause: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.cause = cause

    def at(self, where: str) -> Self:
        """The same error, told of another place."""
        return type(self)(self.what, where=where, hint=self.hint, cause=self.cause)

    def of(self, cause: str) -> Self:
        """The same error, with a cause that it shares with others."""
        return type(self)(self.what, where=self.where, hint=self.hint, cause=cause)


class UsageError(SecretsExecError):
    """The command line makes no sense."""

    exit_code = 64


class BadValue(SecretsExecError):
    """A value cannot become a variable: not JSON, NUL, not UTF-8, a collision, too large."""

    exit_code = 65


class NotFound(SecretsExecError):
    """A secret, version, stage or key is not there; `required = false` and `default` cover it."""

    exit_code = 66


class StoreError(SecretsExecError):
    """The store cannot be used as it is: TLS failed, or its answer makes no sense."""

    exit_code = 69


class SystemRefused(SecretsExecError):
    """The system refused something that is nobody's mistake."""

    exit_code = 71


class Unavailable(SecretsExecError):
    """Try again later: unreachable, timed out, throttled, a server error."""

    exit_code = 75


class Denied(SecretsExecError):
    """Credentials are missing, wrong or not allowed."""

    exit_code = 77


class ManifestError(SecretsExecError):
    """The manifest cannot be read or makes no sense."""

    exit_code = 78


class CommandUnusable(SecretsExecError):
    """The command was found but cannot be run."""

    exit_code = 126


class CommandNotFound(SecretsExecError):
    """The command was not found."""

    exit_code = 127


class Failures(Exception):
    """Several errors at once, in the order in which they are to be told; at least one."""

    def __init__(self, errors: Iterable[SecretsExecError]) -> None:
        self.errors: Sequence[SecretsExecError] = tuple(errors)
        super().__init__(f"{len(self.errors)} errors")

    @property
    def exit_code(self) -> int:
        """The code of the failure that a retry cannot mend, in the documented order."""
        return min((error.exit_code for error in self.errors), key=_DECIDING.index)


def shown(name: str) -> str:
    """A name as an error shows it: whoever wrote it may have made it very long."""
    return name if len(name) <= _LONGEST_WORD else f"{name[:_LONGEST_WORD]}..."


def gathered(errors: Iterable[SecretsExecError]) -> list[SecretsExecError]:
    """The errors in their order, those of one cause as one that tells all the places."""
    groups: dict[str, list[SecretsExecError]] = {}
    for number, error in enumerate(errors):
        groups.setdefault(error.cause or f"of its own: {number}", []).append(error)
    return [_as_one(group) for group in groups.values()]


def _as_one(group: Sequence[SecretsExecError]) -> SecretsExecError:
    first, *others = group
    if not others:
        return first
    names = [error.where.partition(",")[0] for error in others]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return first.at(f"{first.where}; likewise {', '.join(names[:_NAMED])}{more}")


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'? ` when a known word is near, else nothing; made for the front of a hint."""
    import difflib  # cost milliseconds, needed only to tell an error
    from itertools import islice

    short = islice((other for other in known if len(other) <= _LONGEST_WORD), _NEARBY)
    near = difflib.get_close_matches(word, short, n=1, cutoff=0.6) if len(word) <= _LONGEST_WORD else ()
    return f"did you mean '{near[0]}'? " if near else ""
