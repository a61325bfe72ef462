"""TLS in front of the application: clients show a certificate, and what they say goes on as plain bytes.

Event loops cannot close one direction of a TLS connection, and end both when the client closes its own. But
`docker run -i` closes its input and then reads on (Go's tls.Conn.CloseWrite sends close_notify only). So the
records are handled here; the application gets one end of a socket pair, where a half-close is a half-close.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine

from linkspan.engine.settings import TlsFiles
from linkspan.model.errors import InvalidParameter

log = logging.getLogger(__name__)

HANDSHAKE = 10.0  # seconds
CHUNK = 65536
BACKLOG = 128
Take = Callable[[socket.socket], Awaitable[None]]


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return what a server needs that asks every client for a certificate; raises InvalidParameter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidParameter(
            "invalid TLS configuration: could not load X509 key pair"
            f' (cert: "{files.certificate}", key: "{files.key}"): {error}'
        ) from error
    try:
        context.load_verify_locations(files.authority)
    except (OSError, ssl.SSLError) as error:
        raise InvalidParameter(
            f'invalid TLS configuration: could not read CA certificate "{files.authority}": {error}'
        ) from error
    return context


class TlsDoor:
    """A listening TCP socket; `take` is handed a plain socket for every client that was let in."""

    def __init__(self, context: ssl.SSLContext, take: Take) -> None:
        self._context = context
        self._take = take
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def open(self, address: str, port: int) -> None:
        """Have the address, and let clients wait; raises OSError that names it."""
        try:
            self._listener = socket.create_server(
                (address, port),
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                backlog=BACKLOG,
            )
        except OSError as error:
            raise OSError(error.errno, f"listening on {address} port {port}: {error.strerror}") from error
        self._listener.setblocking(False)

    def start(self) -> None:
        """Let clients in, those that wait already too."""
        if self._listener is not None:
            self._spawn(self._accept(self._listener), "accept")

    def close(self) -> None:
        """Let nobody in any more; connections that are open go on until they are closed behind the door."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            for task in self._tasks:
                if task.get_name() == "accept":
                    task.cancel()

    async def wait_closed(self) -> None:
        """End what is still open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                outer, peer = await loop.sock_accept(listener)
            except OSError as error:  # too many open files, say
                log.error("taking a TLS connection: %s", error)
                await asyncio.sleep(0.1)
                continue
            self._spawn(self._serve(outer, str(peer[0])), "connection")

    async def _serve(self, outer: socket.socket, peer: str) -> None:
        with outer:
            outer.setblocking(False)
            try:
                await _Connection(self._context, outer).run(self._take)
            except ssl.SSLError as error:
                log.info("TLS handshake error from %s: %s", peer, error.reason or error)
            except (OSError, TimeoutError) as error:
                log.debug("TLS connection from %s: %s", peer, error)


class _Connection:
    """One client: records on the outside, plain bytes on the inside."""

    def __init__(self, context: ssl.SSLContext, outer: socket.socket) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    async def run(self, take: Take) -> None:
        """Shake hands, hand one end of a socket pair to `take`, and carry bytes until either side is gone."""
        async with asyncio.timeout(HANDSHAKE):
            await self._handshake()
        theirs, ours = socket.socketpair()
        with ours:
            ours.setblocking(False)
            theirs.setblocking(False)
            await take(theirs)
            directions = [asyncio.ensure_future(way) for way in (self._inward(ours), self._outward(ours))]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)

    async def _handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
                continue
            finally:
                await self._flush()
            return

    async def _receive(self) -> bool:
        """Take in what the network has; whether there will be more."""
        records = await self._loop.sock_recv(self._outer, CHUNK)
        if records:
            self._incoming.write(records)
        else:
            self._incoming.write_eof()
        return bool(records)

    async def _flush(self) -> None:
        async with self._sending:
            if records := self._outgoing.read():
                await self._loop.sock_sendall(self._outer, records)

    async def _inward(self, ours: socket.socket) -> None:
        """Carry the client's bytes; after its close_notify stay until the connection itself has ended."""
        while data := await self._read():
            await self._loop.sock_sendall(ours, data)
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
        while await self._loop.sock_recv(self._outer, CHUNK):
            continue

    async def _read(self) -> bytes:
        while True:
            try:
                return self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def _outward(self, ours: socket.socket) -> None:
        """Carry the application's bytes, and say close_notify at their end."""
        while data := await self._loop.sock_recv(ours, CHUNK):
            self._tls.write(data)
            await self._flush()
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()
