"""`run`: a container of its own for one command on a service, beside the service's containers."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from linkspan.compose import body as bodies
from linkspan.compose import labels
from linkspan.compose.body_mounts import written_files
from linkspan.compose.daemon import Daemon
from linkspan.compose.planning import NEVER, Wish
from linkspan.compose.project import Project, Service


@dataclass(frozen=True, slots=True)
class Changes:
    """What the command line wants to be different from the service."""

    command: tuple[str, ...] = ()
    entrypoint: str = ""
    environment: tuple[str, ...] = ()
    user: str = ""
    working_directory: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()
    bindings: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)
    service_ports: bool = False
    aliases: bool = False
    remove: bool = False
    terminal: bool = False
    attached: bool = True


def name(project: Project, service: str) -> str:
    """A fresh name for a one-off container."""
    return f"{project.name}-{service}-run-{secrets.token_hex(6)}"


def surroundings(service: str, *, dependencies: bool) -> Wish:
    """What must be there before: networks and volumes of the service, and running what it depends on."""
    return Wish((service,), NEVER, dependencies=dependencies, surroundings_of=service)


def body(project: Project, service: str, changes: Changes, image_id: str) -> dict[str, Any]:
    """The create body of the one-off container."""
    given = project.services[service]
    document = bodies.create(project, given, 1, image_id=image_id)
    document |= {
        "AttachStdin": changes.attached,
        "OpenStdin": changes.attached,
        "StdinOnce": changes.attached,
        "Tty": changes.terminal,
    }
    _command(document, changes)
    host = document["HostConfig"]
    host.pop("RestartPolicy", None)
    if changes.remove:
        host["AutoRemove"] = True
    if changes.binds:
        host["Binds"] = [*(host.get("Binds") or ()), *changes.binds]
    if not changes.service_ports:
        host.pop("PortBindings", None)
    for port, bindings in changes.bindings.items():
        host.setdefault("PortBindings", {}).setdefault(port, []).extend(bindings)
        document["ExposedPorts"][port] = {}
    _identify(document, project, given, changes)
    return document


def _command(document: dict[str, Any], changes: Changes) -> None:
    if changes.entrypoint:
        document["Entrypoint"] = shlex.split(changes.entrypoint)
        document["Cmd"] = list(changes.command)
    elif changes.command:
        document["Cmd"] = list(changes.command)
    names = {each.partition("=")[0] for each in changes.environment}
    kept = [each for each in document.get("Env") or () if each.partition("=")[0] not in names]
    document["Env"] = [*kept, *changes.environment]
    if changes.user:
        document["User"] = changes.user
    if changes.working_directory:
        document["WorkingDir"] = changes.working_directory


def _identify(document: dict[str, Any], project: Project, service: Service, changes: Changes) -> None:
    document["Labels"] |= {**changes.labels, labels.ONEOFF: "True", labels.SLUG: secrets.token_hex(32)}
    del document["Labels"][labels.CONFIG_HASH]
    endpoints = document["NetworkingConfig"]["EndpointsConfig"]
    if not changes.aliases:
        for settings in endpoints.values():
            settings.pop("Aliases", None)
    for settings in endpoints.values():
        settings.pop("IPAMConfig", None)
        settings.pop("MacAddress", None)


def upload(daemon: Daemon, project: Project, service: str, id: str) -> None:
    """Write the secrets and configs that are no files into the container."""
    if archive := written_files(project, project.services[service]):
        stream = iter([archive])
        for _ in daemon.send("PUT", f"/containers/{id}/archive", stream=stream, query={"path": "/"}).pieces():
            pass
