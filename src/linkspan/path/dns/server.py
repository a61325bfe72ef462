"""Serve one sandbox on 127.0.0.11: a cache in front, then names of containers, then upstream servers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections.abc import Coroutine
from dataclasses import dataclass

from linkspan.model.addresses import Address
from linkspan.path.dns import message
from linkspan.path.dns.batch import Batch, Peer
from linkspan.path.dns.cache import Cache
from linkspan.path.dns.gate import Gate
from linkspan.path.dns.upstream import Forwarder, Refused
from linkspan.path.dns.view import SandboxView
from linkspan.path.dns.zone import Zone, of_family, reverse_address

ADDRESS = "127.0.0.11"
LOCAL_LIFETIME = 600  # seconds, as Docker's
VARIANTS = 12  # orders kept of an answer with several addresses, at least: each address leads some
QUEUE = 1 << 20  # bytes of queries that may wait: a burst is no reason to lose some
SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h: not bounded by net.core.rmem_max
STREAM_IDLE = 10.0  # seconds
STREAMS = 64  # TCP connections of one sandbox

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sockets:
    """The two sockets of a sandbox; the firewall rules of `redirect` lead 127.0.0.11:53 to their ports."""

    datagram: socket.socket
    stream: socket.socket

    def ports(self) -> tuple[int, int]:
        """Return the UDP and the TCP port."""
        return self.datagram.getsockname()[1], self.stream.getsockname()[1]

    def close(self) -> None:
        """Close both."""
        self.datagram.close()
        self.stream.close()


def open_sockets(port: int = 0, stream_port: int = 0) -> Sockets:
    """Open both sockets in the calling thread's namespace, on any free ports unless `port` is given.

    `stream_port` is that of TCP if it is another. Raises OSError.
    """
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    opened = Sockets(datagram, stream)
    try:
        datagram.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE)
        datagram.bind((ADDRESS, port))
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((ADDRESS, stream_port or port))
        stream.listen(STREAMS)
    except BaseException:
        opened.close()
        raise
    return opened


class SandboxServer:
    """Answers the queries of one sandbox. Everything runs on the event loop that `start` is called from."""

    def __init__(
        self,
        sockets: Sockets,
        batch: Batch,
        zone: Zone,
        view: SandboxView,
        forwarder: Forwarder,
        shared: Cache,
    ) -> None:
        self.view = view
        self._sockets = sockets
        self._batch = batch
        self._zone = zone
        self._forwarder = forwarder
        self._shared = shared  # what upstream servers said, to any sandbox that asks them
        self._front = Cache()  # whole answers for this sandbox's datagrams
        self._now = 0.0  # the monotonic time of the batch that is being answered
        self._generation = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams = 0

    def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sockets.datagram, self._on_datagrams)
        loop.add_reader(self._sockets.stream, self._on_connection)

    def change(self, view: SandboxView, forwarder: Forwarder, shared: Cache) -> None:
        """Go on with another view."""
        self.view, self._forwarder, self._shared = view, forwarder, shared
        self.flush()

    def flush(self) -> None:
        """Forget answers: names have changed."""
        self._front.clear()
        self._generation += 1

    def close(self) -> None:
        """Stop, and let go of the namespace at once."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sockets.datagram)
        loop.remove_reader(self._sockets.stream)
        self._sockets.close()
        for task in list(self._tasks):
            task.cancel()

    def _on_datagrams(self) -> None:
        self._now = time.monotonic()
        ready = self._front.ready(self._now)
        self._batch.exchange(self._sockets.datagram.fileno(), ready, self._known, self._on_query)

    def _known(self, asked: bytes) -> bytes | None:
        return self._front.recall(asked, self._now)

    def _on_query(self, query: bytes, peer: Peer) -> None:
        query, now = message.without_cookie(query), self._now
        kept = self._front.get(query[2:], now)
        if self.view.gate is not None and not kept:
            self._spawn(self._gated_datagram(query, peer, self.view.gate))
            return
        local = query[:2] + kept if kept else self._without_upstream(query, now)
        if local is None:
            self._spawn(self._forward_datagram(query, peer))
        elif local:
            self._send(message.fitted(local, _limit(query)), peer)

    def _send(self, answer: bytes, peer: Peer) -> None:
        with contextlib.suppress(OSError):  # the client's queue is full or it has gone: it asks again
            self._sockets.datagram.sendto(answer, peer)

    async def _forward_datagram(self, query: bytes, peer: Peer) -> None:
        generation = self._generation
        answer = await self._forwarded(query)
        fitting = message.fitted(answer, _limit(query))
        if fitting is answer and generation == self._generation:  # else the name may be a container's by now
            self._front.put(query[2:], [answer], time.monotonic(), message.lifetime(answer))
        self._send(fitting, peer)

    async def _answered(self, query: bytes) -> bytes:
        if self.view.gate is not None:
            return await self._gated(query, self.view.gate)
        answer = self._without_upstream(query, time.monotonic())
        return await self._forwarded(query) if answer is None else answer

    async def _gated_datagram(self, query: bytes, peer: Peer, gate: Gate) -> None:
        generation = self._generation
        if not (answer := await self._gated(query, gate)):
            return
        fitting = message.fitted(answer, _limit(query))
        if fitting is answer and generation == self._generation:
            self._front.put(query[2:], [answer], time.monotonic(), message.lifetime(answer))
        self._send(fitting, peer)

    async def _gated(self, query: bytes, gate: Gate) -> bytes:
        """Return the answer to a query of a sandbox that may go to some places only, b"" for none.

        It is sent when the way to its addresses is open; kept answers live no longer than that way.
        """
        try:
            question = message.question_of(query)
            foreign = self._local(query, question) is None
        except message.Malformed:
            return self._without_upstream(query, time.monotonic()) or b""
        bridges = gate.bridges(question.name) if foreign else []
        if foreign and gate.closed and not bridges and not message.is_response(query):
            return message.failure(query, message.REFUSED)
        answer = self._without_upstream(query, time.monotonic())
        if answer is None:
            answer = await self._forwarded(query)
        if answer and bridges:
            await gate.open(bridges, answer)
        return answer

    def _without_upstream(self, query: bytes, now: float) -> bytes | None:
        """Return the answer known here, b"" for what deserves none, None if a server must be asked."""
        if len(query) < 12 or message.is_response(query):
            return b""
        try:
            question = message.question_of(query)
            if query[2] & 0x78:
                return message.failure(query, message.NOTIMP)
            local = self._local(query, question)
        except message.Malformed:
            return message.failure(query, message.FORMERR)
        if local:
            limit = _limit(query)
            self._front.put_fixed(query[2:], [message.fitted(answer, limit) for answer in local])
            return local[0]
        if question.klass != message.INTERNET:
            return message.failure(query, message.REFUSED)
        if self.view.ndots_set and "." not in question.name:
            return message.positive(query, question, [], 0)
        if not self.view.usable_upstreams():
            return message.failure(query, message.SERVFAIL)
        kept = self._shared.get(query[2:], now)
        return query[:2] + kept if kept else None

    def _local(self, query: bytes, question: message.Question) -> list[bytes] | None:
        """Return the answer from the names of containers in several orders, None for a name not ours."""
        if question.type == message.PTR:
            address = reverse_address(question.name)
            name = self._zone.name_of(self.view, address) if address else None
            return [message.positive(query, question, [name], LOCAL_LIFETIME)] if name else None
        found = self._zone.addresses(self.view, question.name)
        if found is None:
            return None
        wanted = {message.A: (4,), message.AAAA: (6,), message.ANY: (4, 6)}.get(question.type, ())
        addresses = [address for version in wanted for address in of_family(found, version)]
        return [message.positive(query, question, order, LOCAL_LIFETIME) for order in _orders(addresses)]

    async def _forwarded(self, query: bytes) -> bytes:
        shared, forwarder = self._shared, self._forwarder
        try:
            answer = await forwarder.ask(query)
        except Refused:
            log.warning("more than 1024 questions of %s are under way: refused", self.view.sandbox)
            return message.failure(query, message.REFUSED)
        try:
            seconds = message.lifetime(answer)
            shared.put(query[2:], [answer], time.monotonic(), seconds)
        except message.Malformed:
            return message.failure(query, message.SERVFAIL)
        return answer

    def _on_connection(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._sockets.stream.accept()
            if self._streams >= STREAMS:
                connection.close()
                return
            connection.setblocking(False)
            self._spawn(self._serve_stream(connection))

    async def _serve_stream(self, connection: socket.socket) -> None:
        self._streams += 1
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                while True:
                    query = message.without_cookie(await asyncio.wait_for(_read_query(reader), STREAM_IDLE))
                    answer = await self._answered(query)
                    if answer:
                        writer.write(len(answer).to_bytes(2, "big") + answer)
                        await writer.drain()
        finally:
            self._streams -= 1
            writer.close()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("a query of %s failed", self.view.sandbox, exc_info=task.exception())


async def _read_query(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


def _limit(query: bytes) -> int:
    try:
        return message.datagram_limit(query)
    except message.Malformed:
        return message.PLAIN_LIMIT


def _orders(addresses: list[Address]) -> list[list[Address]]:
    """Return `addresses` in several orders, each of them first equally often, the rest at random."""
    if len(addresses) < 2:
        return [addresses]
    rounds = -(-VARIANTS // len(addresses))
    return [_led_by(first, addresses) for first in addresses for _ in range(rounds)]


def _led_by(first: Address, addresses: list[Address]) -> list[Address]:
    others = [address for address in addresses if address != first]
    return [first, *random.sample(others, len(others))]
