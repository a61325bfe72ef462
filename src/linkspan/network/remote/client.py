"""One plugin, spoken to: JSON in POST requests over its socket. Blocking and thread-safe."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any

from linkspan.model.errors import LinkspanError, NotFound
from linkspan.network.remote.discovery import Place

TYPE = "application/vnd.docker.plugins.v1.2+json"
PATIENCE = 30.0
LARGEST = 1 << 20


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("plugin", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


class Plugin:
    """A plugin that was found; each call is a connection of its own, as plugins restart at will."""

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self._place = place
        self.implements: tuple[str, ...] = ()

    def activate(self) -> None:
        """Ask what the plugin implements; raises LinkspanError."""
        self.implements = tuple(str(kind) for kind in self.call("Plugin.Activate").get("Implements") or ())

    def call(self, method: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer to "NetworkDriver.Join" and the like.

        Raises LinkspanError with the plugin's own error, or saying that it cannot be reached; NotFound if it
        has gone, or does not know the method.
        """
        try:
            status, text = self._post(f"/{method}", json.dumps(body or {}))
        except FileNotFoundError as error:
            raise NotFound(f"plugin {self.name} cannot be reached for {method}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise LinkspanError(f"plugin {self.name} cannot be reached for {method}: {error}") from error
        try:
            answer = json.loads(text) if text.strip() else {}
        except ValueError:
            answer = text.decode(errors="replace").strip()
        if not isinstance(answer, dict) and status == 404:
            raise NotFound(f"{self.name}: {method}: {answer}")
        if not isinstance(answer, dict):
            raise LinkspanError(f"{self.name}: {method}: {answer}")
        if status == 404:
            raise NotFound(f"{self.name}: {method}: {answer.get('Err') or 'the plugin does not know it'}")
        if status != 200 or answer.get("Err"):
            raise LinkspanError(f"{self.name}: {method}: {answer.get('Err') or f'status {status}'}")
        return answer

    def _post(self, path: str, body: str) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request("POST", path, body, {"Content-Type": TYPE, "Accept": TYPE})
            response = connection.getresponse()
            return response.status, response.read(LARGEST)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._place.socket:
            return _UnixConnection(self._place.socket)
        return http.client.HTTPConnection(self._place.host, self._place.port, timeout=PATIENCE)
