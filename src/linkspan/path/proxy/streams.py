"""Relay byte streams (TCP, SCTP) between client and target, spliced through pipes, each at its own pace."""

from __future__ import annotations

import _socket
import fcntl
import os
from collections.abc import Callable

from linkspan.path.proxy.loop import EDGES, READABLE, WRITABLE, Loop

PIPE_SIZE = 1 << 20  # bytes asked of F_SETPIPE_SZ; refused for users without privilege, which is no harm
CHUNK = 1 << 20
SHARE = 4 << 20  # bytes that one direction may move before others get their turn
BUFFER = 1 << 16  # bytes held in this process for a direction that got no pipe
SPARE_PIPES = 64
F_SETPIPE_SZ = 1031
SPLICE = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, 0 seconds

Pipe = tuple[int, int]


class Pipes:
    """Empty pipes to lend out: a direction holds one only while its bytes are under way."""

    def __init__(self) -> None:
        self._spare: list[Pipe] = []

    def take(self) -> Pipe | None:
        """Return an empty pipe, or None when descriptors have run out."""
        if self._spare:
            return self._spare.pop()
        try:
            pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        _widen(pipe)
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """Take back an empty pipe."""
        if len(self._spare) < SPARE_PIPES:
            self._spare.append(pipe)
        else:
            self.discard(pipe)

    def discard(self, pipe: Pipe) -> None:
        """Throw away a pipe with what is in it."""
        os.close(pipe[0])
        os.close(pipe[1])


def _widen(pipe: Pipe) -> None:
    try:
        fcntl.fcntl(pipe[1], F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        return  # over the user's pipe pages: the kernel's 64 KiB do as well, with more calls


class Flow:
    """One direction of a session: from `source` to `sink`, at most a pipe of bytes between them."""

    __slots__ = ("done", "ended", "pending", "pipe", "readable", "rest", "sink", "source", "writable")

    def __init__(self, source: _socket.socket, sink: _socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.readable = False
        self.writable = False
        self.pending = 0  # bytes in the pipe
        self.pipe: Pipe | None = None
        self.rest = b""  # bytes held here, when there is no pipe
        self.ended = False  # the source has sent its last byte
        self.done = False  # and the sink has been told so


class Streams:
    """What all sessions share: the loop, the pipes, and how bytes move."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.pipes = Pipes()

    def pump(self, flow: Flow, spliced: bool) -> bool:
        """Move what can be moved, up to a fair share; returns whether there is more to move at once.

        Raises OSError when either side has failed.
        """
        more = self._splice(flow) if spliced else self._copy(flow)
        if flow.ended and not flow.done and not flow.pending and not flow.rest:
            flow.done = True
            flow.sink.shutdown(_socket.SHUT_WR)
        return more

    def _splice(self, flow: Flow) -> bool:
        if flow.rest:
            return self._copy(flow)
        if not flow.pending and (flow.ended or not flow.readable):
            return False
        pipe = flow.pipe or self.pipes.take()
        if not pipe:
            return self._copy(flow)
        flow.pipe = pipe
        more = self._through(flow, pipe)
        if not flow.pending:
            flow.pipe = None
            self.pipes.give_back(pipe)
        return more

    def _through(self, flow: Flow, pipe: Pipe) -> bool:
        source, sink, splice = flow.source.fileno(), flow.sink.fileno(), os.splice
        into, out_of = pipe[1], pipe[0]
        share = SHARE
        while share > 0:
            if not flow.pending:
                if not flow.readable:
                    return False
                try:
                    flow.pending = splice(source, into, CHUNK, flags=SPLICE)
                except BlockingIOError:
                    flow.readable = False
                    return False
                if not flow.pending:
                    flow.ended = True
                    flow.readable = False
                    return False
            if not flow.writable:
                return False
            try:
                moved = splice(out_of, sink, flow.pending, flags=SPLICE)
            except BlockingIOError:
                flow.writable = False
                return False
            flow.pending -= moved
            share -= moved
        return True

    def _copy(self, flow: Flow) -> bool:
        """Move bytes through this process: for SCTP, and when there is no descriptor left for a pipe."""
        share = SHARE
        while share > 0:
            try:
                if not flow.rest:
                    if flow.ended or not flow.readable:
                        return False
                    flow.rest = flow.source.recv(BUFFER)
                    flow.ended = not flow.rest
            except BlockingIOError:
                flow.readable = False
                return False
            if not flow.writable:
                return False
            try:
                moved = flow.sink.send(flow.rest)
            except BlockingIOError:
                flow.writable = False
                return False
            flow.rest = flow.rest[moved:]
            share -= moved
        return True

    def drop(self, flow: Flow) -> None:
        """Let go of what `flow` holds."""
        if flow.pipe:
            self.pipes.discard(flow.pipe)
            flow.pipe = None
        flow.rest = b""


class Session:
    """A client's connection and ours to the target; it ends when both directions have, or one side fails."""

    __slots__ = (
        "_again",
        "_client",
        "_closed",
        "_connected",
        "_down",
        "_ended",
        "_spliced",
        "_streams",
        "_target",
        "_up",
    )

    def __init__(
        self,
        streams: Streams,
        client: _socket.socket,
        target: _socket.socket,
        spliced: bool,
        ended: Callable[[Session], None],
    ) -> None:
        self._streams = streams
        self._client = client
        self._target = target
        self._spliced = spliced
        self._ended = ended
        self._up = Flow(client, target)
        self._down = Flow(target, client)
        self._connected = False
        self._again = False
        self._closed = False
        streams.loop.watch(client.fileno(), self._on_client, EDGES)
        streams.loop.watch(target.fileno(), self._on_target, EDGES)

    def _on_client(self, mask: int) -> None:
        if mask & READABLE:
            self._up.readable = True
        if mask & WRITABLE:
            self._down.writable = True
        if self._connected:
            self._advance()

    def _on_target(self, mask: int) -> None:
        if mask & READABLE:
            self._down.readable = True
        if mask & WRITABLE:
            self._up.writable = True
            self._connected = True  # or failed to: the first pump finds out
        if self._connected:
            self._advance()

    def _advance(self) -> None:
        if self._again:
            return
        pump, spliced = self._streams.pump, self._spliced
        try:
            more = pump(self._up, spliced)
            more |= pump(self._down, spliced)
        except OSError:
            self.close(reset=True)
            return
        if self._up.done and self._down.done:
            self.close(reset=False)
        elif more:
            self._again = True
            self._streams.loop.again(self._next_turn)

    def _next_turn(self) -> None:
        self._again = False
        if not self._closed:
            self._advance()

    def close(self, reset: bool) -> None:
        """End both connections; with `reset` both peers see that it was not a regular end (RST)."""
        self._closed = True
        for sock in (self._client, self._target):
            if reset:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, RESET_ON_CLOSE)
            self._streams.loop.bury(sock)
        self._streams.drop(self._up)
        self._streams.drop(self._down)
        self._ended(self)
