"""Output and input of containers: frames taken apart, terminals in raw mode, bytes both ways."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from linkspan.cli.client import Connection

HEADER = 8
STDERR = 2


class Demultiplexer:
    """Takes apart Docker's multiplexed stream: 1 byte stream, 3 zeros, 4 bytes length, the payload."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, payload) of every frame that is complete; 1 is stdout, 2 stderr."""
        self._buffer += data
        while len(self._buffer) >= HEADER:
            end = HEADER + int.from_bytes(self._buffer[4:HEADER], "big")
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            yield frame[0], frame[HEADER:]


def writer(raw: bool) -> Callable[[bytes], None]:
    """A function that writes what a container has said to our own stdout and stderr."""
    frames = Demultiplexer()

    def write(data: bytes) -> None:
        if raw:
            _write_all(1, data)
            return
        for stream, payload in frames.feed(data):
            _write_all(STDERR if stream == STDERR else 1, payload)

    return write


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def show(pieces: Iterable[bytes], *, raw: bool) -> None:
    """Write a whole stream to stdout and stderr as it comes."""
    write = writer(raw)
    for piece in pieces:
        write(piece)


def converse(connection: Connection, *, raw: bool, with_input: bool) -> None:
    """Copy the container's output to us, and our stdin to it when `with_input`, until the output ends.

    When our stdin ends, the container's does too (half-close); its output goes on.
    """
    import select

    write = writer(raw)
    ours = sys.stdin.fileno() if with_input else -1
    theirs = connection.socket.fileno()
    waiting = [theirs, ours] if with_input else [theirs]
    while True:
        ready = [theirs] if connection.buffered else select.select(waiting, [], [])[0]
        if theirs in ready:
            data = connection.read()
            if not data:
                return
            write(data)
        if ours in ready and not _pass_input(connection, ours):
            waiting = [theirs]


def _pass_input(connection: Connection, ours: int) -> bool:
    """Pass on what is there; False at the end of our input or when nobody takes it any more."""
    import _socket

    data = os.read(ours, 65536)
    try:
        if data:
            connection.socket.sendall(data)
        else:
            connection.socket.shutdown(_socket.SHUT_WR)
    except OSError:
        return False
    return bool(data)


class RawTerminal:
    """Our terminal passes every key on while this is entered, and tells when its size changes."""

    def __init__(self, resized: Callable[[int, int], object]) -> None:
        """`resized` is called with height and width, in characters: at once, and at each change."""
        self._resized = resized

    def __enter__(self) -> RawTerminal:
        import signal
        import termios
        import tty

        self._descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._descriptor)
        tty.setraw(self._descriptor)
        self._tell()
        signal.signal(signal.SIGWINCH, lambda _number, _frame: self._tell())
        return self

    def __exit__(self, *_: object) -> None:
        import signal
        import termios

        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _tell(self) -> None:
        """A process that is just starting or has ended has no terminal yet: docker tries ten times, too."""
        import time

        from linkspan.cli.client import ClientError

        width, height = os.get_terminal_size(self._descriptor)
        for attempt in range(10):
            try:
                self._resized(height, width)
            except ClientError:
                time.sleep(0.01 * attempt)
            else:
                return


def moment(text: str) -> str | None:
    """A --since or --until as the API takes it: Unix seconds of an RFC 3339 text, a number, or "10m" ago."""
    import time

    from linkspan.cli import tables
    from linkspan.cli.flags import UsageError

    units = {"s": 1, "m": tables.MINUTE, "h": tables.HOUR}
    if not text or text.replace(".", "", 1).isdigit():
        return text or None
    if text[-1] in units and text[:-1].isdigit():
        return str(time.time() - int(text[:-1]) * units[text[-1]])
    try:
        return f"{tables.unix_time(text):.9f}"
    except ValueError:
        raise UsageError(f"{text} is neither a time (2026-01-02T15:04:05Z) nor a span (10m)", 1) from None
