"""The last step of loading: names, default network, profiles, environment files, implied dependencies.

Source: compose-go loader/normalize.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from linkspan.compose import dotenv, merging
from linkspan.compose.canonical import Document
from linkspan.compose.errors import ComposeError, Problem
from linkspan.compose.location import Location
from linkspan.compose.project import STARTED, Project, Service
from linkspan.compose.source import Map

DEFAULT = "default"
Read = Callable[[str], str]


def project(
    name: str,
    document: Document,
    location: Location,
    variables: Mapping[str, str],
    wanted: tuple[str, ...],
    read: Read,
) -> Project:
    """Make the project of a merged document; `read` gives the text of an environment file."""
    services = {
        key: Service(key, _service(key, merging.settled(each), variables, read))
        for key, each in document.sections["services"].items()
    }
    enabled = _enabled(services, location.profiles, wanted)
    disabled = {key: each for key, each in services.items() if key not in enabled}
    active = {key: each for key, each in services.items() if key in enabled}
    tree = Map(document.sections, {key: each.mark for key, each in document.sections.items() if each.mark})
    return Project(
        name=name,
        directory=location.directory,
        files=location.files,
        services=active,
        disabled=disabled,
        networks=_named(name, _networks(document), _uses(active.values(), "networks")),
        volumes=_named(name, document.sections["volumes"], _volume_uses(active.values())),
        secrets=_named(name, document.sections["secrets"], _grant_uses(active.values(), "secrets")),
        configs=_named(name, document.sections["configs"], _grant_uses(active.values(), "configs")),
        environment=variables,
        env_files=location.env_files,
        extensions=document.extensions,
        tree=tree,
    )


def _service(name: str, given: Map, variables: Mapping[str, str], read: Read) -> Map:
    found = Map(given, given.marks, given.mark)
    _environment(name, found, variables, read)
    if "networks" not in found and "network_mode" not in found:
        found["networks"] = Map({DEFAULT: None})
    if not found.get("networks", True):
        found["networks"] = Map({DEFAULT: None})
    _imply(found)
    return found


def _environment(name: str, found: Map, variables: Mapping[str, str], read: Read) -> None:
    """Files first, then the service's own values; null takes ours, and stays null when we have none."""
    environment = _files(name, found, "env_file", variables, read)
    for key, value in (found.get("environment") or {}).items():
        environment[key] = variables.get(key) if value is None else value
    if environment or "environment" in found:
        marks = getattr(found.get("environment"), "marks", {})
        found["environment"] = Map(environment, marks)
    if labels := _files(name, found, "label_file", variables, read):
        found["labels"] = Map({**labels, **(found.get("labels") or {})})


def _files(name: str, found: Map, field: str, variables: Mapping[str, str], read: Read) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for entry in found.pop(field, None) or ():
        path = entry["path"]
        if not Path(path).is_file():
            if entry.get("required", True):
                what = f"the file {path} does not exist (write `required: false` if it need not)"
                raise ComposeError(Problem(what, ("services", name, field), found.marks.get(field)))
            continue
        raw = entry.get("format") == "raw"
        result |= dotenv.parse(read(path), path, {**variables, **result}, raw=raw)
    return result


def _imply(found: Map) -> None:
    """Links, shared namespaces and shared volumes are dependencies, too."""
    implied = [str(each).partition(":")[0] for each in found.get("links") or ()]
    for field in ("network_mode", "ipc", "pid", "uts"):
        kind, _, name = str(found.get(field) or "").partition(":")
        implied += [name] if kind == "service" else []
    for each in found.get("volumes_from") or ():
        implied += [] if each.startswith("container:") else [each.partition(":")[0]]
    given = found.get("depends_on")
    depends = Map(given or {}, getattr(given, "marks", {}), getattr(given, "mark", None))
    for name in implied:
        depends.setdefault(name, {"condition": STARTED, "required": True})
    if depends:
        found["depends_on"] = depends


def _enabled(services: Mapping[str, Service], profiles: Iterable[str], wanted: Iterable[str]) -> set[str]:
    active = set(profiles)
    for name in wanted:
        if name in services:
            active.update(services[name].get("profiles") or ())
    found = {
        name
        for name, service in services.items()
        if not service.get("profiles") or "*" in active or active & set(service.get("profiles"))
    }
    return found | {name for name in wanted if name in services}


def _networks(document: Document) -> Map:
    """The networks of the file, and the default one, which need not be written."""
    given = document.sections["networks"]
    result = Map({DEFAULT: Map()}, given.marks, given.mark)
    result.update(given)
    return result


def _named(project: str, given: Mapping[str, Any], used: set[str]) -> dict[str, Map]:
    """Those that are used, each with the name it has in the daemon."""
    result = {}
    for key in sorted(given):
        if key in used:
            each = merging.settled(given[key])
            named = Map(each, getattr(each, "marks", {}), getattr(each, "mark", None))
            named.setdefault("name", key if named.get("external") else f"{project}_{key}")
            result[key] = named
    return result


def _uses(services: Iterable[Service], field: str) -> set[str]:
    return {key for service in services for key in service.get(field) or ()}


def _volume_uses(services: Iterable[Service]) -> set[str]:
    return {
        str(mount["source"])
        for service in services
        for mount in service.get("volumes") or ()
        if mount["type"] == "volume" and mount.get("source")
    }


def _grant_uses(services: Iterable[Service], field: str) -> set[str]:
    return {str(grant["source"]) for service in services for grant in service.get(field) or ()}
