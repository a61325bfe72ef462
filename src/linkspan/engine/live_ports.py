"""Use cases of published ports: more of them, or fewer, for a container that exists, running or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from linkspan.engine.house import House
from linkspan.engine.inspect import ports_document
from linkspan.engine.joining import published, sandbox_request
from linkspan.engine.registry import Managed
from linkspan.model.allow_lists import restricted
from linkspan.model.container import Container
from linkspan.model.errors import Conflict, InvalidParameter, NotFound
from linkspan.model.port_grammar import PortBindings, publish_requests
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import SandboxRequest
from linkspan.network.unpublishing import without

Document = dict[str, Any]


class Ports:
    """What is published of the containers of this host; `PortBindings` are in the shape of HostConfig."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def publish(self, reference: str, bindings: PortBindings) -> Document:
        """Publish more ports, at once if the container runs; returns `Ports` and `Warnings`.

        Raises InvalidParameter for bad grammar, Conflict, NotFound, and what a start with them raises.
        """
        managed = self._house.registry.find(reference)
        async with managed.lock:
            container = self._checked(managed, reference, "published")
            requests = _requests(container, bindings)
            before = dict(container.host_config.get("PortBindings") or {})
            for port, more in bindings.items():
                key = port if "/" in port else f"{port}/tcp"
                before[key] = [*(before.get(key) or ()), *(more or ())]
            changed = _with(container, before)
            sandbox = self._house.network.sandbox(container.id)
            if sandbox is None:
                await self._house.workers.run(self._house.registry.write, changed)
            else:
                sandbox = await self._house.workers.run(
                    self._house.network.publish,
                    container.id,
                    requests,
                    lambda _sandbox: self._house.registry.write(changed),
                )
            managed.change(host_config=changed.host_config)
        self._house.tell(managed.container, "update")
        asked = SandboxRequest(sandbox_request(container).container, publish=tuple(requests))
        warnings = await self._house.workers.run(self._house.network.exposures, asked)
        return {"Ports": ports_document(managed.container, sandbox), "Warnings": warnings}

    async def unpublish(self, reference: str, bindings: PortBindings) -> Document:
        """Take published ports back, at once if the container runs; returns the `Ports` that are left.

        Without a host port or address every one of that container port is meant. Raises NotFound for what is
        not published, Conflict for what --publish-all would publish again.
        """
        managed = self._house.registry.find(reference)
        async with managed.lock:
            container = self._checked(managed, reference, "taken back")
            wanted = _requests(container, bindings)
            _refuse_all(container, wanted)
            sandbox = self._house.network.sandbox(container.id)
            if sandbox is None:
                kept, _ = without(published(container), (), wanted, container.name)
                changed = remaining(container, kept)
                await self._house.workers.run(self._house.registry.write, changed)
            else:
                sandbox = await self._house.workers.run(
                    self._house.network.unpublish,
                    container.id,
                    wanted,
                    lambda after: self._house.registry.write(remaining(container, after.publish)),
                )
                changed = remaining(container, sandbox.publish)
            managed.change(host_config=changed.host_config)
        self._house.tell(managed.container, "update")
        return {"Ports": ports_document(managed.container, sandbox), "Warnings": []}

    def _checked(self, managed: Managed, reference: str, doing: str) -> Container:
        if managed.gone:
            raise NotFound(f"No such container: {reference}")
        container = managed.container
        mode = container.network_mode
        if mode.startswith("container:"):
            raise InvalidParameter("conflicting options: port publishing and the container type network mode")
        if mode in ("host", "none"):
            raise Conflict(
                f"container {container.name} has network mode {mode}: its ports cannot be {doing},"
                + (" they are the host's own" if mode == "host" else " it has no network")
            )
        return container


def _requests(container: Container, bindings: PortBindings) -> tuple[PublishRequest, ...]:
    requests = restricted(publish_requests(bindings), container.config.get("Labels") or {})
    if not requests:
        raise InvalidParameter('no port is named: PortBindings is {"80/tcp": [{"HostPort": "8081"}]}')
    return requests


def _refuse_all(container: Container, wanted: Collection[PublishRequest]) -> None:
    """Refuse to take back what is published by --publish-all alone."""
    if not container.host_config.get("PublishAllPorts"):
        return
    named = {_port(request) for request in publish_requests(container.host_config.get("PortBindings") or {})}
    for request in wanted:
        if _port(request) not in named:
            raise Conflict(
                f"port {request.container_port}/{request.protocol} of container {container.name} is published"
                " by --publish-all, and would be again at its next start: create it without that flag"
            )


def _port(request: PublishRequest) -> tuple[str, int]:
    return request.protocol, request.container_port


def remaining(container: Container, kept: Collection[PublishRequest]) -> Container:
    """Return the container with those of its PortBindings that ask for one of `kept`."""
    labels = container.config.get("Labels") or {}
    left: dict[str, list[Mapping[str, str]]] = {}
    for port, bindings in (container.host_config.get("PortBindings") or {}).items():
        for binding in bindings or ():
            if set(restricted(publish_requests({port: [binding]}), labels)) & set(kept):
                left.setdefault(port, []).append(binding)
    return _with(container, left)


def _with(container: Container, bindings: Mapping[str, Sequence[Mapping[str, str]]]) -> Container:
    return replace(container, host_config={**container.host_config, "PortBindings": dict(bindings)})
