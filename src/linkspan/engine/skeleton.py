"""The lowest layer of every container: the mount points that a runtime would otherwise make in the upper one.

Without it `docker diff` and `docker commit` would show files that nobody made. Source: moby daemon/initlayer.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

DIRECTORIES = ("dev/pts", "dev/shm", "etc", "proc", "sys")
FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")


def skeleton(data_root: Path) -> Path:
    """Return the layer's directory, made on the first call; what an image has there wins over it."""
    root = data_root / "skeleton"
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True, mode=0o755)
    for name in FILES:
        (root / name).touch(mode=0o644)
    with suppress(FileExistsError):  # made before, or at this moment for another container
        (root / "etc" / "mtab").symlink_to("/proc/mounts")
    return root
