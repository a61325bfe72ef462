"""Who a process in a container is: Docker's `--user` looked up in the container's own passwd and group."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.syscalls import open_in_root

_MOST = 2**31 - 1
_LARGEST_FILE = 4 << 20


@dataclass(frozen=True, slots=True)
class Identity:
    """Numbers of a user and groups inside the container."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


def look_up(rootfs: Path, user: str, extra_groups: Iterable[str] = ()) -> Identity:
    """Return the identity of `user` ("name", "uid", "user:group") in the file system at `rootfs`.

    Raises RuntimeFailure with Docker's text for a name that is not there. The files are opened so that a
    link in the image cannot lead out of it.
    """
    return identify(user, extra_groups, _read(rootfs, "etc/passwd"), _read(rootfs, "etc/group"))


def identify(user: str, extra_groups: Iterable[str], passwd: str, group: str) -> Identity:
    """Do `look_up`'s work on the texts of the two files. Source: moby/sys user.GetExecUser."""
    user_part, _, group_part = user.partition(":")
    users, groups = list(_records(passwd, 4, (2, 3))), list(_records(group, 4, (2,)))
    name, identity = _user(user_part or "0", users)
    if group_part:
        identity = Identity(identity.uid, _group(group_part, groups))
    elif name:
        member = [int(fields[2]) for fields in groups if name in fields[3].split(",")]
        identity = Identity(identity.uid, identity.gid, tuple(dict.fromkeys(member)))
    extra = [_group(entry, groups) for entry in extra_groups]
    return Identity(identity.uid, identity.gid, tuple(dict.fromkeys((*identity.groups, *extra))))


def _user(wanted: str, users: list[list[str]]) -> tuple[str, Identity]:
    for fields in users:
        if fields[0] == wanted or (wanted.isdigit() and fields[2] == wanted):
            return fields[0], Identity(int(fields[2]), int(fields[3]))
    return "", Identity(_number(wanted, f"unable to find user {wanted}: no matching entries in passwd file"))


def _group(wanted: str, groups: list[list[str]]) -> int:
    for fields in groups:
        if fields[0] == wanted:
            return int(fields[2])
    return _number(wanted, f"unable to find group {wanted}: no matching entries in group file")


def _number(text: str, otherwise: str) -> int:
    if not text.isdecimal():
        raise RuntimeFailure(otherwise)
    if int(text) > _MOST:
        raise RuntimeFailure("uids and gids must be in range 0-2147483647")
    return int(text)


def _records(text: str, least: int, numeric: tuple[int, ...]) -> Iterator[list[str]]:
    """Yield the lines that have at least `least` fields, those at `numeric` being numbers."""
    for line in text.splitlines():
        parts = line.strip().split(":")
        if not line.startswith("#") and len(parts) >= least and all(parts[n].isdecimal() for n in numeric):
            yield parts


def _read(rootfs: Path, path: str) -> str:
    try:
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise RuntimeFailure(f"the root file system {rootfs}: {error.strerror}") from error
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            # Non-blocking: an image may hold a fifo there.
            descriptor = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
            with open(descriptor, "rb", closefd=True) as file:
                return file.read(_LARGEST_FILE).decode("utf-8", "replace")
        return ""
    finally:
        os.close(root)
