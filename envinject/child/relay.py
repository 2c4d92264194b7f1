"""The relay: a process of its own between the child's output and where it leads, which masks what passes.

A pipe stays a pipe and a terminal stays one: there the child writes to a pseudo-terminal of the same width and modes,
while its input and its controlling terminal are the real ones. So job control, prompts and signals are as without us,
and what remains for the relay is to carry bytes, sizes and modes. It ends when nobody can write to it any more.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

from .descriptors import FIRST_ABOVE, is_open, moved_up, open_descriptors
from .mask import Mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_OUTPUT, _ERRORS = 1, 2
_PIECE = 1 << 16
_PIPE = 1 << 20
_PAUSE_MILLISECONDS = 20
"""How long the begin of a value is held for its rest to come."""


def begin(values: Sequence[tuple[str, bytes]]) -> int:
    """Put a relay between this process's standard output and error and where they lead; its process id.

    Both go through one channel where they lead to one file, so that their order stays. The relay is nobody's child
    here: whoever adopts orphans reaps it. Raises: OSError, then nothing has changed.
    """
    channels = _channels()
    told, tell = os.pipe()
    try:
        if not (middle := os.fork()):
            _fork_again(channels, values, tell)
        os.close(tell)
        os.waitpid(middle, 0)
        relay = int.from_bytes(os.read(told, 4))
    finally:
        os.close(told)
    for channel in channels:
        for number in channel.numbers:
            os.dup2(channel.writer, number, inheritable=True)
        channel.let_go()
    return relay


def _fork_again(channels: Sequence[Channel], values: Sequence[tuple[str, bytes]], tell: int) -> NoReturn:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if relay := os.fork():
        os.write(tell, relay.to_bytes(4))
        os._exit(0)
    try:
        _carry(channels, values)
    finally:
        os._exit(0)


class Channel:
    """One way out: what is written to `writer` comes from `reader` and goes to `target`. `numbers` lead into it."""

    def __init__(self, target: int, numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self.target = fcntl.fcntl(target, fcntl.F_DUPFD_CLOEXEC, FIRST_ABOVE)
        self.is_terminal = os.isatty(target)
        if self.is_terminal:
            self.reader, self.writer = _terminal_like(target)
            self.modes = _modes(self.writer)  # as they are before the child can change them
        else:
            self.reader, self.writer = (moved_up(end) for end in os.pipe())
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                _try(fcntl.fcntl, self.writer, fcntl.F_SETPIPE_SZ, _PIPE)

    def let_go(self) -> None:
        """Close our ends: what is left are the numbers."""
        for descriptor in (self.target, self.reader, self.writer):
            os.close(descriptor)


def _channels() -> list[Channel]:
    there = [number for number in (_OUTPUT, _ERRORS) if is_open(number)]
    if len(there) == 2 and os.path.sameopenfile(_OUTPUT, _ERRORS):
        return [Channel(_OUTPUT, (_OUTPUT, _ERRORS))]
    return [Channel(number, (number,)) for number in there]


# What the relay does


def _carry(channels: Sequence[Channel], values: Sequence[tuple[str, bytes]]) -> None:
    """Carry everything to its end. Nothing but our own channels stays open, and no signal ends it."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for channel in channels:
        os.close(channel.writer)
    kept = {descriptor for channel in channels for descriptor in (channel.reader, channel.target)}
    _close_all_but(kept)
    os.chdir("/")
    if not any(channel.is_terminal for channel in channels):
        os.setsid()  # out of the group that is ended as one; on a terminal it needs to be told of sizes
    _Carrier(channels, values).run()


def _close_all_but(kept: set[int]) -> None:
    for descriptor in open_descriptors():
        if descriptor not in kept:
            _try(os.close, descriptor)


class _Carrier:
    """The loop: waits for output, for a silence after which what is held is shown, and for a new size."""

    def __init__(self, channels: Sequence[Channel], values: Sequence[tuple[str, bytes]]) -> None:
        self._masks = {channel.reader: Mask(values) for channel in channels}
        self._channels = {channel.reader: channel for channel in channels}
        self._modes = {channel.reader: channel.modes for channel in channels if channel.is_terminal}
        self._poll = select.poll()
        for channel in channels:
            self._poll.register(channel.reader, select.POLLIN)
        self._woken = self._wake_at_sizes() if self._modes else -1

    def run(self) -> None:
        while self._channels:
            waits = any(self._masks[reader].waits for reader in self._channels)
            ready = self._poll.poll(_PAUSE_MILLISECONDS if waits else None)
            for descriptor, _ in ready:
                if descriptor == self._woken:
                    os.read(descriptor, _PIECE)
                    self._take_sizes()
                else:
                    self._take(descriptor)
            if not ready:
                for reader in list(self._channels):
                    self._show(reader, self._masks[reader].pause())

    def _take(self, reader: int) -> None:
        try:
            data = os.read(reader, _PIECE)
        except OSError:  # a pseudo-terminal's way to say that nobody writes to it any more
            data = b""
        if reader in self._modes:
            self._take_sizes()
            self._take_modes(reader)
        mask = self._masks[reader]
        self._show(reader, mask.feed(data) if data else mask.end())
        if not data:
            self._end(reader)

    def _show(self, reader: int, data: bytes) -> None:
        """Write it all. Where nobody reads, the child is to learn that from its own next write."""
        try:
            while data and reader in self._channels:
                data = data[os.write(self._channels[reader].target, data) :]
        except BlockingIOError:  # somebody else made it so
            os.set_blocking(self._channels[reader].target, True)
            self._show(reader, data)
        except OSError:
            self._end(reader)

    def _end(self, reader: int) -> None:
        self._poll.unregister(reader)
        channel = self._channels.pop(reader)
        os.close(channel.reader)
        os.close(channel.target)

    # Terminals

    def _wake_at_sizes(self) -> int:
        """A descriptor that can be read when the real terminal has another size."""
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGWINCH, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGWINCH])
        self._poll.register(woken, select.POLLIN)
        return woken

    def _take_sizes(self) -> None:
        """Give the child's terminal the size of the real one, and tell the program in front, which looks at it now."""
        for reader in self._modes.keys() & self._channels.keys():
            target = self._channels[reader].target
            size = os.get_terminal_size(target)
            if os.get_terminal_size(reader) != size:
                _set_size(reader, target)
                _try(_tell_of_size, target)

    def _take_modes(self, reader: int) -> None:
        """What the child has set for its terminal is set for the real one, but who makes line ends of its output."""
        modes = _modes(reader)
        if modes != self._modes[reader]:
            self._modes[reader] = modes
            _set_modes(self._channels[reader].target, modes, makes_line_ends=True)


def _tell_of_size(terminal: int) -> None:
    os.killpg(os.tcgetpgrp(terminal), signal.SIGWINCH)


def _terminal_like(target: int) -> tuple[int, int]:
    """A pseudo-terminal with the size and the modes of another terminal: our end, and the child's."""
    master, slave = (moved_up(end) for end in os.openpty())
    _set_size(master, target)
    _set_modes(slave, _modes(target), makes_line_ends=False)
    return master, slave


def _modes(terminal: int) -> list[Any]:
    import termios

    return termios.tcgetattr(terminal)


def _set_modes(terminal: int, modes: list[Any], *, makes_line_ends: bool) -> None:
    """Only one of the two terminals may turn a line feed into a line end: the real one."""
    import termios

    output = modes[1] | termios.OPOST if makes_line_ends else modes[1] & ~termios.OPOST
    _try(termios.tcsetattr, terminal, termios.TCSANOW, [modes[0], output, *modes[2:]])


def _set_size(terminal: int, like: int) -> None:
    import termios

    size = fcntl.ioctl(like, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)


def _try(act: Any, *given: Any) -> None:
    """Do what may fail without harm: a terminal may have gone, a kernel may know no such pipe."""
    import termios

    try:
        act(*given)
    except (OSError, termios.error):
        return
