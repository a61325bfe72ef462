"""The image that needs no registry: busybox:latest, made of Debian's statically linked /bin/busybox."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from linkspan.model.errors import Unavailable

NAME = "busybox:latest"
PROGRAM = Path("/bin/busybox")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "i386": "386"}
_DIRECTORIES = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "usr/sbin": 0o755,
    "var": 0o755,
    "var/spool": 0o755,
    "var/www": 0o755,
}
_FILES = {
    "etc/group": "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nwww-data:x:33:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
        "bin:x:2:2:bin:/bin:/bin/false\n"
        "www-data:x:33:33:www-data:/var/www:/bin/false\n"
        "nobody:x:65534:65534:nobody:/home:/bin/false\n"
    ),
    "etc/services": "ftp 21/tcp\nssh 22/tcp\ntelnet 23/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp\n",
    "var/www/index.html": "<h1>It works!</h1>\n",
}


def config(created: datetime | None = None) -> dict[str, Any]:
    """The image's configuration without its layers; its time is that of the program's package."""
    moment = created or datetime.fromtimestamp(int(_program().stat().st_mtime), UTC)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
        },
        "created": stamp,
        "history": [
            {"created": stamp, "created_by": "BusyBox (glibc), Debian's busybox-static"},
            {"created": stamp, "created_by": 'CMD ["sh"]', "empty_layer": True},
        ],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": []},
    }


def layer() -> bytes:
    """The image's only layer as a tar, the same for the same program. Raises Unavailable without busybox."""
    program = _program()
    moment = int(program.stat().st_mtime)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in _members(program):
            member.mtime = moment
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _program() -> Path:
    if not PROGRAM.is_file():
        raise Unavailable(f"{PROGRAM} is missing: install Debian's package busybox-static")
    return PROGRAM


def _members(program: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name, mode in _DIRECTORIES.items():
        yield _member(name, mode, tarfile.DIRTYPE), b""
    for name, text in _FILES.items():
        yield _member(name, 0o644, size=len(text.encode())), text.encode()
    content = program.read_bytes()
    yield _member("bin/busybox", 0o755, size=len(content)), content
    for applet in applets(program):
        yield _member(f"bin/{applet}", 0o755, tarfile.LNKTYPE, link="bin/busybox"), b""
    yield _member("usr/bin/env", 0o777, tarfile.SYMTYPE, link="../../bin/env"), b""


def applets(program: Path) -> list[str]:
    """The commands that the program can be called as."""
    done = subprocess.run([program, "--list"], capture_output=True, text=True, check=True, timeout=30)
    return sorted(set(done.stdout.split()) - {"busybox"})


def _member(
    name: str, mode: int, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.size, member.linkname = mode, kind, size, link
    return member
