"""What the doctor reads of the host besides the records: rules, parameters, routes, resolvers, sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from linkspan.insight.diagnosis import Seen
from linkspan.insight.programs import printed
from linkspan.insight.trace.kernel_world import KernelWorld
from linkspan.insight.trace.world import HOST
from linkspan.network.controller import Controller
from linkspan.network.surroundings import RESOLVER_FILES, resolvers

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
        for route in json.loads(printed("ip", "-j", family, "route"))
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
        resolvers(RESOLVER_FILES[:1]),
        _taken(survey, controller),
        {
            each["Id"]: world.sockets(each["Sandbox"])
            for each in survey["Containers"]
            if each["Sandbox"] and each["Ports"] and each["State"] == "running"
        },
        [line.split()[4] for line in printed("ss", "-Hxl").splitlines() if len(line.split()) > 4],
    )


def _taken(survey: Mapping[str, Any], controller: Controller) -> dict[str, tuple[int, int]]:
    found = {}
    for network in survey["Networks"]:
        if network["Subnets"]:
            for subnet, use in controller.occupancy(network["Id"]).items():
                found[subnet] = (use.in_use, use.in_use + use.available)
    return found
