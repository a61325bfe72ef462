"""Content by digest: configurations, manifests and layer archives as files named after their sha256."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.reference import is_digest
from linkspan.runtime.images.room import Room

CHUNK = 1024 * 1024


class Interrupted(LinkspanError):
    """The client that asked for the work has gone; nothing of it is kept."""


class Readable(Protocol):
    """Anything that gives bytes: at most `size` per call, b"" at the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""


class Flag(Protocol):
    """A switch that another thread may turn, as threading.Event."""

    def is_set(self) -> bool:
        """Whether it was turned."""


class BlobStore:
    """Files under `root`/blobs/sha256, renamed to their digest when it is right.

    There is one store per daemon: what an earlier daemon left unfinished under `root`/tmp is deleted.
    """

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._temporary = root / "tmp"
        self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._temporary.exists():
            shutil.rmtree(self._temporary)
        self._temporary.mkdir(mode=0o700)

    def path(self, digest: str) -> Path:
        """Where the blob of `digest` ("sha256:…") is or would be."""
        return self._blobs / checked(digest).removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Whether the blob is here."""
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        """The whole content of a small blob."""
        return self.path(digest).read_bytes()

    def add(self, content: bytes) -> str:
        """Keep `content`; returns its digest."""
        digest = digest_of(content)
        if not self.has(digest):
            with self.workspace() as directory:
                (directory / "blob").write_bytes(content)
                (directory / "blob").rename(self.path(digest))
        return digest

    def adopt(self, file: Path, digest: str) -> None:
        """Move `file`, which is on the same file system and has this digest, into the store."""
        file.chmod(0o600)
        file.rename(self.path(digest))

    def remove(self, digest: str) -> None:
        """Delete a blob; a missing one is no error."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """The digest of every blob here."""
        return (f"sha256:{entry.name}" for entry in self._blobs.iterdir())

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A private directory on the same file system, gone with all in it when the block is left."""
        with tempfile.TemporaryDirectory(dir=self._temporary) as name:
            yield Path(name)


def checked(digest: object) -> str:
    """Return a digest that may have come from a stranger, or raise InvalidParameter when it is none."""
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidParameter(f"invalid checksum digest format: {str(digest)[:100]!r}")
    return digest


def digest_of(content: bytes) -> str:
    """The sha256 digest of bytes, as "sha256:…"."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_file(file: Path, cancelled: Flag | None = None) -> str:
    """The sha256 digest of a file's content. Raises Interrupted when `cancelled` is turned meanwhile."""
    digest = hashlib.sha256()
    for chunk in chunks(file):
        if cancelled is not None and cancelled.is_set():
            raise Interrupted("the client has gone")
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def chunks(file: Path) -> Iterator[bytes]:
    """The content of a file in pieces of at most 1 MiB."""
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def write_file(file: Path, content: Iterable[bytes]) -> int:
    """Write pieces of content to a new file; returns the number of bytes.

    Raises LinkspanError when that would fill the disk.
    """
    with file.open("xb") as stream:
        room = Room(stream.fileno())
        for chunk in content:
            room.take(len(chunk))
            stream.write(chunk)
        return stream.tell()


def link_or_copy(source: Path, target: Path) -> None:
    """Give `source` a second name, or copy it where the file system does not allow that."""
    try:
        os.link(source, target)
    except OSError:
        write_file(target, chunks(source))
