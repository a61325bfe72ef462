"""`docker logs`: a container's output, past and present, in Docker's wire format."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote_plus

from linkspan.engine.house import House
from linkspan.engine.streams import STDERR, STDOUT, frame
from linkspan.model.container import Container
from linkspan.model.errors import InvalidParameter, NotImplementedHere
from linkspan.runtime import logs
from linkspan.runtime.logs import Record, Selection

BATCH = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What of the log is wanted; `since` and `until` in ns since the epoch, `tail` None for all."""

    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    since: int | None = None
    until: int | None = None
    tail: int | None = None
    timestamps: bool = False
    details: bool = False


class Logs:
    """The use case of GET /containers/{id}/logs."""

    def __init__(self, house: House) -> None:
        self._house = house

    def tty(self, reference: str) -> bool:
        """Return whether the container has a terminal, whose log is raw; raises NotFound."""
        return self._house.registry.find(reference).container.tty

    async def read(self, reference: str, request: LogRequest) -> AsyncIterator[bytes]:
        """Yield the log, framed unless the container has a terminal; with `follow` until it has ended."""
        managed = self._house.registry.find(reference)
        if not (request.stdout or request.stderr):
            raise InvalidParameter("Bad parameters: you must choose at least one stream")
        if managed.container.host_config["LogConfig"]["Type"] == "none":
            raise NotImplementedHere("configured logging driver does not support reading")
        encode = Encoder(managed.container.tty, request, log_details(managed.container))
        path = self._house.log_path(managed.id)
        selection = Selection(request.stdout, request.stderr, request.since, request.until)
        if request.follow and managed.state.running:
            ended = managed.waiter(managed.endings)
            try:
                follow = logs.follow(path, ended=ended, tail=request.tail, selection=selection)
                async with aclosing(follow):
                    async for record in follow:
                        yield encode(record)
            finally:
                ended.cancel()
            return
        for batch in batches(encode(r) for r in logs.read(path, tail=request.tail, selection=selection)):
            yield batch


class Encoder:
    """Turns records into what the client reads: frames or raw bytes, with timestamps if asked."""

    def __init__(self, tty: bool, request: LogRequest, details: str = "") -> None:
        self._tty = tty
        self._timestamps = request.timestamps
        self._details = f"{details} " if request.details else ""

    def __call__(self, record: Record) -> bytes:
        """Return the bytes for one record."""
        data = record.data
        if record.starts:
            data = self._details.encode() + data
            if self._timestamps:
                data = logs.timestamp(record.time).encode() + b" " + data
        if self._tty:
            return data
        return frame(STDERR if record.stream == "stderr" else STDOUT, data)


def log_details(container: Container) -> str:
    """Return what `--details` shows before each line: labels and variables that the log options name.

    As in Docker "name=value" pairs, URL-encoded, sorted and joined by commas.
    """
    options = container.host_config["LogConfig"]["Config"]
    labels = container.labels
    variables = dict(entry.partition("=")[::2] for entry in container.config.get("Env") or ())
    found = {**_chosen(labels, options, "labels"), **_chosen(variables, options, "env")}
    if tag := options.get("tag"):
        found["tag"] = tag
    return ",".join(f"{quote_plus(name)}={quote_plus(found[name])}" for name in sorted(found))


def _chosen(present: Mapping[str, str], options: Mapping[str, str], kind: str) -> dict[str, str]:
    names = [name.strip() for name in options.get(kind, "").split(",")]
    pattern = options.get(f"{kind}-regex")
    return {
        name: value
        for name, value in present.items()
        if name in names or (pattern and re.search(pattern, name))
    }


def batches(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Join small pieces into larger ones of about BATCH bytes."""
    pending = bytearray()
    for piece in pieces:
        pending += piece
        if len(pending) >= BATCH:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)
