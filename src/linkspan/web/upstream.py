"""The daemon as the page's server asks it: JSON and events over its socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import BaseConnector, ClientError, ClientSession, ClientTimeout, TCPConnector, UnixConnector

#: seconds; a trace that sends a packet waits for its answer
TIMEOUT = 30
#: what events a look at the network is worth
WATCHED = {"type": ["container", "network"]}


class Away(Exception):
    """The daemon cannot be reached now."""


class Refused(Exception):
    """The daemon has answered with an error, whose message this is."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Upstream:
    """Asks the daemon at `host` ("unix:///path" or "tcp://address:port"), which may come and go."""

    def __init__(self, host: str) -> None:
        self.host = host
        scheme, _, place = host.partition("://")
        unix = scheme == "unix"
        connector: BaseConnector = UnixConnector(place) if unix else TCPConnector()
        self._session = ClientSession(f"http://{'linkspan' if unix else place}", connector=connector)

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON that the daemon answers; raises Away, Refused."""
        try:
            async with self._session.get(
                path, params=query, timeout=ClientTimeout(total=TIMEOUT)
            ) as response:
                found = await response.json(content_type=None)
        except (ClientError, TimeoutError, ValueError) as error:
            raise Away(self._away(error)) from error
        if response.status >= 400:
            raise Refused(response.status, str(found["message"]))
        return found

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what happens to containers and networks until the daemon ends; raises Away."""
        query = {"filters": json.dumps(WATCHED)}
        try:
            async with self._session.get(
                "/events", params=query, timeout=ClientTimeout(total=None, sock_connect=TIMEOUT)
            ) as response:
                async for line in response.content:
                    if line.strip():
                        yield json.loads(line)
        except (ClientError, TimeoutError, ValueError) as error:
            raise Away(self._away(error)) from error
        raise Away(self._away("it has ended"))

    def _away(self, reason: object) -> str:
        words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return f"the daemon at {self.host} does not answer ({words})"
