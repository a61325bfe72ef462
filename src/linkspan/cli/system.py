"""events, version, info: the daemon itself."""

from __future__ import annotations

import sys
import time

from linkspan import __version__
from linkspan.cli import streams, tables
from linkspan.cli.client import ClientError
from linkspan.cli.containers import filters
from linkspan.cli.flags import Command, Flag, Options
from linkspan.cli.inspection import pick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from linkspan.cli.client import Client


def _events(options: Options, client: Client) -> int:
    query = {
        "since": streams.moment(options.text("since")),
        "until": streams.moment(options.text("until")),
        "filters": filters(options),
    }
    for event in client.send("GET", "/events", query=query).documents():
        print(pick(options.text("format"), event) if options.given("format") else _event_line(event))
        sys.stdout.flush()
    return 0


def _event_line(event: dict[str, Any]) -> str:
    nanoseconds = event["timeNano"]
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(nanoseconds // 10**9))
    zone = time.strftime("%z", time.localtime(nanoseconds // 10**9))
    actor = event["Actor"]
    attributes = ", ".join(f"{key}={value}" for key, value in sorted(actor["Attributes"].items()))
    stamp = f"{moment}.{nanoseconds % 10**9:09d}{zone[:3]}:{zone[3:]}"
    return f"{stamp} {event['Type']} {event['Action']} {actor['ID']} ({attributes})"


def _version(options: Options, client: Client) -> int:
    try:
        daemon = client.get("/version")
    except ClientError as error:
        if options.given("format"):
            raise
        print(f"Client: Linkspan {__version__}")
        print(error, file=sys.stderr)
        return 1
    if options.given("format"):
        print(pick(options.text("format"), {"Client": {"Version": __version__}, "Server": daemon}))
        return 0
    print(f"Client: Linkspan {__version__}\n\nServer: {daemon.get('Platform', {}).get('Name', '')}")
    api = f"{daemon['ApiVersion']} (minimum version {daemon['MinAPIVersion']})"
    rows = [
        ("Version", daemon["Version"]),
        ("API version", api),
        ("OS/Arch", f"{daemon['Os']}/{daemon['Arch']}"),
        ("Kernel", daemon["KernelVersion"]),
    ]
    rows += [(each["Name"], each["Version"]) for each in daemon.get("Components") or []]
    print("\n".join(f" {title + ':':<14}{value}" for title, value in rows))
    return 0


def _info(options: Options, client: Client) -> int:
    daemon = client.get("/info")
    if options.given("format"):
        print(pick(options.text("format"), daemon))
        return 0
    rows = [
        ("Containers", daemon["Containers"]),
        (" Running", daemon["ContainersRunning"]),
        (" Paused", daemon["ContainersPaused"]),
        (" Stopped", daemon["ContainersStopped"]),
        ("Images", daemon["Images"]),
        ("Server Version", daemon["ServerVersion"]),
        ("Storage Driver", daemon["Driver"]),
        ("Cgroup Driver", f"{daemon['CgroupDriver']}, version {daemon['CgroupVersion']}"),
        ("Networks", " ".join(daemon["Plugins"]["Network"])),
        ("Firewall", (daemon.get("FirewallBackend") or {}).get("Driver", "")),
        ("Default Runtime", daemon["DefaultRuntime"]),
        ("Kernel Version", daemon["KernelVersion"]),
        ("Operating System", daemon["OperatingSystem"]),
        ("Architecture", daemon["Architecture"]),
        ("CPUs", daemon["NCPU"]),
        ("Total Memory", tables.size(daemon["MemTotal"])),
        ("Name", daemon["Name"]),
        ("Root Dir", daemon["DockerRootDir"]),
    ]
    print("\n".join(f"{title}: {value}" for title, value in rows))
    for warning in daemon.get("Warnings") or []:
        print(warning, file=sys.stderr)
    return 0


FORMAT = Flag("format", "Print by a template ('{{json .}}', '{{.Server.Version}}')", short="f")
EVENTS = Command(
    "events",
    "[OPTIONS]",
    "Show what happens, as it happens",
    _events,
    (
        Flag(
            "filter",
            "Show only what matches (type=network, container=web, event=start, …)",
            "list",
            short="f",
        ),
        Flag("format", "Print by a template ('{{.Type}} {{.Action}}')"),
        Flag("since", "Begin with what happened after this (10m, or a time)"),
        Flag("until", "End with what happened before this"),
    ),
    examples="linkspan events --filter type=network\nlinkspan events --since 10m --until 1m",
    maximum=0,
)
VERSION = Command(
    "version", "[OPTIONS]", "Show the versions of client and daemon", _version, (FORMAT,), maximum=0
)
INFO = Command("info", "[OPTIONS]", "Show what the daemon is and holds", _info, (FORMAT,), maximum=0)
