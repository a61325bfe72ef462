"""The system calls about mounts that Python 3.11 lacks: mount, umount2, unshare, openat2, inotify."""

from __future__ import annotations

import ctypes
import os
import struct

from linkspan.model.errors import KernelError

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MS_REMOUNT, MS_BIND, MS_REC = 0x20, 0x1000, 0x4000
MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x40000, 0x80000, 0x100000
MNT_DETACH = 2
CLONE_FS, CLONE_NEWNS = 0x200, 0x20000
IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x2, 0x8, 0x80, 0x100
IN_NONBLOCK, IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC

_OPEN_TREE, _OPENAT2 = 428, 437
_OPEN_TREE_CLONE, _AT_RECURSIVE = 0x1, 0x8000
_RESOLVE_IN_ROOT = 0x10
_AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
_libc.syscall.restype = ctypes.c_long


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount as mount(2) does; raises KernelError saying what was attempted."""
    arguments = (
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        flags,
        data.encode() or None,
    )
    if _libc.mount(*arguments) != 0:
        raise _failed(f"mounting {kind or source} on {target}")


def unmount(target: str, flags: int = 0) -> None:
    """Unmount as umount2(2) does; raises KernelError."""
    if _libc.umount2(os.fsencode(target), flags) != 0:
        raise _failed(f"unmounting {target}")


def unshare(flags: int) -> None:
    """Give the calling thread its own namespaces; raises KernelError."""
    if _libc.unshare(flags) != 0:
        raise _failed("making a mount namespace")


def open_in_root(root: int, path: str, flags: int) -> int:
    """Open `path` as a process whose root directory is the descriptor `root` would: no link leads out of it.

    Raises OSError. Source: openat2(2), RESOLVE_IN_ROOT (Linux 5.6).
    """
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT)
    buffer = ctypes.create_string_buffer(how, len(how))
    descriptor = int(
        _libc.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(root),
            ctypes.c_char_p(os.fsencode(path)),
            buffer,
            ctypes.c_size_t(len(how)),
        )
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


def clone_tree(path: str) -> int:
    """Return a descriptor of a copy of the mounts at and below `path`; closing it unmounts them.

    Raises KernelError. Source: open_tree(2) (Linux 5.2).
    """
    descriptor = int(
        _libc.syscall(
            ctypes.c_long(_OPEN_TREE),
            ctypes.c_int(_AT_FDCWD),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.c_uint(_OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC),
        )
    )
    if descriptor < 0:
        raise _failed(f"copying the mounts at {path}")
    return descriptor


def watch(path: str, mask: int) -> int:
    """Return a non-blocking inotify descriptor that reports `mask` on `path`; raises OSError."""
    descriptor = int(_libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC))
    if descriptor >= 0 and _libc.inotify_add_watch(descriptor, os.fsencode(path), mask) >= 0:
        return descriptor
    number = ctypes.get_errno()
    if descriptor >= 0:
        os.close(descriptor)
    raise OSError(number, os.strerror(number), path)


def _failed(attempt: str) -> KernelError:
    number = ctypes.get_errno()
    return KernelError(attempt, number, os.strerror(number))
