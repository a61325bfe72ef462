"""A running container's stdin and terminal size: conmon's attach socket and control fifo."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from linkspan.model.errors import Conflict

# conmon cuts longer packets.
_CHUNK = 8192
_SO_ATTACH_FILTER = 26
_BPF_RETURN = 0x06


class Console:
    """The writing end of one container's stdin.

    Several may be open at once; each is a blocking seqpacket socket to conmon, whose descriptor `fileno()`
    may be given to an event loop (non-blocking use: `socket`).
    """

    def __init__(self, bundle: Path) -> None:
        """Connect to conmon's attach socket in `bundle`; raises Conflict when the container does not run."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _refuse_output(self.socket)
        directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY)
        try:
            self.socket.connect(f"/proc/self/fd/{directory}/attach")
        except OSError as error:
            self.socket.close()
            raise Conflict(f"the container's stdin cannot be reached: {error.strerror}") from error
        finally:
            os.close(directory)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self.socket.fileno()

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises BrokenPipeError when the container has ended."""
        for start in range(0, len(data), _CHUNK):
            self.socket.sendall(data[start : start + _CHUNK])

    def end(self) -> None:
        """Half-close: the container reads end-of-file, if it was created with `stdin_once`."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Disconnect; the same as `end` for the container."""
        self.socket.close()


def _refuse_output(connection: socket.socket) -> None:
    """Let the kernel toss what conmon sends: it copies all output here, and stops when nobody reads it.

    Shutting down our reading side is no way: conmon 2.1 then forgets to end the container's stdin. A filter
    program of one instruction, "accept 0 bytes", is. Source: socket(7), SO_ATTACH_FILTER; unix_dgram_sendmsg.
    """
    program = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    described = struct.pack("HP", 1, ctypes.addressof(program))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def resize(bundle: Path, height: int, width: int) -> None:
    """Tell the conmon of `bundle` the terminal's size in characters; raises Conflict when it is not there.

    Source: conmon's control fifo, message 1 (window size).
    """
    try:
        descriptor = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise Conflict(f"the container's terminal cannot be reached: {error.strerror}") from error
    try:
        os.write(descriptor, f"1 {height} {width}\n".encode())
    finally:
        os.close(descriptor)
