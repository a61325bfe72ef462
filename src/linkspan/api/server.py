"""Where the application listens: unix sockets for root and one group, TCP sockets by TLS only."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from linkspan.api.tls import TlsDoor, server_context
from linkspan.engine.settings import TlsFiles
from linkspan.model.errors import Conflict, InvalidParameter

GRACE = 1  # seconds that open requests get to end when the daemon ends, and again after being cancelled

LINE_LIMIT = 1024 * 1024  # bytes of a request line or header: as Docker's, filters and credentials are long


class Server:
    """Serves the application on unix sockets and, by TLS with client certificates, on TCP addresses."""

    def __init__(self, app: web.Application, group: str = "", tls: TlsFiles | None = None) -> None:
        """`group` (a name or a number) may use the unix sockets besides root."""
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_logger(),
            handler_cancellation=True,
            keepalive_timeout=3600,
            shutdown_timeout=GRACE,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
        )
        self._group = group
        self._owner = -1
        self._tls = tls
        self._paths: list[Path] = []
        self._doors: list[TlsDoor] = []

    async def prepare(self, hosts: Sequence[str]) -> None:
        """Find out what is wrong with `hosts` before anything is started, and have their TCP addresses.

        Raises InvalidParameter for a group, host or certificate that cannot be, Conflict for a socket that
        another daemon serves, OSError with the address for one that cannot be had.
        """
        self._owner = _group_id(self._group) if self._group else -1
        for host in hosts:
            scheme, _, rest = host.partition("://")
            if scheme == "unix":
                await _refuse_if_served(Path(rest))
            elif scheme == "tcp":
                self._open_tls(host)
            else:
                raise InvalidParameter(
                    f'unable to parse docker host "{host}": use unix:///path or tcp://host:port'
                )

    def _open_tls(self, host: str) -> None:
        if self._tls is None:
            raise InvalidParameter(f"{host}: a TCP socket needs --tlsverify and its certificates")
        where = urlsplit(host)
        door = TlsDoor(server_context(self._tls), self._take)
        door.open(where.hostname or "127.0.0.1", where.port or 2376)
        self._doors.append(door)

    async def start(self, hosts: Sequence[str]) -> None:
        """Serve every one of `hosts` ("unix:///run/x.sock" or "tcp://192.0.2.1:2376"), after `prepare`."""
        await self._runner.setup()
        for host in hosts:
            scheme, _, rest = host.partition("://")
            if scheme == "unix":
                await self._listen_unix(Path(rest))
        for door in self._doors:
            door.start()

    async def _listen_unix(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        previous = os.umask(0o117)
        try:
            await web.UnixSite(self._runner, str(path), backlog=1024).start()
        finally:
            os.umask(previous)
        os.chown(path, 0, self._owner)
        self._paths.append(path)

    async def _take(self, connection: socket.socket) -> None:
        """Serve a connection that the TLS door has let in."""
        server = self._runner.server
        assert server is not None
        await asyncio.get_running_loop().connect_accepted_socket(server, connection)

    async def stop(self) -> None:
        """Stop listening, end open connections within GRACE and remove the sockets' files."""
        for door in self._doors:
            door.close()
        await self._runner.cleanup()
        for door in self._doors:
            await door.wait_closed()
        for path in self._paths:
            path.unlink(missing_ok=True)


def _logger() -> logging.Logger:
    """Return the log of the HTTP server, where a client that does not speak HTTP is one line."""
    log = logging.getLogger("linkspan.api.http")
    log.addFilter(_terse)
    return log


def _terse(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "refused what is no HTTP request: %s", (" ".join(error.message.split()),)
        record.exc_info = None
    return True


def _group_id(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise InvalidParameter(f"group {name} not found: create it, or name another with --group") from None


async def _refuse_if_served(path: Path) -> None:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_unix_connection(str(path))
        writer.close()
        raise Conflict(
            f"another daemon is listening on {path}: stop it first, or choose another socket with --host"
        )
