"""A full disk: every request that needs room says so and leaves nothing; with room again all works."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from linkspan.lab import Lab
from linkspan.lab.snapshot import Snapshot

DATA = "/run/full"
WORDS = ("no space left on device", "disk is full")


@pytest.fixture(scope="module")
def full() -> Iterator[Lab]:
    """A host whose data root is on a disk of 40 MiB, which is full to the last block."""
    with Lab() as lab:
        lab.run("host", "mkdir", "-p", DATA)
        lab.run("host", "mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", DATA)
        lab.daemon(f"--data-root={DATA}/data")
        lab.docker("run", "-d", "--name", "witness", "-p", "8080:80", "busybox", "httpd", "-f")
        lab.docker(
            "run", "-d", "--name", "talker", "busybox", "sh", "-c", "while sleep 0.05; do echo word; done"
        )
        lab.run("host", "dd", "if=/dev/zero", f"of={DATA}/filler", "bs=4k", check=False)
        yield lab


def archive(lab: Lab) -> str:
    """A root file system of a megabyte, as a file outside the full disk."""
    path = lab.directory / "tree.tar"
    with tarfile.open(path, "w") as tree:
        member = tarfile.TarInfo("megabyte")
        member.size = 1 << 20
        tree.addfile(member, io.BytesIO(bytes(1 << 20)))
    return str(path)


def unlike(before: Snapshot, after: Snapshot) -> list[str]:
    """What the host has more or less, but for the sleep that the talker is just in or not."""
    lines = before.difference(after).splitlines()
    return [line for line in lines if "sleep 0.05" not in line and line != "processes:"]


def test_a_full_disk_is_told_and_survived(full):
    before = full.snapshot()
    requests = {
        "run": ("run", "-d", "busybox", "sleep", "1000"),
        "network create": ("network", "create", "front"),
        "volume create": ("volume", "create", "data"),
        "commit": ("commit", "witness", "copy"),
        "import": ("import", archive(full), "tree"),
    }
    for what, words in requests.items():
        refused = full.docker(*words, check=False)
        assert refused.code != 0 and any(each in refused.err.lower() for each in WORDS), (what, refused.both)
    assert full.docker("ps", "--format", "{{.Names}}").lines == ["talker", "witness"]
    assert (
        full.run("lan", "curl", "-s", "-o", "/dev/null", "--max-time", "2", "http://10.0.0.5:8080/").code == 0
    )
    assert unlike(before, full.snapshot()) == []
    full.run("host", "rm", f"{DATA}/filler")
    for words in requests.values():
        full.docker(*words)
    full.docker("logs", "--tail", "1", "talker")
    assert full.linkspan("doctor").code == 0
