"""/metrics on a TCP port of loopback, for a Prometheus on this host (dockerd's --metrics-addr)."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from aiohttp import web

from linkspan.api.context import ENGINE
from linkspan.api.insight import metrics
from linkspan.engine.engine import Engine
from linkspan.model.errors import Unavailable


class MetricsDoor:
    """Serves GET /metrics and nothing else at one address."""

    def __init__(self, engine: Engine, address: tuple[str, int] | None) -> None:
        """Without an `address` it stays closed."""
        app = web.Application()
        app[ENGINE] = engine
        app.router.add_get("/metrics", _metrics)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        self._address = address
        self._socket: socket.socket | None = None

    def prepare(self) -> None:
        """Have the address, before anything else is started; raises Unavailable."""
        if self._address is None:
            return
        try:
            self._socket = socket.create_server(
                self._address, family=socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            )
        except OSError as error:
            host, port = self._address
            reason = (error.strerror or str(error)).lower()
            raise Unavailable(
                f"--metrics-addr {host}:{port} cannot be had: {reason}; choose another port"
            ) from error

    async def start(self) -> None:
        """Answer from now on."""
        if self._socket is not None:
            await self._runner.setup()
            await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        """Close the door."""
        await self._runner.cleanup()
        if self._socket is not None:
            self._socket.close()


async def _metrics(request: web.Request) -> web.Response:
    """Answer who calls us by a name of loopback; a web page that leads its own name here is refused."""
    name = request.url.host or ""
    if name != "localhost" and not _is_loopback(name):
        raise web.HTTPForbidden(text="metrics are told to this host alone: ask localhost\n")
    return await metrics(request)


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
