"""One request to the daemon at a time, over its unix socket: an answer, or the news that it died."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class Interrupted(Exception):
    """The daemon ended before it answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of a response."""

    status: int
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """Asks a daemon; every request has a connection of its own. For any thread."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request and read the whole answer.

        Raises Interrupted when there is no daemon or it ends meanwhile, TimeoutError when it keeps silent.
        """
        connection = _Connection(self._control)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except TimeoutError as error:
            raise TimeoutError(f"{method} {path}: no answer in {PATIENCE:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted(f"{method} {path}: {error}") from error
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, control: Path) -> None:
        super().__init__("lab", timeout=PATIENCE)
        self._path = str(control)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
