"""Where the values lie that become files: the paths are decided before anything is fetched, the content comes last."""

from __future__ import annotations

import os

from .child import memfd
from .errors import UsageError
from .manifest import TMPFS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .errors import SecretsExecError
    from .inject import Injection
    from .manifest import Entry


def problems(entries: Sequence[Entry], *, supervised: bool) -> Iterator[SecretsExecError]:
    """Why what the entries ask for cannot be done here, or not in this way. `supervised` is a start with a parent."""
    filed = [entry for entry in entries if entry.as_file]
    named = [entry for entry in filed if entry.as_file and entry.as_file.kind == TMPFS]
    if not memfd.is_possible():
        hint = "leave as out: the variables then hold the values"
        yield UsageError('as = "file" needs Linux', where=_places(filed), hint=hint)
    elif named and not supervised:
        hint = 'add --supervise; or leave file = "tmpfs" out, for a file without a name'
        yield UsageError("files on a tmpfs need a parent that removes them", where=_places(named), hint=hint)


def _places(entries: Sequence[Entry]) -> str:
    return "; ".join(f"{entry.name}, {entry.node.file}" for entry in entries)


class Placement:
    """The files of one start. `paths` are those that the variables will hold."""

    def __init__(self, entries: Sequence[Entry], given: Mapping[bytes, bytes]) -> None:
        """Raises: SystemRefused."""
        files = {entry.name: entry.as_file for entry in entries if entry.as_file}
        self._descriptors = {name: memfd.reserve(one.name) for name, one in files.items() if one.kind != TMPFS}
        self.paths = {name: memfd.path(descriptor) for name, descriptor in self._descriptors.items()}
        named = {name: one.name for name, one in files.items() if one.kind == TMPFS}
        self._folder = _folder(given) if named else ""
        self.paths.update({name: os.path.join(self._folder, file) for name, file in named.items()})

    def fill(self, made: Sequence[Injection]) -> None:
        """Put the values where their variables say; in a process that becomes the command now.

        Raises: SystemRefused.
        """
        named = []
        for one in made:
            if one.entry and (file := one.entry.as_file):
                if file.kind == TMPFS:
                    named.append((file.name, one.value.reveal(), file.mode))
                else:
                    memfd.fill(self._descriptors[one.name], one.value.reveal(), file.mode)
        if named:
            from .child.supervise import entrust
            from .child.tmpfs import make

            entrust(self._folder)
            make(self._folder, named)


def _folder(given: Mapping[bytes, bytes]) -> str:
    from .child import supervise, tmpfs  # only for files that somebody has to remove

    return tmpfs.choose(given, supervise.parent())
