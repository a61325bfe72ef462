"""What no schema sees: names that lead nowhere, circles, ports and addresses wanted twice (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from linkspan.compose import address_checks, port_checks
from linkspan.compose.errors import Path, Problem
from linkspan.compose.project import Project, Service
from linkspan.compose.schema import nearest
from linkspan.compose.source import find

_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:\d+)?")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")


def at(service: Service, path: Path, what: str) -> Problem:
    """A problem at a place inside of a service."""
    return Problem(what, ("services", service.name, *path), find(service.definition, path))


def problems(project: Project) -> list[Problem]:
    """Everything that makes the project impossible, each with its place."""
    found = []
    for service in project.services.values():
        found += [*_references(project, service), *_alone(service), *_containers(service)]
    found += _circles(project)
    found += _twice(project)
    found += port_checks.problems(project)
    found += address_checks.problems(project)
    return sorted(found, key=lambda each: (each.mark.file, each.mark.line) if each.mark else ("", 0))


def _references(project: Project, service: Service) -> Iterator[Problem]:
    for dependency in service.dependencies:
        if dependency.service not in project.services and dependency.required:
            yield _missing_dependency(project, service, dependency.service)
    for field, known in (
        ("networks", project.networks),
        ("secrets", project.secrets),
        ("configs", project.configs),
    ):
        for position, entry in enumerate(service.get(field) or ()):
            key = entry if field == "networks" else str(entry["source"])
            if key not in known:
                place: Path = (field, key) if field == "networks" else (field, position)
                yield at(service, place, _undefined(field, key, project))
    for position, mount in enumerate(service.get("volumes") or ()):
        source = str(mount.get("source") or "")
        if mount["type"] == "volume" and source and source not in project.volumes:
            yield at(service, ("volumes", position), _undefined("volumes", source, project))


def _missing_dependency(project: Project, service: Service, name: str) -> Problem:
    place: Path = ("depends_on", name)
    for field in ("network_mode", "ipc", "pid", "links", "volumes_from"):
        if f"service:{name}" == service.get(field) or any(
            str(each).partition(":")[0] == name for each in service.get(field) or () if field[-1] in "sm"
        ):
            place = (field,)
    if name in project.disabled:
        profiles = ", ".join(project.disabled[name].get("profiles") or ())
        return at(service, place, f'needs "{name}", which is off: switch it on with --profile {profiles}')
    near = nearest(name, [*project.services])
    hint = f': did you mean "{near}"?' if near else f" (there are: {', '.join(project.services)})"
    return at(service, place, f'there is no service "{name}"{hint}')


def _undefined(field: str, key: str, project: Project) -> str:
    known = list((project.tree.get(field) or {}).keys())
    near = nearest(key, known)
    hint = f'did you mean "{near}"?' if near else f"define it under the top-level `{field}:`"
    return f'"{key}" is not defined: {hint}'


def _alone(service: Service) -> Iterator[Problem]:
    """What one service's own fields contradict."""
    if not service.get("image") and not service.get("build"):
        yield Problem("has neither `image` nor `build`", ("services", service.name), service.definition.mark)
    mode = str(service.get("network_mode") or "")
    if mode and service.get("networks"):
        yield at(service, ("network_mode",), "cannot be together with `networks`: take one of them away")
    kind, colon, rest = mode.partition(":")
    if colon and (kind not in ("service", "container") or not rest):
        yield at(
            service, ("network_mode",), f'"{mode}" is none of bridge, host, none, service:X, container:X'
        )
    if colon and service.get("ports"):
        what = f"cannot be published by a service with the network of another: publish them at {rest}"
        yield at(service, ("ports",), what)
    if mode in ("host", "none") and service.get("links"):
        yield at(service, ("links",), f"cannot be together with network_mode {mode}")
    restart = service.get("restart")
    if restart is not None and not _RESTART.fullmatch(str(restart)):
        yield at(service, ("restart",), f'"{restart}" is none of no, always, unless-stopped, on-failure[:N]')
    for place, mac in _macs(service):
        if not _MAC.fullmatch(str(mac)):
            yield at(service, place, f'"{mac}" is not a MAC address: write it like 02:42:ac:11:00:02')


def _macs(service: Service) -> Iterator[tuple[Path, str]]:
    if service.get("mac_address"):
        yield ("mac_address",), service.get("mac_address")
    for key, endpoint in service.networks.items():
        if endpoint and endpoint.get("mac_address"):
            yield ("networks", key, "mac_address"), endpoint["mac_address"]


def _containers(service: Service) -> Iterator[Problem]:
    if service.scale < 0:
        yield at(service, ("scale",), "cannot be negative")
    if service.get("container_name") and service.scale > 1:
        what = f"only one container can have this name, but the service has {service.scale}"
        yield at(service, ("container_name",), what)
    targets: dict[str, int] = {}
    for position, mount in enumerate(service.get("volumes") or ()):
        target = str(mount["target"]).rstrip("/") or "/"
        if target in targets:
            yield at(
                service,
                ("volumes", position),
                f"{target} is already the target of volumes[{targets[target]}]",
            )
        targets.setdefault(target, position)


def _twice(project: Project) -> Iterator[Problem]:
    names: dict[str, str] = {}
    for service in project.services.values():
        name = service.get("container_name")
        if name in names:
            yield at(service, ("container_name",), f'"{name}" is also the name of service {names[name]}')
        elif name:
            names[name] = service.name


def _circles(project: Project) -> Iterator[Problem]:
    """The first circle of dependencies, told at one of its services."""
    done: set[str] = set()
    for name in project.services:
        circle = _circle(name, project.services, done, ())
        if circle:
            service = project.services[circle[0]]
            what = f"services depend on each other in a circle: {' -> '.join(circle)}"
            yield at(service, ("depends_on", circle[1]), what)
            return


def _circle(
    name: str, services: Mapping[str, Service], done: set[str], way: tuple[str, ...]
) -> tuple[str, ...]:
    if name in way:
        return (*way[way.index(name) :], name)
    if name in done or name not in services:
        return ()
    for dependency in services[name].dependencies:
        if circle := _circle(dependency.service, services, done, (*way, name)):
            return circle
    done.add(name)
    return ()
