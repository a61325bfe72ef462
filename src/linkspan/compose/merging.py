"""How a later file changes an earlier one, and an extending service the one it extends (pure).

Mappings are merged key by key, lists are appended without repetition (ports, mounts and the like by what
identifies them), single values and command lines are replaced.
Source: Compose Specification, "Merge and override".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from linkspan.compose.canonical import SECTIONS, Document
from linkspan.compose.errors import Path
from linkspan.compose.source import Map, Override, Reset, Seq, find

#: paths below a service that are replaced as a whole
_REPLACED = {("command",), ("entrypoint",), ("healthcheck", "test")}


def _port(entry: Mapping[str, Any]) -> object:
    return tuple(entry.get(key, "") for key in ("host_ip", "target", "published", "protocol"))


def _target(entry: Mapping[str, Any]) -> object:
    return entry.get("target") or entry.get("source")


_IDENTITIES: dict[str, Callable[[Any], object]] = {
    "ports": _port,
    "volumes": _target,
    "secrets": _target,
    "configs": _target,
    "devices": _target,
    "env_file": lambda entry: entry["path"],
    "label_file": lambda entry: entry["path"],
    "extra_hosts": lambda entry: entry,
}


def documents(base: Document, over: Document) -> Document:
    """Merge two files; the later one's name counts."""
    result = Document()
    result.name = over.name or base.name
    for section in SECTIONS:
        result.sections[section] = mappings(base.sections[section], over.sections[section], (section,))
    result.extensions = {**base.extensions, **over.extensions}
    return result


def services(base: Map, over: Map) -> Map:
    """Merge a service into the one it extends or overrides."""
    return mappings(base, over, ("services", ""))


def mappings(base: Map, over: Map, path: Path) -> Map:
    """Merge two mappings at `path` (section, name, field, …)."""
    result = Map(base, getattr(base, "marks", {}), over.mark or base.mark)
    if path[2:] == ("logging",) and over.get("driver", base.get("driver")) != base.get("driver"):
        return over
    for key, value in over.items():
        if isinstance(value, Reset):
            result.pop(key, None)
            continue
        old = result.get(key)
        result[key] = _value(old, value, (*path, key)) if key in result else settled(value)
        if mark := getattr(over, "marks", {}).get(key):
            result.marks[key] = mark
    return result


def _value(old: Any, new: Any, path: Path) -> Any:
    if isinstance(new, Override):
        return settled(new.value)
    if new is None and path[2:3] == ("networks",):
        return old
    if path[2:] in _REPLACED:
        return settled(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return mappings(_marked(old), _marked(new), path)
    if isinstance(old, list) and isinstance(new, list):
        return _lists(old, new, str(path[2]) if len(path) == 3 else "")
    return settled(new)


def _marked(value: Mapping[str, Any]) -> Map:
    return value if isinstance(value, Map) else Map(value)


def _lists(old: list[Any], new: list[Any], field: str) -> Seq:
    """Append, where what is there already (by its identity) is replaced in its place."""
    identity = _IDENTITIES.get(field, repr)
    result = Seq(mark=getattr(new, "mark", None))
    places: dict[object, int] = {}
    for each in (old, new):
        for position, item in enumerate(each):
            if isinstance(item, Reset):
                continue
            key = identity(item)
            if key in places:
                result[places[key]] = item
                result.marks[places[key]] = find(each, (position,))
            else:
                places[key] = len(result)
                result.append(item)
                result.marks.append(find(each, (position,)))
    return result


def settled(value: Any) -> Any:
    """A value without `!reset` and `!override` inside: there is nothing to merge it with."""
    if isinstance(value, Override):
        return settled(value.value)
    if isinstance(value, Map):
        kept = {key: settled(each) for key, each in value.items() if not isinstance(each, Reset)}
        return Map(kept, value.marks, value.mark)
    return value
