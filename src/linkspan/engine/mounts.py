"""Volumes, binds and tmpfs as a request gives them: `-v`, `--mount`, `VOLUME` (pure).

Source: moby volume/mounts/linux_parser.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.model.container import MountPoint
from linkspan.model.errors import InvalidParameter
from linkspan.model.volume import checked_name

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
#: The option of a read-only bind whose submounts stay writable.
SHALLOW = "shallow"
_MODES = {"rw", "ro", "z", "Z", "nocopy", "consistent", "cached", "delegated", *PROPAGATIONS}


@dataclass(frozen=True, slots=True)
class MountRequest:
    """A mount as asked for; its volume, if it is one, may have to be made with these options and labels."""

    point: MountPoint
    driver_options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


def mount_requests(config: Mapping[str, Any], host: Mapping[str, Any]) -> list[MountRequest]:
    """Return every mount of the documents; raises InvalidParameter for what cannot be and for duplicates."""
    found = [_bind(spec) for spec in host.get("Binds") or ()]
    found += [_mount(entry) for entry in host.get("Mounts") or ()]
    taken: set[str] = set()
    for request in found:
        if request.point.destination in taken:
            raise InvalidParameter(f"Duplicate mount point: {request.point.destination}")
        taken.add(request.point.destination)
    for path in host.get("Tmpfs") or {}:
        _destination(path, path)
        if posixpath.normpath(path) in taken:
            raise InvalidParameter(f"Duplicate mount point: {path}")
    tmpfs = {posixpath.normpath(path) for path in host.get("Tmpfs") or {}}
    found += [
        MountRequest(MountPoint("volume", "", path, driver="local", anonymous=True))
        for path in sorted(_destination(p, p) for p in config.get("Volumes") or {})
        if path not in taken | tmpfs
    ]
    return found


def _destination(path: str, spec: str) -> str:
    if not path.startswith("/"):
        raise InvalidParameter(
            f"invalid volume specification: '{spec}': invalid mount path: '{path}' "
            "mount path must be absolute"
        )
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if clean == "/":
        raise InvalidParameter(
            f"invalid volume specification: '{spec}': invalid specification: destination can't be '/'"
        )
    return clean


def _bind(spec: str) -> MountRequest:
    """Read "source:/destination[:mode]" or "/destination"."""
    parts = str(spec).split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidParameter(f"invalid volume specification: '{spec}'")
    if len(parts) == 1:
        return MountRequest(
            MountPoint("volume", "", _destination(parts[0], spec), driver="local", anonymous=True)
        )
    mode = parts[2] if len(parts) == 3 else ""
    options = _modes(mode)
    destination, read_only = _destination(parts[1], spec), "ro" in options
    propagation = next((o for o in options if o in PROPAGATIONS), "")
    if parts[0].startswith("/"):
        point = MountPoint(
            "bind",
            posixpath.normpath(parts[0]),
            destination,
            read_only,
            mode=mode,
            propagation=propagation or "rprivate",
            create_source=True,
        )
        return MountRequest(point)
    name = checked_name(parts[0])
    return MountRequest(
        MountPoint(
            "volume",
            "",
            destination,
            read_only,
            name=name,
            driver="local",
            mode=mode or "z",
            no_copy="nocopy" in options,
        )
    )


def _modes(text: str) -> list[str]:
    options = text.split(",") if text else []
    groups = ({"rw", "ro"}, {"z", "Z"}, set(PROPAGATIONS))
    for option in options:
        if option not in _MODES:
            raise InvalidParameter(f"invalid mode: {text}")
    for group in groups:
        if sum(option in group for option in options) > 1:
            raise InvalidParameter(f"invalid mode: {text}")
    return options


def _mount(entry: Mapping[str, Any]) -> MountRequest:
    kind, target = entry.get("Type") or "", entry.get("Target") or ""

    def wrong(reason: str) -> InvalidParameter:
        return InvalidParameter(f'invalid mount config for type "{kind}": {reason}')

    if not target:
        raise wrong("field Target must not be empty")
    if not target.startswith("/"):
        raise wrong(f"invalid mount path: '{target}' mount path must be absolute")
    destination = "/" + posixpath.normpath(target).lstrip("/")
    if destination == "/":
        raise wrong("invalid specification: destination can't be '/'")
    source, read_only = entry.get("Source") or "", bool(entry.get("ReadOnly"))
    if kind == "bind":
        return _bind_mount(entry, source, destination, read_only, wrong)
    if kind == "volume":
        return _volume_mount(entry, source, destination, read_only, wrong)
    if kind == "tmpfs":
        if source:
            raise wrong("field Source must not be specified")
        return MountRequest(
            MountPoint(
                "tmpfs", "", destination, read_only, options=tmpfs_options(entry.get("TmpfsOptions") or {})
            )
        )
    raise wrong("mount type unknown")


def _bind_mount(
    entry: Mapping[str, Any], source: str, destination: str, read_only: bool, wrong: Any
) -> MountRequest:
    options = entry.get("BindOptions") or {}
    propagation = options.get("Propagation") or "rprivate"
    if not source:
        raise wrong("field Source must not be empty")
    if not source.startswith("/"):
        raise wrong(f"invalid mount path: '{source}' mount path must be absolute")
    if propagation not in PROPAGATIONS:
        raise wrong(f"invalid propagation mode: {propagation}")
    recursion = ("bind",) if options.get("NonRecursive") else ()
    if options.get("ReadOnlyForceRecursive") and options.get("ReadOnlyNonRecursive"):
        raise wrong("ReadOnlyForceRecursive and ReadOnlyNonRecursive are mutually exclusive")
    if options.get("ReadOnlyNonRecursive"):
        recursion = (*recursion, SHALLOW)
    point = MountPoint(
        "bind",
        posixpath.normpath(source),
        destination,
        read_only,
        propagation=propagation,
        options=recursion,
        create_source=bool(options.get("CreateMountpoint")),
    )
    return MountRequest(point)


def _volume_mount(
    entry: Mapping[str, Any], source: str, destination: str, read_only: bool, wrong: Any
) -> MountRequest:
    options = entry.get("VolumeOptions") or {}
    driver = options.get("DriverConfig") or {}
    if read_only and not source:
        raise wrong("must not set ReadOnly mode when using anonymous volumes")
    subpath = options.get("Subpath") or ""
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise wrong("subpath must be a relative path within the volume")
    point = MountPoint(
        "volume",
        "",
        destination,
        read_only,
        name=checked_name(source) if source else "",
        driver=driver.get("Name") or "local",
        mode="z",
        anonymous=not source,
        no_copy=bool(options.get("NoCopy")),
        subpath=subpath,
    )
    return MountRequest(
        point,
        driver_options=tuple((k, str(v)) for k, v in (driver.get("Options") or {}).items()),
        labels=tuple((k, str(v)) for k, v in (options.get("Labels") or {}).items()),
    )


def tmpfs_options(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the mount options of a `--mount type=tmpfs`."""
    options = ["noexec", "nosuid", "nodev"]
    if mode := given.get("Mode"):
        options.append(f"mode={mode:o}")
    if size := given.get("SizeBytes"):
        options.append(f"size={size}")
    return tuple(options)


def volumes_from(spec: str) -> tuple[str, bool | None]:
    """Split "container[:ro|rw]" into the reference and read-only (None: as the other container has it)."""
    reference, colon, mode = spec.partition(":")
    if not reference:
        raise InvalidParameter("malformed volumes-from specification: " + spec)
    if colon and mode not in ("ro", "rw", "z", "Z"):
        raise InvalidParameter(f"invalid mode: {mode}")
    return reference, {"ro": True, "rw": False}.get(mode) if colon else None


def overlaid(lower: Sequence[MountPoint], upper: Sequence[MountPoint]) -> list[MountPoint]:
    """Return both lists, `upper` winning where the destinations are equal; parents before children."""
    points = {point.destination: point for point in (*lower, *upper)}
    return sorted(points.values(), key=lambda p: (p.destination.count("/"), p.destination))
