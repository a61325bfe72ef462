"""Named volumes: directories under data_root/volumes that containers mount and that outlive them.

Source: Docker's "local" volume driver, its options (those of mount(8)) and its sentences.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from linkspan.model.errors import Conflict, LinkspanError, NotFound
from linkspan.model.timestamps import rfc3339
from linkspan.model.volume import ANONYMOUS_LABEL, Volume, check_options, checked_name
from linkspan.runtime.images.documents import Documents

_KIND = "volume"


class Volumes:
    """The volumes of this host; every method is safe in any thread."""

    def __init__(self, documents: Documents, data_root: Path) -> None:
        self._documents = documents
        self._root = data_root / "volumes"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o701)
        self._lock = threading.RLock()
        self._volumes = {document["name"]: self._volume(document) for document in documents.all(_KIND)}

    def create(
        self,
        name: str = "",
        driver: str = "local",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make a volume, or return the one that has this name already; no name makes an anonymous one.

        Raises InvalidParameter for a bad name or option, NotFound for another driver.
        """
        if driver not in ("", "local"):
            raise NotFound(f'error looking up volume plugin {driver}: plugin "{driver}" not found')
        given = dict(labels or {})
        if not name:
            name, given = secrets.token_hex(32), {ANONYMOUS_LABEL: "", **given}
        with self._lock:
            known = self._volumes.get(checked_name(name))
            return known or self._create(name, dict(options or {}), given)

    def _create(self, name: str, options: dict[str, str], labels: dict[str, str]) -> Volume:
        check_options(name, options)
        document = {"name": name, "created": rfc3339(time.time_ns()), "options": options, "labels": labels}
        volume = self._volume(document)
        Path(volume.mountpoint).mkdir(parents=True, exist_ok=True)
        Path(volume.mountpoint).parent.chmod(0o701)
        self._documents.put(_KIND, name, document)
        self._volumes[name] = volume
        return volume

    def _volume(self, document: Mapping[str, Any]) -> Volume:
        return Volume(
            name=document["name"],
            mountpoint=self._root / document["name"] / "_data",
            created=document["created"],
            labels=tuple(document["labels"].items()),
            options=tuple(document["options"].items()),
        )

    def get(self, name: str) -> Volume:
        """The volume of this name. Raises NotFound "get X: no such volume"."""
        try:
            return self._volumes[name]
        except KeyError:
            raise NotFound(f"get {name}: no such volume") from None

    def list(self) -> Sequence[Volume]:
        """Every volume."""
        with self._lock:
            return tuple(self._volumes.values())

    def mount(self, name: str) -> Path:
        """Make the volume's content appear at its mountpoint, which is returned; needed before each use.

        Only a volume with the options type, device and o has anything to mount; it stays mounted until it is
        removed. Raises LinkspanError when mount(8) refuses.
        """
        with self._lock:
            volume = self.get(name)
            target, options = Path(volume.mountpoint), dict(volume.options)
            if "device" in options and str(target) not in _mount_points():
                _mount(name, target, options)
            return target

    def remove(self, name: str, users: Sequence[str] = ()) -> None:
        """Delete a volume with its content. `users` are the ids of the containers that have it.

        Raises NotFound, and Conflict while somebody uses it.
        """
        with self._lock:
            volume = self.get(name)
            if users:
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            self._unmount(Path(volume.mountpoint))
            _delete_tree(self._root / name)
            self._documents.delete(_KIND, name)
            del self._volumes[name]

    def _unmount(self, target: Path) -> None:
        if str(target) in _mount_points():
            _run(["umount", str(target)], f"unmounting {target}")

    def prune(
        self, used: frozenset[str], everything: bool, wanted: Callable[[Volume], bool]
    ) -> tuple[Sequence[str], int]:
        """Remove the volumes that are not `used` and pass `wanted`; the named ones only with `everything`.

        Returns the names of those removed and the bytes freed.
        """
        removed, freed = [], 0
        for volume in self.list():
            if volume.name in used or not (everything or volume.anonymous) or not wanted(volume):
                continue
            freed += self.size(volume.name)
            self.remove(volume.name)
            removed.append(volume.name)
        return removed, freed

    def size(self, name: str) -> int:
        """The bytes of a volume's files."""
        mountpoint = self.get(name).mountpoint
        return sum(
            (Path(directory) / file).lstat().st_size
            for directory, _, files in os.walk(mountpoint)
            for file in files
        )


def _mount_points() -> set[str]:
    """Where something is mounted; stat(2) alone does not tell bind mounts of the same file system."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return {line.split()[4].decode("unicode_escape").encode("latin-1").decode() for line in lines}


def _mount(name: str, target: Path, options: Mapping[str, str]) -> None:
    flags = ["-o", options["o"]] if options.get("o") else []
    arguments = ["mount", "-t", options["type"], *flags, "--", options["device"], str(target)]
    _run(arguments, f"failed to mount local volume {name}: mount {options['device']}:{target}")


def _run(command: Sequence[str], attempt: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LinkspanError(f"{attempt}: {done.stderr.strip() or f'exit status {done.returncode}'}")


def _delete_tree(path: Path) -> None:
    """Delete a volume's directory; what somebody mounted below it is never touched."""
    if any(point.startswith(f"{path}/") for point in _mount_points()):
        raise LinkspanError(f"something is still mounted below {path}")
    if path.exists():
        shutil.rmtree(path)
