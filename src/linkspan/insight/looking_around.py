"""What the doctor reads of the host besides the records: rules, parameters, routes, resolvers, sockets."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linkspan.insight.diagnosis import Seen
from linkspan.insight.trace.kernel_world import KernelWorld
from linkspan.insight.trace.world import HOST
from linkspan.network.controller import Controller

PARAMETERS = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.bridge.bridge-nf-call-iptables",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
)


def look_around(survey: Mapping[str, Any], controller: Controller, world: KernelWorld) -> Seen:
    """Read the host; blocking. Raises LinkspanError when a program that shows it is missing."""
    routes = [
        (route["dst"], route.get("dev", ""))
        for family in ("-4", "-6")
        for route in json.loads(world.ask(HOST, "ip", "-j", family, "route"))
        if route.get("dev")
    ]
    uplinks = {link for where, link in routes if where == "default"}
    links = {link["Name"]: link["Mtu"] for link in survey["Host"]["Interfaces"]}
    return Seen(
        survey,
        world.tables(HOST),
        {key: world.sysctl(HOST, key) for key in PARAMETERS},
        routes,
        {name: links[name] for name in uplinks if name in links},
        _resolvers(Path("/etc/resolv.conf")),
        _taken(survey, controller),
        {
            each["Id"]: world.sockets(each["Sandbox"])
            for each in survey["Containers"]
            if each["Sandbox"] and each["Ports"] and each["State"] == "running"
        },
        [line.split()[4] for line in world.ask(HOST, "ss", "-Hxl").splitlines() if len(line.split()) > 4],
    )


def _resolvers(path: Path) -> list[str]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    found = [
        line.split()[1] for line in lines if line.split()[:1] == ["nameserver"] and len(line.split()) > 1
    ]
    return [each for each in found if _is_address(each)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _taken(survey: Mapping[str, Any], controller: Controller) -> dict[str, tuple[int, int]]:
    found = {}
    for network in survey["Networks"]:
        if network["Subnets"]:
            for subnet, use in controller.occupancy(network["Id"]).items():
                found[subnet] = (use.in_use, use.in_use + use.available)
    return found
