"""Short forms expanded: a file's sections in the one form that everything behind works with (pure).

The form is the one that compose's `config` prints and hashes: see `rendering`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from linkspan.compose import service_fields
from linkspan.compose.conversion import Converter, Inside, text_map
from linkspan.compose.errors import Path, Problem
from linkspan.compose.source import Map, Override, Reset, find
from linkspan.compose.values import boolean, text

SECTIONS = ("services", "networks", "volumes", "secrets", "configs")


@dataclass(frozen=True, slots=True)
class Place:
    """Where relative paths of a file start, and what `~` is."""

    directory: str
    home: str


class Document:
    """The sections of one file, or of several merged ones, in canonical form."""

    __slots__ = ("extensions", "name", "sections")

    def __init__(self) -> None:
        self.name = ""
        self.sections: dict[str, Map] = {section: Map() for section in SECTIONS}
        self.extensions: dict[str, Any] = {}


def document(tree: Map, place: Place) -> tuple[Document, list[Problem]]:
    """Expand a file that the schema has accepted; what is wrong inside of values comes as problems."""
    result, problems = Document(), []
    result.name = str(tree.get("name") or "")
    for section, expand in (
        ("services", service),
        ("networks", network),
        ("volumes", volume),
        ("secrets", file_object),
        ("configs", file_object),
    ):
        given = tree.get(section)
        into = result.sections[section]
        into.mark = tree.marks.get(section)
        for name, value in (given or {}).items():
            if name.startswith("x-"):
                continue
            into[name], found = _expanded(value, expand, (section, name), place)
            into.marks[name] = tree[section].marks[name]
            problems += [Problem(each.what, each.path, find(tree, each.path)) for each in found]
    result.extensions = {key: value for key, value in tree.items() if key.startswith("x-")}
    return result, problems


Expansion = Callable[[Map, Path, Place], tuple[Map, list[Problem]]]


def _expanded(value: Any, expand: Expansion, path: Path, place: Place) -> tuple[Any, list[Problem]]:
    if isinstance(value, Reset):
        return value, []
    if isinstance(value, Override):
        inner, problems = expand(value.value or Map(), path, place)
        return Override(inner), problems
    return expand(value if value is not None else Map(), path, place)


def service(given: Map, path: Path, place: Place) -> tuple[Map, list[Problem]]:
    """A service in its canonical form; unset and null fields are left out."""
    return _fields(given, path, place, service_fields.FIELDS)


def network(given: Map, path: Path, place: Place) -> tuple[Map, list[Problem]]:
    """A network; `external` becomes a switch, its old `external.name` the name."""
    found, problems = _fields(given, path, place, NETWORK_FIELDS)
    return _external(found), problems


def volume(given: Map, path: Path, place: Place) -> tuple[Map, list[Problem]]:
    """A volume, as `network`."""
    found, problems = _fields(given, path, place, VOLUME_FIELDS)
    return _external(found), problems


def file_object(given: Map, path: Path, place: Place) -> tuple[Map, list[Problem]]:
    """A secret or config."""
    found, problems = _fields(given, path, place, FILE_FIELDS)
    return _external(found), problems


def _external(found: Map) -> Map:
    external = found.get("external")
    if isinstance(external, Mapping):
        if external.get("name"):
            found["name"] = external["name"]
        found["external"] = True
    elif external is not None and not boolean(external):
        del found["external"]
    return found


def _fields(
    given: Map, path: Path, place: Place, table: Mapping[str, Converter]
) -> tuple[Map, list[Problem]]:
    result, problems = Map(mark=given.mark), []
    for key, value in given.items():
        if value is None and key not in service_fields.NULLABLE:
            continue
        result.marks[key] = given.marks.get(key) or given.mark  # type: ignore[assignment]  # None is harmless
        if key.startswith("x-"):
            continue
        try:
            result[key] = _converted(value, table.get(key), place)
        except Inside as error:
            problems.append(Problem(error.what, (*path, key, *error.path)))
        except ValueError as error:
            problems.append(Problem(str(error), (*path, key)))
    return result, problems


def _converted(value: Any, convert: Converter | None, place: Place) -> Any:
    if isinstance(value, Reset):
        return value
    if isinstance(value, Override):
        return Override(_converted(value.value, convert, place))
    return convert(value, place.directory, place.home) if convert else value


def _ipam(value: Map, _directory: str, _home: str) -> Map:
    found = Map(value, value.marks, value.mark)
    if found.get("options"):
        found["options"] = {key: text(each) for key, each in found["options"].items()}
    return found


def _host_path(value: Any, directory: str, home: str) -> str:
    from linkspan.compose.volumes import absolute

    return absolute(str(value), directory, home)


NETWORK_FIELDS: dict[str, Converter] = {
    "driver_opts": text_map,
    "labels": text_map,
    "ipam": _ipam,
    "internal": service_fields.switch,
    "attachable": service_fields.switch,
    "enable_ipv4": service_fields.switch,
    "enable_ipv6": service_fields.switch,
}
VOLUME_FIELDS: dict[str, Converter] = {
    "driver_opts": text_map,
    "labels": text_map,
}
FILE_FIELDS: dict[str, Converter] = {
    "file": _host_path,
    "labels": text_map,
    "driver_opts": text_map,
}
