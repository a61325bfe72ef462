"""A directory that no name, symbolic link or hard link can lead out of, for unpacking what strangers made.

Names are resolved by the kernel with openat2(RESOLVE_IN_ROOT): links are followed as they would be after a
chroot into the directory, and ".." stops at its root. Nothing here ever uses a path that leads through
unpacked content from outside. Source: openat2(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from linkspan.model.errors import InvalidParameter

_SYS_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


def _openat2(directory: int, name: str, flags: int) -> int:
    how = _OpenHow(flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    descriptor: int = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(directory),
        os.fsencode(name),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return descriptor


def components(name: str) -> list[str]:
    """Split an archive's name into its parts; raises InvalidParameter when it climbs out of the directory."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise InvalidParameter(f'invalid archive: "{name}" is outside of the root')
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if "\0" in name:
        raise InvalidParameter("invalid archive: a name holds a zero byte")
    return parts


class ConfinedDirectory:
    """Access to what is below `root`, one parent directory at a time, by descriptor."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _DIRECTORY)
        self._cached: tuple[str, int] | None = None

    @property
    def descriptor(self) -> int:
        """The root itself, open."""
        return self._root

    def __enter__(self) -> ConfinedDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
        os.close(self._root)

    def parent(self, parts: list[str]) -> int:
        """A descriptor of the directory that holds `parts`, made with mode 0755 when missing.

        It stays open until the next call. Raises InvalidParameter when something else is in the way.
        """
        name = "/".join(parts[:-1])
        if self._cached is None or self._cached[0] != name:
            self.forget()
            self._cached = (name, self._directory(parts[:-1]))
        return self._cached[1]

    def open_parent(self, parts: list[str]) -> int:
        """Like `parent`, for a directory that must be there; the caller closes the descriptor."""
        return _openat2(self._root, "/".join(parts[:-1]) or ".", _DIRECTORY)

    def open_file(self, parts: list[str]) -> int:
        """A descriptor to read the regular file of that name; links are followed without a way out.

        The caller closes it. Raises OSError for what is missing, and for what is no regular file.
        """
        name = "/".join(parts)
        descriptor = _openat2(self._root, name or ".", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", name)
        return descriptor

    def forget(self) -> None:
        """Resolve the next name afresh, since a directory or link on the way may have changed."""
        if self._cached is not None:
            os.close(self._cached[1])
            self._cached = None

    def _directory(self, parts: list[str]) -> int:
        name = "/".join(parts) or "."
        try:
            return _openat2(self._root, name, _DIRECTORY)
        except FileNotFoundError:
            return self._make(parts)
        except NotADirectoryError:
            raise InvalidParameter(f'invalid archive: "{name}" is not a directory') from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise InvalidParameter(f'invalid archive: "{name}" leads in circles') from None
            raise

    def _make(self, parts: list[str]) -> int:
        above = self._directory(parts[:-1])
        try:
            os.mkdir(parts[-1], 0o755, dir_fd=above)
        except FileExistsError:
            raise InvalidParameter(
                f'invalid archive: "{"/".join(parts)}" is a link that leads nowhere'
            ) from None
        finally:
            os.close(above)
        return _openat2(self._root, "/".join(parts), _DIRECTORY)


def entry_path(directory: int, name: str) -> str:
    """A path to the entry `name` of an open directory, for calls that know no descriptors."""
    return f"/proc/self/fd/{directory}/{name}"


def status(directory: int, name: str) -> os.stat_result | None:
    """The status of an entry itself (links are not followed), or None."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    return None


def remove(directory: int, name: str, found: os.stat_result) -> None:
    """Remove an entry with all below it; no link is followed."""
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(name, dir_fd=directory)
    else:
        os.unlink(name, dir_fd=directory)
