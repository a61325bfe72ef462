"""A root file system with its volumes in place, for looking into a container that does not run.

It is put together in a mount namespace that ends at once; what stays is one descriptor of the tree, which
no other process sees and which is gone when it is closed. Source: open_tree(2) with OPEN_TREE_CLONE.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from linkspan.runtime import syscalls


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory or file of the host at a place in the root."""

    source: Path
    destination: str
    read_only: bool = False


def whole(root: Path, binds: Sequence[Bind]) -> int:
    """Return a descriptor (O_PATH) of `root` with `binds` mounted, parents first; the caller closes it.

    Missing places are made in `root`, as a start of the container does. Raises KernelError, OSError.
    """
    with ThreadPoolExecutor(1, "whole-root") as thread:
        return thread.submit(_assembled, root, binds).result()


def _assembled(root: Path, binds: Sequence[Bind]) -> int:
    """Do it; the calling thread never comes back from its namespace."""
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_FS)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for bind in binds:
            if bind.source.exists():
                _mount(top, bind)
    finally:
        os.close(top)
    return syscalls.clone_tree(str(root))


def _mount(top: int, bind: Bind) -> None:
    place = _place(top, bind.destination, bind.source.is_dir())
    try:
        flags = syscalls.MS_BIND | syscalls.MS_REC
        syscalls.mount(str(bind.source), f"/proc/self/fd/{place}", flags=flags)
    finally:
        os.close(place)
    if bind.read_only:
        mounted = syscalls.open_in_root(top, bind.destination, os.O_PATH)
        try:
            flags = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY
            syscalls.mount("none", f"/proc/self/fd/{mounted}", flags=flags)
        finally:
            os.close(mounted)


def _place(top: int, destination: str, directory: bool) -> int:
    """Open the place of a mount, made if it is missing."""
    try:
        return syscalls.open_in_root(top, destination, os.O_PATH)
    except FileNotFoundError:
        parent, _, name = destination.rpartition("/")
        holder = _place(top, parent, True) if parent else os.dup(top)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=holder)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=holder))
    finally:
        os.close(holder)
    return syscalls.open_in_root(top, destination, os.O_PATH)
