"""What compose asks of whoever talks to the daemon for it: the Engine API, call by call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from linkspan.model.errors import LinkspanError


class Refused(LinkspanError):
    """The daemon has answered with an error (`status`), or cannot be reached (`status` 0)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Answer(Protocol):
    """The answer to a call, as it arrives."""

    def pieces(self) -> Iterator[bytes]: ...

    def documents(self) -> Iterator[Any]: ...


class Daemon(Protocol):
    """The daemon; safe to use from several threads. Every method raises Refused."""

    def get(self, path: str, **query: object) -> Any: ...

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any: ...

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        stream: Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer: ...
