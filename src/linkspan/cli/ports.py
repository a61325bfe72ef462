"""port, port add, port rm: what is published of a container, and more or less of it while it runs."""

from __future__ import annotations

import sys

from linkspan.cli import publish
from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Options, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from linkspan.cli.client import Client

METHODS = {"add": "POST", "rm": "DELETE"}


def _port(options: Options, client: Client) -> int:
    """List, or change: a container called "add" is listed by `port add` and `port add 80`."""
    name, *rest = options.arguments
    if name in METHODS and rest and not (len(rest) == 1 and _is_port(rest[0])):
        return _change(client, name, rest[0], rest[1:])
    if len(rest) > 1:
        raise UsageError("linkspan port takes one container and one port: linkspan port web 80/tcp", 1)
    _show(_published(client, name), name, "".join(rest))
    return 0


def _is_port(text: str) -> bool:
    return text.partition("/")[0].isdigit()


def _change(client: Client, action: str, name: str, specs: list[str]) -> int:
    if not specs:
        raise UsageError(f"say which port: linkspan port {action} {name} 8081:80", 1)
    bindings = publish.published(specs)
    path = f"/linkspan/containers/{name}/ports"
    answer = client.call(METHODS[action], path, {"PortBindings": bindings})
    for warning in answer["Warnings"]:
        print(f"WARNING: {warning}", file=sys.stderr)
    if action == "add":
        if not answer["Ports"]:
            print(f"{name} does not run: its ports are published when it is started", file=sys.stderr)
        for port in bindings:
            if answer["Ports"].get(port):
                _show({port: answer["Ports"][port]}, name)
    return 0


def _published(client: Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/containers/{name}/json")["NetworkSettings"]["Ports"] or {}
    return found


def _show(published: dict[str, Any], name: str, port: str = "") -> None:
    if port and "/" not in port:
        port += "/tcp"
    if port and not published.get(port):
        raise ClientError(f"No public port '{port}' published for {name}")
    for inside in sorted(published, key=lambda each: (int(each.partition("/")[0]), each)):
        for binding in published[inside] or []:
            address = binding["HostIp"]
            host = f"[{address}]" if ":" in address else address
            if not port:
                print(f"{inside} -> {host}:{binding['HostPort']}")
            elif inside == port:
                print(f"{host}:{binding['HostPort']}")


PORT = Command(
    "port",
    "CONTAINER [PRIVATE_PORT[/PROTO]] | port add|rm CONTAINER [ADDRESS:][HOST_PORT:]PORT[/PROTO]...",
    "List port mappings of a container; publish or take back ports while it runs (add, rm)",
    _port,
    examples="linkspan port web\nlinkspan port add web 8081:80\n"
    "linkspan port add dns 127.0.0.1:5300-5309:5300-5309/udp\nlinkspan port rm web 8081:80",
    minimum=1,
)
