"""Archives of strangers, by the front door: bombs do not fill the disk, nothing is written outside."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from linkspan.lab import Lab

DISK, BOMB = 64, 150
"""MiB of the data root's file system, and of what a bomb would unpack to."""


@pytest.fixture(scope="module")
def small() -> Iterator[Lab]:
    """A host whose images and containers live on a small disk."""
    with Lab() as lab:
        lab.run("host", "mkdir", "-p", "/run/small")
        lab.run("host", "mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", "/run/small")
        lab.daemon("--data-root=/run/small/data")
        lab.docker("run", "-d", "--name=witness", "busybox", "sleep", "999")
        yield lab


def tar(*entries: tuple[tarfile.TarInfo, bytes | None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member, content in entries:
            archive.addfile(member, io.BytesIO(content) if content is not None else None)
    return buffer.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname, made.mode = size, kind, target, 0o644
    return made


def zeros() -> bytes:
    """A tar with one file of zeros, without its end, made at the size it unpacks to."""
    return member("zeros", BOMB << 20).tobuf() + bytes(BOMB << 20)


def sparse() -> bytes:
    """A plain tar of a kilobyte whose one file says that it is mostly a hole (GNU format)."""
    header = bytearray(member("hole", 512, tarfile.GNUTYPE_SPARSE).tobuf())
    header[386:398], header[398:410] = b"%011o\0" % 0, b"%011o\0" % 512
    header[483:495] = b"%011o\0" % (BOMB << 20)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(512) + bytes(1024)


def saved(layer: bytes) -> bytes:
    """An archive for `docker load` with one layer, which is honest about its digest."""
    configuration = {"architecture": "amd64", "os": "linux", "config": {}}
    plain = gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
    configuration["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{sha256(plain).hexdigest()}"]}
    text = json.dumps(configuration).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["bomb:1"], "Layers": ["layer.tar"]}]).encode()
    files = {"c.json": text, "manifest.json": manifest, "layer.tar": layer}
    return tar(*((member(name, len(content)), content) for name, content in files.items()))


BOMBS: dict[str, tuple[tuple[str, ...], Callable[[], bytes]]] = {
    "gzip import": (("import", "-", "bomb"), lambda: gzip.compress(zeros(), 1)),
    "xz import": (("import", "-", "bomb"), lambda: lzma.compress(zeros(), preset=0)),
    "sparse import": (("import", "-", "bomb"), sparse),
    "gzip load": (("load",), lambda: gzip.compress(saved(zeros()), 1)),
    "gzip layer load": (("load",), lambda: saved(gzip.compress(zeros(), 1))),
    "gzip cp": (("cp", "-", "witness:/tmp"), lambda: gzip.compress(zeros(), 1)),
    "sparse cp": (("cp", "-", "witness:/tmp"), sparse),
}


def free(lab: Lab) -> int:
    return int(lab.run("host", "df", "--output=avail", "-BM", "/run/small").lines[1].rstrip("M"))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_not_fill_the_disk_and_leaves_nothing(small, tmp_path, name):
    arguments, make = BOMBS[name]
    bomb = tmp_path / "bomb"
    bomb.write_bytes(make())
    assert bomb.stat().st_size < 4 << 20
    before = free(small)
    command = " ".join(["exec", "docker", *arguments, "<", str(bomb)])
    answer = small.run("host", "bash", "-c", command, check=False, env=small.client_env)
    assert answer.code != 0
    assert "no space left on device: unpacking would leave less than 1 MiB" in answer.both
    small.docker("exec", "witness", "rm", "-f", "/tmp/zeros", "/tmp/hole")
    assert free(small) >= before - 1
    assert "bomb" not in small.docker("images").out
    assert small.docker("exec", "witness", "true").code == 0


ESCAPES = {
    "a name with ..": [(member("../escaped", 1), b"!")],
    "an absolute link and a file below it": [
        (member("out", kind=tarfile.SYMTYPE, target="/run/small/out"), None),
        (member("out/escaped", 1), b"!"),
    ],
    "a relative link and a file below it": [
        (member("out", kind=tarfile.SYMTYPE, target="../../../../../../run/small/out"), None),
        (member("out/escaped", 1), b"!"),
    ],
    "a hard link to the host": [
        (member("stolen", kind=tarfile.LNKTYPE, target="/run/small/out/secret"), None)
    ],
    "a hard link with ..": [(member("stolen", kind=tarfile.LNKTYPE, target="../../secret"), None)],
}


@pytest.mark.parametrize("verb", ["import", "load", "cp"])
@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_is_written_or_read_outside(small, tmp_path, name, verb):
    small.run("host", "bash", "-c", "mkdir -p /run/small/out; echo secret >/run/small/out/secret")
    archive = tar(*ESCAPES[name])
    file = tmp_path / "archive.tar"
    file.write_bytes(saved(archive) if verb == "load" else archive)
    arguments = {"import": "import - escape", "load": "load", "cp": "cp - witness:/tmp"}[verb]
    small.run("host", "bash", "-c", f"exec docker {arguments} <{file}", check=False, env=small.client_env)
    assert small.run("host", "ls", "/run/small/out").text == "secret"
    assert "escaped" not in small.run("host", "ls", "/", "/run", "/run/small").out
    for image in small.docker("images", "-q", "escape").lines + small.docker("images", "-q", "bomb").lines:
        small.docker("rmi", "-f", image)
    looked = small.docker("exec", "witness", "sh", "-c", "cat /tmp/stolen; rm -rf /tmp/*", check=False)
    assert "secret" not in looked.out
