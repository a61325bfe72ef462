"""Compressed streams."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
from pathlib import Path

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.images.compression import kind_of, plain

CONTENT = os.urandom(300_000) + bytes(3_000_000) + b"end"


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout


PACKED = {
    "": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "bzip2": bz2.compress(CONTENT),
    "xz": lzma.compress(CONTENT),
    "zstd": zstd(CONTENT),
}


def read(file: Path, size: int = 65_537) -> bytes:
    with plain(file) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("kind", list(PACKED))
def test_each_kind_is_recognised_and_unpacked(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(PACKED[kind])
    assert kind_of(PACKED[kind][:8]) == kind
    assert read(file) == CONTENT
    with plain(file) as stream:
        assert stream.read() == CONTENT


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_streams_that_follow_one_another_are_one(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(PACKED[kind] * 2 + bytes(8))
    assert read(file) == CONTENT * 2


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_a_stream_that_ends_early_is_an_error(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(PACKED[kind][: len(PACKED[kind]) // 2])
    with pytest.raises(InvalidParameter, match="damaged compressed archive"):
        read(file)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_a_changed_byte_is_an_error(kind: str, tmp_path: Path) -> None:
    data = bytearray(PACKED[kind])
    data[-6] ^= 0xFF
    file = tmp_path / "x"
    file.write_bytes(bytes(data))
    with pytest.raises(InvalidParameter, match="damaged compressed archive"):
        read(file)
