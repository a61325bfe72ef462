"""The networks that `up` needs: which exist, which are made, which have changed and are made anew (pure).

Source: docker/compose pkg/compose/create.go, ensureNetwork.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from linkspan.compose import labels, steps
from linkspan.compose.errors import ComposeError, Path, Problem
from linkspan.compose.project import Project, Service
from linkspan.compose.rendering import network_hash
from linkspan.compose.source import Map, find
from linkspan.compose.state import Container, Network, State
from linkspan.compose.steps import Call, Draft

_PREDEFINED = ("bridge", "host", "none")


@dataclass(slots=True)
class Networks:
    """The networks of the services, by key: the id of one that stays ("" for one that is made), the name.

    A container that has never run is attached by name only.
    """

    ids: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def moved(self, service: Service, container: Container) -> bool:
        """Whether a container is not attached to what its service's networks are from now on."""
        for key in service.networks:
            id, name = self.ids.get(key, ""), self.names.get(key, "")
            attached = container.networks.get(name)
            if not id or attached is None or attached not in ("", id):
                return True
        return False


def plan_networks(
    project: Project, state: State, services: Iterable[str], draft: Draft, timeout: int | None
) -> Networks:
    """Check the networks of these services, and add the steps that make them."""
    keys = dict.fromkeys(key for name in services for key in project.services[name].networks)
    result, changed = Networks(), []
    for key in keys:
        definition = project.networks[key]
        existing = _existing(key, definition, state)
        result.ids[key] = existing.id if existing else ""
        result.names[key] = existing.name if existing else str(definition["name"])
        if definition.get("external"):
            continue
        if existing is not None and not _changed(project, key, existing, definition, draft):
            continue
        if existing is not None:
            changed.append((key, existing))
            result.ids[key] = ""
    gone = {network.id for _, network in changed}
    for key in keys:
        if not result.ids[key]:
            _refuse_taken_subnets(key, project.networks[key], state, gone)
    for key, network in changed:
        _remove(project, key, network, state, draft, timeout)
    for key in keys:
        if not result.ids[key]:
            _make(project, key, draft)
    return result


def _existing(key: str, definition: Map, state: State) -> Network | None:
    name = str(definition["name"])
    found = state.network(name)
    if found is None and definition.get("external"):
        what = (
            f"network {name} declared as external, but could not be found: make it with "
            f'"linkspan network create {name}", or take `external` away'
        )
        raise ComposeError(
            Problem(what, ("networks", key), find(definition, ("external",)) or definition.mark)
        )
    return found


def _changed(project: Project, key: str, existing: Network, definition: Map, draft: Draft) -> bool:
    """Whether the network of that name is ours and another one than the file says."""
    owner, label = existing.labels.get(labels.PROJECT), existing.labels.get(labels.NETWORK)
    if owner != project.name:
        by = f"for project {project.name}" if owner else "by compose"
        draft.notices.append(
            f"a network with name {existing.name} exists but was not created {by}.\n"
            "Set `external: true` to use an existing network"
        )
        return False
    if label != key:
        what = (
            f'network {existing.name} was found but has incorrect label {labels.NETWORK} set to "{label}" '
            f'(expected: "{key}"): give this one another `name`'
        )
        raise ComposeError(Problem(what, ("networks", key), definition.mark))
    found = existing.labels.get(labels.CONFIG_HASH, "")
    return bool(found) and found != network_hash(definition)


def _refuse_taken_subnets(key: str, definition: Map, state: State, gone: set[str]) -> None:
    """A subnet that another network has is refused before anything is touched."""
    for position, config in enumerate((definition.get("ipam") or {}).get("config") or ()):
        if not config.get("subnet"):
            continue
        wanted = ip_network(config["subnet"])
        for network in state.networks:
            taken = [ip_network(each) for each in network.subnets if network.id not in gone]
            clash = next(
                (each for each in taken if each.version == wanted.version and each.overlaps(wanted)), None
            )
            if clash is not None:
                path: Path = ("ipam", "config", position, "subnet")
                what = (
                    f"{wanted} overlaps {clash} of the existing network {network.name}: choose another subnet"
                )
                if network.name not in _PREDEFINED:
                    what += f', or remove that network with "linkspan network rm {network.name}"'
                raise ComposeError(Problem(what, ("networks", key, *path), find(definition, path)))


def _remove(
    project: Project, key: str, network: Network, state: State, draft: Draft, timeout: int | None
) -> None:
    """Take a changed network away: its containers of this project are stopped and detached first."""
    strangers = [each.name for each in state.others if network.id in each.networks.values()]
    if strangers:
        what = (
            f"has changed, but {', '.join(strangers)} of outside this project is attached to {network.name}: "
            f'"linkspan network disconnect {network.name} {strangers[0]}" first'
        )
        raise ComposeError(Problem(what, ("networks", key), project.networks[key].mark))
    before = []
    for each in state.containers:
        if network.id not in each.networks.values():
            continue
        subject = f"Container {each.name}"
        after = [
            draft.add(f"stop:{each.name}", subject, "Stopping", "Stopped", [steps.stop(each.id, timeout)])
        ]
        detach = Call(
            "POST",
            f"/networks/{network.id}/disconnect",
            body={"Container": each.id, "Force": True},
            tolerated=(403, 404),
        )
        before.append(draft.add(f"detach:{network.id}:{each.name}", subject, "", "", [detach], after))
    call = Call("DELETE", f"/networks/{network.id}", tolerated=(404,))
    draft.add(f"unnetwork:{key}", f"Network {network.name}", "Removing", "Removed", [call], before)


def _make(project: Project, key: str, draft: Draft) -> None:
    definition = project.networks[key]
    name = str(definition["name"])
    call = Call("POST", "/networks/create", body=create(project, key, definition), tolerated=(409,))
    draft.add(f"network:{key}", f"Network {name}", "Creating", "Created", [call], draft.keys("unnetwork:"))


def create(project: Project, key: str, definition: Map) -> dict[str, Any]:
    """The body of the network create call."""
    ipam = definition.get("ipam") or {}
    pools = [
        {
            "Subnet": each.get("subnet", ""),
            "IPRange": each.get("ip_range", ""),
            "Gateway": each.get("gateway", ""),
            "AuxiliaryAddresses": each.get("aux_addresses") or {},
        }
        for each in ipam.get("config") or ()
    ]
    body: dict[str, Any] = {
        "Name": definition["name"],
        "CheckDuplicate": True,
        "Driver": definition.get("driver", "bridge"),
        "Options": definition.get("driver_opts") or {},
        "Labels": labels.network(project, key, definition),
        "Internal": bool(definition.get("internal")),
        "Attachable": bool(definition.get("attachable")),
    }
    if ipam:
        pools = [{name: value for name, value in pool.items() if value} for pool in pools]
        options = ipam.get("options") or {}
        body["IPAM"] = {"Driver": ipam.get("driver", "default"), "Config": pools, "Options": options}
    for field_name, key_name in (("enable_ipv4", "EnableIPv4"), ("enable_ipv6", "EnableIPv6")):
        if field_name in definition:
            body[key_name] = definition[field_name]
    return body
