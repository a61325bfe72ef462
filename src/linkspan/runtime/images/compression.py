"""Compressed streams: recognise and unpack gzip, bzip2, xz and zstd."""

from __future__ import annotations

import bz2
import contextlib
import lzma
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.images.blobs import CHUNK, Readable

_INPUT = 64 * 1024
_OUTPUT = 4 * CHUNK
_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_SKIPPABLE_ZSTD = tuple(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16))


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Inflated:
    """The plain bytes of a gzip, bzip2 or xz stream, which may be several streams one after the other."""

    def __init__(self, source: BinaryIO, make: Callable[[], _Decompressor]) -> None:
        self._source = source
        self._make = make
        self._engine = make()
        self._buffer = bytearray()
        self._fresh = True

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._buffer) < size:
            if not self._fill():
                break
        amount = len(self._buffer) if size < 0 else size
        piece = bytes(self._buffer[:amount])
        del self._buffer[:amount]
        return piece

    def _fill(self) -> bool:
        pending = b""
        if self._engine.eof:
            pending = self._engine.unused_data.lstrip(b"\0") or self._source.read(_INPUT).lstrip(b"\0")
            if not pending:
                return False
            self._engine = self._make()
        try:
            self._buffer += self._step(pending)
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            raise InvalidParameter(f"damaged compressed archive: {error}") from error
        return True

    def _step(self, pending: bytes) -> bytes:
        engine = self._engine
        if isinstance(engine, bz2.BZ2Decompressor | lzma.LZMADecompressor):
            data = (pending or self._input()) if engine.needs_input else b""
            return engine.decompress(data, _OUTPUT)
        return engine.decompress(pending or self._input())  # type: ignore[attr-defined,no-any-return]

    def _input(self) -> bytes:
        data = self._source.read(_INPUT)
        if not data:
            raise EOFError("it ends in the middle")
        return data


def kind_of(head: bytes) -> str:
    """The compression of a stream that begins with `head`: "" (none), gzip, bzip2, xz or zstd."""
    if head.startswith(_SKIPPABLE_ZSTD):
        return "zstd"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


@contextlib.contextmanager
def plain(file: Path) -> Iterator[Readable]:
    """Open a file and give its bytes without their compression, whichever of the four it is.

    Raises InvalidParameter while reading when the compressed data are damaged or end too early.
    """
    with file.open("rb") as source:
        kind = kind_of(source.read(8))
        source.seek(0)
        if kind == "zstd":
            with _zstd(file) as stream:
                yield stream
        elif kind == "":
            yield source
        else:
            yield _Inflated(source, _ENGINES[kind])


_ENGINES: dict[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


class _ProcessOutput:
    """What a decompressing program writes; its end is only believed when the program ended well."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def read(self, size: int = -1, /) -> bytes:
        stream = self._process.stdout
        data = stream.read(size) if stream else b""
        if not data and size != 0 and self._process.wait() != 0:
            raise InvalidParameter("damaged compressed archive: zstd refused it")
        return data


@contextlib.contextmanager
def _zstd(file: Path) -> Iterator[Readable]:
    program = shutil.which("zstd")
    if program is None:
        raise InvalidParameter("this archive is compressed by zstd, and the program zstd is not installed")
    with file.open("rb", buffering=0) as source:
        process = subprocess.Popen(
            [program, "-dcq"], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    try:
        yield _ProcessOutput(process)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
