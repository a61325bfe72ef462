"""Short and long form of a service's mounts (pure).

Source: Compose Specification, "volumes"; compose-go format.ParseVolume.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Any

from linkspan.compose.values import boolean, integer, size

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")


def expand(value: Any, directory: str, home: str) -> dict[str, Any]:
    """The long form of one mount; relative sources of binds start at `directory`. ValueError when wrong."""
    entry = _long(value) if isinstance(value, Mapping) else _short(str(value))
    if not entry.get("target"):
        raise ValueError(f'the mount {entry.get("source", "")!r} has no "target", the path in the container')
    if entry["type"] == "bind":
        if not entry.get("source"):
            raise ValueError(f"the bind mount at {entry['target']} has no source")
        entry["source"] = absolute(str(entry["source"]), directory, home)
    return entry


def absolute(path: str, directory: str, home: str) -> str:
    """A host path made absolute: `~` is the home, "." is the project's directory."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return os.path.normpath(os.path.join(directory, path))


def _short(text: str) -> dict[str, Any]:
    parts = text.split(":")
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0], "volume": {}}
    if len(parts) > 3 or not parts[0] or not parts[1]:
        raise ValueError(f'"{text}" is not a mount: write source:/target or source:/target:ro')
    source, target, *rest = parts
    if not target.startswith("/"):
        raise ValueError(f'"{text}": the target {target} must be an absolute path in the container')
    bind = source.startswith((".", "/", "~"))
    entry: dict[str, Any] = {"type": "bind" if bind else "volume", "source": source, "target": target}
    details: dict[str, Any] = {"create_host_path": True} if bind else {}
    for option in rest[0].split(",") if rest else []:
        _option(option, entry, details, bind, text)
    return {**entry, "bind" if bind else "volume": details}


def _option(option: str, entry: dict[str, Any], details: dict[str, Any], bind: bool, text: str) -> None:
    if option in ("ro", "readonly"):
        entry["read_only"] = True
    elif option in PROPAGATIONS and bind:
        details["propagation"] = option
    elif option in ("z", "Z") and bind:
        details["selinux"] = option
    elif option == "nocopy" and not bind:
        details["nocopy"] = True
    elif option not in ("rw", "", "cached", "delegated", "consistent", "z", "Z"):
        raise ValueError(f'"{text}": the option {option} is none of ro, rw, z, Z, nocopy or a propagation')


def _long(value: Mapping[str, Any]) -> dict[str, Any]:
    entry = {key: value[key] for key in ("type", "source", "target", "consistency") if value.get(key)}
    if "read_only" in value and boolean(value["read_only"]):
        entry["read_only"] = True
    kind = entry["type"]
    details = dict(value.get(kind) or {})
    for key in ("create_host_path", "nocopy"):
        if key in details:
            details[key] = boolean(details[key])
            if not details[key]:
                del details[key]
    if kind == "tmpfs" and "size" in details:
        details["size"] = str(size(details["size"]))
    if kind == "tmpfs" and "mode" in details:
        details["mode"] = integer(details["mode"])
    if details or kind in value:
        entry[kind] = details
    return entry
