"""Ask upstream servers: raw bytes under a new id, a second server after a short delay, TCP when truncated."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from linkspan.path.dns import message
from linkspan.path.dns.view import Upstream

HEDGE = 0.15  # seconds until the next server is asked as well
RETRANSMIT = 1.0  # seconds until all are asked again
PATIENCE = 4.0  # seconds until the client is told that nobody answered (Docker's time for one server)
AVOIDED = 20.0  # seconds that a server which left a question open comes last
CONCURRENT = 1024  # questions under way, as Docker
REUSES = 500  # questions from one source port
DATAGRAM = 65535

Opener = Callable[[Upstream, int], Awaitable[socket.socket]]
"""Opens a non-blocking socket of the kind (SOCK_DGRAM or SOCK_STREAM) in the server's namespace."""


class Refused(Exception):
    """Too many questions are under way."""


class Forwarder:
    """Asks servers on behalf of sandboxes; one per group of servers and namespace, on one event loop."""

    def __init__(self, servers: Sequence[Upstream], opener: Opener) -> None:
        self._channels = [Channel(server, opener) for server in servers]
        self._opener = opener
        self._asked: dict[bytes, asyncio.Task[bytes]] = {}
        self._closed = False

    async def ask(self, query: bytes) -> bytes:
        """Return a server's answer to `query`, with the query's id; SERVFAIL when none has one.

        The same question asked again meanwhile waits for the same answer. Raises Refused.
        """
        key = query[2:]
        task = self._asked.get(key)
        if not task:
            if len(self._asked) >= CONCURRENT:
                raise Refused
            task = self._asked[key] = asyncio.ensure_future(self._answer(query))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        try:
            return query[:2] + (await asyncio.shield(task))[2:]
        except asyncio.CancelledError:
            if self._closed and task.cancelled():  # the servers were changed meanwhile
                return message.failure(query, message.SERVFAIL)
            raise

    async def _answer(self, query: bytes) -> bytes:
        race = Race(query, len(self._channels))
        plan = asyncio.ensure_future(self._ask_in_turn(query, race))
        try:
            async with asyncio.timeout(PATIENCE):
                channel, answer = await race.winner
        except TimeoutError:
            return race.best_failure or message.failure(query, message.SERVFAIL)
        finally:
            plan.cancel()
            race.over()
        if message.is_truncated(answer):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, message.Malformed, TimeoutError):
                return await self._by_stream(channel.server, query)
        return answer

    async def _ask_in_turn(self, query: bytes, race: Race) -> None:
        now = time.monotonic()
        order = sorted(self._channels, key=lambda channel: channel.avoided_until > now)
        for channel in order:
            race.failure.clear()
            await channel.ask(query, race)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(race.failure.wait(), HEDGE)
        while True:
            await asyncio.sleep(RETRANSMIT)
            for channel in order:
                await channel.ask(query, race)

    async def _by_stream(self, server: Upstream, query: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            sock = await self._opener(server, socket.SOCK_STREAM)
            try:
                await asyncio.get_running_loop().sock_connect(sock, (str(server.address), server.port))
                reader, writer = await asyncio.open_connection(sock=sock)
            except BaseException:
                sock.close()
                raise
            try:
                writer.write(len(query).to_bytes(2, "big") + query)
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await reader.readexactly(length)
            finally:
                writer.close()
        if answer[:2] != query[:2] or not _answers(answer, query):
            raise message.Malformed("an answer to another question")
        return answer

    def close(self) -> None:
        """Give up all questions (they are answered SERVFAIL) and close the sockets."""
        self._closed = True
        for task in list(self._asked.values()):
            task.cancel()
        for channel in self._channels:
            channel.close()


class Race:
    """One question put to several servers: the first good answer wins, failures are kept as a last resort."""

    def __init__(self, query: bytes, runners: int) -> None:
        self.query = query
        self.winner: asyncio.Future[tuple[Channel, bytes]] = asyncio.get_running_loop().create_future()
        self.best_failure = b""
        self._runners = runners
        self._failed: set[Channel] = set()
        self.failure = asyncio.Event()
        self._entries: list[tuple[Channel, int]] = []

    def entered(self, channel: Channel, identity: int) -> None:
        """Remember that `channel` was asked under the id `identity`."""
        self._entries.append((channel, identity))

    def arrived(self, channel: Channel, answer: bytes) -> None:
        """Take the answer of one server."""
        if self.winner.done():
            return
        if message.response_code(answer) in (message.SERVFAIL, message.REFUSED):
            self.failed(channel, answer)
        else:
            channel.avoided_until = 0.0
            self.winner.set_result((channel, answer))

    def failed(self, channel: Channel, answer: bytes = b"") -> None:
        """Count out a server that answered with a failure or cannot be reached; the next is asked at once."""
        self.best_failure = self.best_failure or answer
        self._failed.add(channel)
        self.failure.set()
        if len(self._failed) == self._runners and not self.winner.done():
            self.winner.set_result(
                (channel, self.best_failure or message.failure(self.query, message.SERVFAIL))
            )

    def over(self) -> None:
        """Withdraw the question; servers that left it open are asked last for a while."""
        winner = self.winner.result()[0] if self.winner.done() and not self.winner.cancelled() else None
        for channel, identity in self._entries:
            open_still = channel.withdraw(identity)
            if open_still and channel is not winner and channel not in self._failed:
                channel.avoided_until = time.monotonic() + AVOIDED
        self.winner.cancel()


class Channel:
    """A connected UDP socket to one server; ids and the question tell answers apart from forgeries."""

    def __init__(self, server: Upstream, opener: Opener) -> None:
        self.server = server
        self.avoided_until = 0.0
        self._opener = opener
        self._socket: socket.socket | None = None
        self._uses = 0
        self._open: dict[int, Race] = {}  # questions under way, by the id they were sent under
        self._opening: asyncio.Future[None] | None = None
        self._closed = False

    async def ask(self, query: bytes, race: Race) -> None:
        """Send `query` under a new id; the answer goes to `race`."""
        try:
            sock = await self._connected()
            identity = self._free_identity()
            self._open[identity] = race
            race.entered(self, identity)
            sock.send(identity.to_bytes(2, "big") + query[2:])
        except OSError:
            self._renew()
            race.failed(self)

    def _free_identity(self) -> int:
        while (identity := random.getrandbits(16)) in self._open:
            continue
        return identity

    async def _connected(self) -> socket.socket:
        if self._socket and self._uses >= REUSES and not self._open:
            self._renew()
        self._uses += 1
        while not self._socket:
            # Shielded: a question that ends must not leave behind a socket that is just being opened.
            self._opening = self._opening or asyncio.ensure_future(self._open_socket())
            await asyncio.shield(self._opening)
        return self._socket

    async def _open_socket(self) -> None:
        try:
            sock = await self._opener(self.server, socket.SOCK_DGRAM)
        finally:
            self._opening = None
        try:
            sock.connect((str(self.server.address), self.server.port))
        except OSError:
            sock.close()
            raise
        if self._closed:
            sock.close()
            raise ConnectionAbortedError("the resolver was closed meanwhile")
        self._socket, self._uses = sock, 1
        asyncio.get_running_loop().add_reader(sock, self._on_answers, sock)

    def _on_answers(self, sock: socket.socket) -> None:
        while True:
            try:
                answer = sock.recv(DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # ICMP: nobody listens there
                for race in set(self._open.values()):
                    race.failed(self)
                return
            identity = int.from_bytes(answer[:2], "big")
            asked = self._open.get(identity)
            if asked and _answers(answer, asked.query):
                del self._open[identity]
                asked.arrived(self, asked.query[:2] + answer[2:])

    def withdraw(self, identity: int) -> bool:
        """Expect no answer under `identity` any more; returns whether one was still expected."""
        return self._open.pop(identity, None) is not None

    def _renew(self) -> None:
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Close the socket."""
        self._closed = True
        self._renew()
        self._open.clear()


def _answers(answer: bytes, query: bytes) -> bool:
    """Say whether `answer` is a response to the question of `query` (its id is checked elsewhere)."""
    try:
        asked, got = message.question_of(query), message.question_of(answer)
    except message.Malformed:
        return False
    same = (asked.name, asked.type, asked.klass) == (got.name, got.type, got.klass)
    return same and message.is_response(answer)
