"""links, map, commands: which veth is whose, the network as a picture, and how to build it by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys

from linkspan.cli import json_text, tables
from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options, UsageError
from linkspan.insight import graph, scope, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.cli.client import Client

FORMATS = ("tree", "svg", "png", "mermaid", "dot", "json")


def _survey(options: Options, client: Client) -> scope.Survey:
    survey: scope.Survey = client.get("/linkspan/survey")
    if not options.arguments:
        return survey
    try:
        return scope.narrowed(survey, options.arguments[0])
    except scope.Unknown as error:
        raise ClientError(str(error)) from error


def _links(options: Options, client: Client) -> int:
    rows = []
    for container in _survey(options, client)["Containers"]:
        for each in container["Endpoints"]:
            host = f"{each['HostLink']} ({each['HostIndex']})" if each["HostIndex"] else "-"
            inner = f"{each['Link']} ({each['LinkIndex']})" if each["LinkIndex"] else each["Link"]
            found = ", ".join(text for text in (each["IPv4"], each["IPv6"]) if text)
            traffic = (tables.size(each["RxBytes"]), tables.size(each["TxBytes"]))
            rows.append((host, container["Name"], inner, each["Bridge"] or each["Network"], found, *traffic))
    if options.on("json"):
        titles = ("HostLink", "Container", "Link", "Bridge", "Addresses", "Rx", "Tx")
        print(json_text.pretty([dict(zip(titles, row, strict=True)) for row in rows]))
        return 0
    print(tables.table(("HOST LINK", "CONTAINER", "INSIDE", "BRIDGE", "ADDRESSES", "RX", "TX"), rows))
    return 0


def _map(options: Options, client: Client) -> int:
    wanted = options.text("format")
    if wanted not in FORMATS:
        raise UsageError(f'unknown format "{wanted}": use {", ".join(FORMATS[:-1])} or {FORMATS[-1]}', 1)
    survey = _survey(options, client)
    if wanted == "tree":
        print(tree.tree(survey))
    elif wanted == "json":
        print(json_text.pretty(survey))
    elif wanted == "mermaid":
        print(graph.mermaid(graph.graph(survey)))
    elif wanted == "dot":
        print(graph.dot(graph.graph(survey)))
    else:
        return _draw(graph.dot(graph.graph(survey)), wanted)
    return 0


def _draw(text: str, wanted: str) -> int:
    """Have Graphviz draw the picture to stdout."""
    program = shutil.which("dot")
    if program is None:
        raise ClientError(f"--format {wanted} is drawn by Graphviz: apt-get install graphviz")
    if wanted == "png" and sys.stdout.isatty():
        raise UsageError("a PNG is no text for a terminal: write it to a file (linkspan map … > map.png)", 1)
    done = subprocess.run([program, f"-T{wanted}"], input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise ClientError(f"Graphviz could not draw the map: {done.stderr.decode().strip()}")
    sys.stdout.buffer.write(done.stdout)
    return 0


def _commands(options: Options, client: Client) -> int:
    name = options.arguments[0] if options.arguments else None
    groups = client.get("/linkspan/commands", name=name)
    if options.on("json"):
        print(json_text.pretty(groups))
        return 0
    print("#!/bin/sh -e")
    for group in groups:
        print(f"\n### {group['Title']}")
        for command in group["Commands"]:
            if command["Why"]:
                print(f"# {command['Why']}")
            print(command["Text"])
    return 0


LINKS = Command(
    "links",
    "[OPTIONS] [NETWORK|PROJECT|CONTAINER]",
    "List which veth belongs to which container, with addresses and traffic",
    _links,
    (Flag("json", "As JSON", "bool"),),
    examples="linkspan links\nlinkspan links web",
    maximum=1,
)
MAP = Command(
    "map",
    "[OPTIONS] [NETWORK|PROJECT|CONTAINER]",
    "Draw host interfaces, bridges, veth pairs, containers and published ports",
    _map,
    (Flag("format", "tree, svg, png, mermaid, dot or json", default="tree"),),
    examples="linkspan map\nlinkspan map shop --format svg > shop.svg",
    maximum=1,
)
COMMANDS = Command(
    "commands",
    "[OPTIONS] [NETWORK|PROJECT|CONTAINER]",
    "Print the ip, bridge, sysctl, iptables or nft commands that build this network by hand",
    _commands,
    (Flag("json", "As JSON", "bool"),),
    examples="linkspan commands web\nlinkspan commands > build.sh",
    maximum=1,
)
