"""network create, ls, inspect, rm, prune, connect, disconnect."""

from __future__ import annotations

import sys

from linkspan.cli import tables
from linkspan.cli.containers import each, filters, formatted
from linkspan.cli.creation import pairs
from linkspan.cli.flags import Command, Flag, Options, UsageError
from linkspan.cli.inspection import FORMAT, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from linkspan.cli.client import Client


def _create(options: Options, client: Client) -> int:
    wanted = {
        "Name": options.arguments[0],
        "Driver": options.text("driver"),
        "Internal": options.on("internal"),
        "Attachable": options.on("attachable"),
        "EnableIPv6": options.on("ipv6"),
        "IPAM": {"Driver": options.text("ipam-driver"), "Options": {}, "Config": _pools(options)},
        "Options": pairs(options.list("opt")),
        "Labels": pairs(options.list("label")),
        "CheckDuplicate": True,
    }
    answer = client.post("/networks/create", wanted)
    if answer.get("Warning"):
        print(f"WARNING: {answer['Warning']}", file=sys.stderr)
    print(answer["Id"])
    return 0


def _pools(options: Options) -> list[dict[str, Any]]:
    """One entry for each --subnet; ranges, gateways and reserved addresses go to the subnet they lie in."""
    subnets = options.list("subnet")
    extra = [(option, text) for option in ("ip-range", "gateway") for text in options.list(option)]
    auxiliary = pairs(options.list("aux-address"))
    if not subnets:
        if extra or auxiliary:
            return [_pool("", extra, auxiliary)]
        return []
    if len(subnets) == 1:
        return [_pool(subnets[0], extra, auxiliary)]
    return [
        _pool(
            subnet,
            [(option, text) for option, text in extra if _within(text, subnet)],
            {name: text for name, text in auxiliary.items() if _within(text, subnet)},
        )
        for subnet in subnets
    ]


def _pool(subnet: str, extra: list[tuple[str, str]], auxiliary: dict[str, str]) -> dict[str, Any]:
    values = dict(extra)
    pool = {
        "Subnet": subnet,
        "IPRange": values.get("ip-range", ""),
        "Gateway": values.get("gateway", ""),
        "AuxiliaryAddresses": auxiliary,
    }
    return {key: value for key, value in pool.items() if value}


def _within(text: str, subnet: str) -> bool:
    from ipaddress import ip_network

    try:
        inner, outer = ip_network(text, strict=False), ip_network(subnet, strict=False)
    except ValueError as error:
        raise UsageError(str(error), 1) from error
    return inner.version == outer.version and int(outer[0]) <= int(inner[0]) <= int(outer[-1])


def _list(options: Options, client: Client) -> int:
    found = sorted(client.get("/networks", filters=filters(options)), key=lambda network: network["Name"])
    whole = options.on("no-trunc")
    rows = [
        {
            "ID": tables.short(network["Id"], not whole),
            "Name": network["Name"],
            "Driver": network["Driver"],
            "Scope": network["Scope"],
        }
        for network in found
    ]
    if options.on("quiet"):
        for row in rows:
            print(row["ID"])
    elif options.given("format"):
        formatted(options.text("format"), rows)
    else:
        print(tables.table(("NETWORK ID", "NAME", "DRIVER", "SCOPE"), [list(row.values()) for row in rows]))
    return 0


def _inspect(options: Options, client: Client) -> int:
    return show(options, client, ["network"])


def _remove(options: Options, client: Client) -> int:
    return each(options.arguments, lambda name: client.call("DELETE", f"/networks/{name}"))


def _prune(options: Options, client: Client) -> int:
    if not options.on("force"):
        print("WARNING! This will remove all custom networks not used by at least one container.")
        if input("Are you sure you want to continue? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    removed = client.post("/networks/prune", None, filters=filters(options))["NetworksDeleted"] or []
    if removed:
        print("Deleted Networks:")
        print("\n".join(removed))
    return 0


def _connect(options: Options, client: Client) -> int:
    network, container = options.arguments
    addresses = {"IPv4Address": options.text("ip"), "IPv6Address": options.text("ip6")}
    priority = options.number("gw-priority")
    endpoint = {
        "IPAMConfig": {key: value for key, value in addresses.items() if value} or None,
        "Aliases": options.list("alias") or None,
        "Links": options.list("link") or None,
        "DriverOpts": pairs(options.list("driver-opt")) or None,
        "GwPriority": priority,
    }
    given = {key: value for key, value in endpoint.items() if value is not None}
    client.post(f"/networks/{network}/connect", {"Container": container, "EndpointConfig": given})
    return 0


def _disconnect(options: Options, client: Client) -> int:
    network, container = options.arguments
    client.post(f"/networks/{network}/disconnect", {"Container": container, "Force": options.on("force")})
    return 0


CREATE = Command(
    "network create",
    "[OPTIONS] NETWORK",
    "Create a network: containers on it reach each other, other networks do not reach them",
    _create,
    (
        Flag("attachable", "Accepted for docker's sake", "bool"),
        Flag("aux-address", "Address that no container gets (name=address)", "list"),
        Flag("driver", "Driver of the network", short="d", default="bridge"),
        Flag("gateway", "Address of the host on the network", "list"),
        Flag("internal", "No way out", "bool"),
        Flag("ip-range", "Part of the subnet that containers get addresses from", "list"),
        Flag("ipam-driver", "Driver of addresses", default="default"),
        Flag("ipv6", "IPv6 too", "bool"),
        Flag("label", "Label (key=value)", "list"),
        Flag("opt", "Driver option (com.docker.network.bridge.name=br7, …)", "list", short="o"),
        Flag("subnet", "Subnet (10.1.0.0/24); else the next free one", "list"),
    ),
    examples="""\
linkspan network create front
linkspan network create --subnet 10.1.0.0/24 --gateway 10.1.0.254 --ip-range 10.1.0.64/26 back
linkspan network create --internal -o com.docker.network.bridge.name=br-lab lab""",
    minimum=1,
    maximum=1,
)
LIST = Command(
    "network ls",
    "[OPTIONS]",
    "List networks",
    _list,
    (
        Flag(
            "filter", "Show only what matches (driver=bridge, name=front, type=custom, …)", "list", short="f"
        ),
        Flag("format", "Print by a template ('{{.Name}}: {{.Driver}}', 'table …' or 'json')"),
        Flag("no-trunc", "Show ids in full", "bool"),
        Flag("quiet", "Show ids only", "bool", short="q"),
    ),
    maximum=0,
)
INSPECT = Command(
    "network inspect",
    "[OPTIONS] NETWORK [NETWORK...]",
    "Show everything known about networks, as JSON",
    _inspect,
    (FORMAT, Flag("verbose", "Accepted for docker's sake", "bool", short="v")),
    minimum=1,
)
REMOVE = Command("network rm", "NETWORK [NETWORK...]", "Remove networks", _remove, minimum=1)
PRUNE = Command(
    "network prune",
    "[OPTIONS]",
    "Remove all unused networks",
    _prune,
    (
        Flag("filter", "Remove only what matches (label=…, until=…)", "list"),
        Flag("force", "Do not ask", "bool", short="f"),
    ),
    maximum=0,
)
CONNECT = Command(
    "network connect",
    "[OPTIONS] NETWORK CONTAINER",
    "Connect a container to a network, also while it runs",
    _connect,
    (
        Flag("alias", "Another name on the network", "list"),
        Flag("driver-opt", "Driver option of the endpoint", "list"),
        Flag("gw-priority", "Highest wins the default gateway", "number"),
        Flag("ip", "IPv4 address"),
        Flag("ip6", "IPv6 address"),
        Flag("link", "Link to another container", "list"),
    ),
    examples="linkspan network connect front web\nlinkspan network connect --ip 10.1.0.7 back web",
    minimum=2,
    maximum=2,
)
DISCONNECT = Command(
    "network disconnect",
    "[OPTIONS] NETWORK CONTAINER",
    "Disconnect a container from a network",
    _disconnect,
    (Flag("force", "Also if the container is gone", "bool", short="f"),),
    minimum=2,
    maximum=2,
)
