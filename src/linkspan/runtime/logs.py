"""A container's output, read from the file that conmon writes: all of it, the last lines, or as it comes.

Each record is one line, `<RFC 3339 time> <stream> <F|P> <bytes>`: F ends with the container's own newline,
P is a part of a line (conmon cut it, or the program wrote no newline) and the newline after it is not the
container's. Nothing is lost: the bytes of one stream's records, in order, are what the program wrote.
Source: the CRI log format, conmon's k8s-file driver.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from linkspan.runtime import syscalls

_BLOCK = 256 * 1024
_TIME = re.compile(r"(?P<whole>[^.Z+]+T[\d:]+)(?:\.(?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """A piece of output: `time` in Unix ns, `stream` "stdout" or "stderr", and the bytes as written.

    `starts` says that the bytes begin a line of their stream (a timestamp belongs before them); the line is
    complete when they end with a newline.
    """

    time: int
    stream: str
    data: bytes
    starts: bool = True


@dataclass(slots=True)
class Selection:
    """Which records are wanted: streams, and times in Unix ns (`since` inclusive, `until` inclusive)."""

    stdout: bool = True
    stderr: bool = True
    since: int | None = None
    until: int | None = None

    def wants(self, record: Record) -> bool:
        """Say whether `record` is one of them."""
        if not (self.stderr if record.stream == "stderr" else self.stdout):
            return False
        if self.since is not None and record.time < self.since:
            return False
        return self.until is None or record.time <= self.until


class Parser:
    """Turns the bytes of the file into records, whatever way they are cut into blocks."""

    def __init__(self) -> None:
        """Start at the beginning of a record."""
        self._rest = b""
        self._open: set[str] = set()

    def feed(self, data: bytes) -> list[Record]:
        """Return the records completed by `data`; an unfinished one is kept for the next call."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return [record for line in lines if (record := self._record(line)) is not None]

    def _record(self, line: bytes) -> Record | None:
        parts = line.split(b" ", 3)
        if len(parts) != 4:
            return None
        time, stream, whole = nanoseconds(parts[0].decode()), parts[1].decode(), parts[2] == b"F"
        starts = stream not in self._open
        (self._open.discard if whole else self._open.add)(stream)
        return Record(time, stream, parts[3] + b"\n" if whole else parts[3], starts)


def read(
    path: Path, *, tail: int | None = None, offset: int = 0, selection: Selection | None = None
) -> Iterator[Record]:
    """Yield what is in the file now, from byte `offset` on, or its last `tail` lines; no file, no records.

    As in Docker the lines are counted before `selection` is applied.
    """
    parser, wanted = Parser(), selection or Selection()
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(max(offset, 0 if tail is None else tail_offset(path, tail)))
        while data := file.read(_BLOCK):
            yield from filter(wanted.wants, parser.feed(data))


async def follow(
    path: Path,
    *,
    ended: Awaitable[object] | None = None,
    tail: int | None = None,
    offset: int = 0,
    selection: Selection | None = None,
) -> AsyncGenerator[Record, None]:
    """Yield what is in the file and then what comes, as it comes, until `ended` is done and all is read.

    `ended` is typically `Runtime.wait`'s task: it may be shared, and is not cancelled. Without it this goes
    on until the consumer stops, or `selection.until` has passed. The file may not exist yet. Woken by
    inotify.
    """
    parser, wanted = Parser(), selection or Selection()
    path.touch(mode=0o600)
    with path.open("rb") as file, _alarm(path) as alarm, _bell(ended, alarm) as over:
        file.seek(max(offset, 0 if tail is None else tail_offset(path, tail)))
        while True:
            alarm.clear()
            last = over.is_set()
            while data := file.read(_BLOCK):
                for record in parser.feed(data):
                    if wanted.until is not None and record.time > wanted.until:
                        return
                    if wanted.wants(record):
                        yield record
            if last:
                return
            await alarm.wait()


def size(path: Path) -> int:
    """Return the offset at which the next output will be: where an attachment without history begins."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def tail_offset(path: Path, lines: int) -> int:
    """Return the offset of the file's last `lines` lines, without reading more of it than that takes."""
    if lines <= 0:
        return size(path)
    counted, position, ended_streams = 0, size(path), set[bytes]()
    for start, line in _backwards(path):
        parts = line.split(b" ", 3)
        if len(parts) != 4:
            continue
        # A line ends with an F; the last piece of a stream ends one too, even if no newline came.
        if parts[2] == b"F" or parts[1] not in ended_streams:
            counted += 1
        ended_streams.add(parts[1])
        if counted > lines:
            return position
        position = start
    return 0


def timestamp(time: int) -> str:
    """Return `time` (Unix ns) as Docker prints it before a log line: RFC 3339 UTC with nine digits."""
    seconds, rest = divmod(time, 1_000_000_000)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=256)
def nanoseconds(text: str) -> int:
    """Return Unix ns of conmon's "2024-01-02T03:04:05.123456789+01:00"; raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"no time: {text}")
    zone = found["zone"].replace("Z", "+00:00")
    seconds = int(datetime.fromisoformat(found["whole"] + zone).timestamp())
    return seconds * 1_000_000_000 + int((found["fraction"] or "").ljust(9, "0")[:9])


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) of the finished lines from the last to the first."""
    with path.open("rb") as file:
        position, rest = file.seek(0, os.SEEK_END), b""
        unfinished = True
        while position > 0:
            step = min(_BLOCK, position)
            position -= step
            file.seek(position)
            pieces = (file.read(step) + rest).split(b"\n")
            if unfinished:
                # What follows the last newline is a record still being written.
                pieces, unfinished = pieces[:-1] or pieces, len(pieces) == 1
            rest = pieces[0]
            yield from _located(pieces, position)
        if not unfinished:
            yield 0, rest


def _located(pieces: list[bytes], position: int) -> Iterable[tuple[int, bytes]]:
    starts, at = [], position
    for piece in pieces:
        starts.append(at)
        at += len(piece) + 1
    return list(zip(starts, pieces, strict=True))[:0:-1]


@contextmanager
def _alarm(path: Path) -> Iterator[asyncio.Event]:
    """Give an event that is set whenever the file grows."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    descriptor = syscalls.watch(str(path), syscalls.IN_MODIFY)

    def ring() -> None:
        os.read(descriptor, 65536)
        event.set()

    try:
        loop.add_reader(descriptor, ring)
        yield event
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@contextmanager
def _bell(ended: Awaitable[object] | None, alarm: asyncio.Event) -> Iterator[asyncio.Event]:
    """Give an event that is set, and rings the alarm, once `ended` is done."""
    over = asyncio.Event()
    if ended is None:
        yield over
        return
    future = asyncio.ensure_future(ended)

    def ring(_: object) -> None:
        over.set()
        alarm.set()

    future.add_done_callback(ring)
    try:
        yield over
    finally:
        future.remove_done_callback(ring)
