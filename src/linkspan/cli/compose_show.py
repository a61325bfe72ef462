"""compose ps, config, port, ls, version: what is there, and what the files come to."""

from __future__ import annotations

import json
import sys

from linkspan import __version__
from linkspan.cli import tables
from linkspan.cli.compose import Session, Subcommand
from linkspan.cli.flags import Flag, Options, UsageError
from linkspan.compose import labels, listing, rendering, state
from linkspan.compose.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.compose.project import Project


def _ps(options: Options, session: Session) -> int:
    _, _, found = session.containers(options.arguments)
    wanted = set(options.list("status"))
    for text in options.list("filter"):
        key, _, value = text.partition("=")
        if key != "status":
            raise UsageError(f'unknown filter "{key}": only status=STATE is known', 1)
        wanted.add(value)
    everything = options.on("all") or bool(wanted)
    found = [each for each in found if everything or each.running or each.state == "paused"]
    found = [each for each in found if not wanted or each.state in wanted]
    found.sort(key=lambda each: each.name)
    if options.on("quiet"):
        print("".join(f"{each.id}\n" for each in found), end="")
    elif options.on("services"):
        print("".join(f"{each}\n" for each in dict.fromkeys(each.service for each in found)), end="")
    elif options.text("format") == "json":
        for each in found:
            print(json.dumps(listing.document(each, tables.ports, tables.ago)))
    elif options.text("format") not in ("", "table"):
        raise UsageError("--format is table or json", 1)
    else:
        rows = [
            [
                each.name,
                each.image,
                tables.cut(json.dumps(each.row["Command"]), 22, not options.on("no-trunc")),
                each.service,
                tables.ago(each.row["Created"]),
                each.row["Status"],
                tables.ports(each.row["Ports"]),
            ]
            for each in found
        ]
        print(tables.table(("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"), rows))
    return 0


def _config(options: Options, session: Session) -> int:
    project = session.project(options.arguments)
    shown = [*project.services] if not options.arguments else options.arguments
    listed = {
        "services": shown,
        "volumes": [*project.volumes],
        "networks": [*project.networks],
        "images": [project.services[name].image(project.name) for name in shown],
        "profiles": _profiles(project),
    }
    for kind, names in listed.items():
        if options.on(kind):
            print("".join(f"{name}\n" for name in names), end="")
            return 0
    if options.on("quiet"):
        return 0
    if options.given("hash"):
        wanted = [*project.services] if options.text("hash") == "*" else options.text("hash").split(",")
        for name in sorted(wanted):
            print(f"{name} {rendering.service_hash(project.services[name])}")
        return 0
    _write(_text(project, options.text("format")), options.text("output"))
    return 0


def _profiles(project: Project) -> list[str]:
    services = [*project.services.values(), *project.disabled.values()]
    return sorted({profile for each in services for profile in each.get("profiles") or ()})


def _text(project: Project, kind: str) -> str:
    document = rendering.document(project)
    if kind == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if kind not in ("", "yaml"):
        raise UsageError("--format is yaml or json", 1)
    import yaml

    first = {"name": document["name"], "services": document["services"]}
    text: str = yaml.safe_dump({**first, **document}, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _write(text: str, path: str) -> None:
    if path:
        with open(path, "w") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


def _port(options: Options, session: Session) -> int:
    service, text = options.arguments
    _, _, found = session.containers([service])
    number = options.number("index", 1)
    private, _, protocol = text.partition("/")
    for each in found:
        for port in each.row["Ports"] if each.number == number else ():
            wanted = (int(private) if private.isdigit() else -1, protocol or options.text("protocol"))
            if (port["PrivatePort"], port["Type"]) == wanted and port.get("PublicPort"):
                host = f"[{port['IP']}]" if ":" in port["IP"] else port["IP"]
                print(f"{host}:{port['PublicPort']}")
                return 0
    raise ComposeError(
        f"no port {text} for container {service}-{number}: it is not published, or not running"
    )


def _ls(options: Options, session: Session) -> int:
    rows = listing.projects(state.container(row) for row in session.door.get("/containers/json", all=True))
    rows = [row for row in rows if options.on("all") or "running" in row["Status"]]
    if options.on("quiet"):
        print("".join(f"{row['Name']}\n" for row in rows), end="")
    elif options.text("format") == "json":
        print(json.dumps(rows))
    else:
        cells = [[row["Name"], row["Status"], row["ConfigFiles"]] for row in rows]
        print(tables.table(("NAME", "STATUS", "CONFIG FILES"), cells))
    return 0


def _version(options: Options, _session: Session) -> int:
    if options.on("short"):
        print(__version__)
    elif options.text("format") == "json":
        print(json.dumps({"version": __version__}))
    else:
        print(f"Linkspan Compose version {__version__} (conventions of Docker Compose {labels.VERSION})")
    return 0


PS = Subcommand(
    "ps",
    "[OPTIONS] [SERVICE...]",
    "List the containers of a project",
    _ps,
    (
        Flag("all", "Show stopped ones, too", "bool", short="a"),
        Flag("quiet", "Show ids only", "bool", short="q"),
        Flag("services", "Show the services' names only", "bool"),
        Flag("format", "table, or json (a line for each container)"),
        Flag("filter", "Show only what matches (status=running)", "list"),
        Flag("status", "Show only those in this state", "list"),
        Flag("no-trunc", "Do not cut", "bool"),
        Flag("orphans", "Accepted: orphans are shown", "bool"),
    ),
)
CONFIG = Subcommand(
    "config",
    "[OPTIONS] [SERVICE...]",
    "Check the files, and print what they come to",
    _config,
    (
        Flag("format", "yaml or json"),
        Flag("quiet", "Only check", "bool", short="q"),
        Flag("services", "Print the services' names", "bool"),
        Flag("volumes", "Print the volumes' names", "bool"),
        Flag("networks", "Print the networks' names", "bool"),
        Flag("images", "Print the images' names", "bool"),
        Flag("profiles", "Print the profiles' names", "bool"),
        Flag("hash", "Print the hashes of services (NAME,… or *)"),
        Flag("output", "Write to this file", short="o"),
    ),
)
PORT = Subcommand(
    "port",
    "[OPTIONS] SERVICE PORT",
    "Print the host's side of a published port",
    _port,
    (
        Flag("index", "Number of the container", "number"),
        Flag("protocol", "tcp or udp", default="tcp"),
    ),
    minimum=2,
    maximum=2,
)
LS = Subcommand(
    "ls",
    "[OPTIONS]",
    "List the projects of the daemon",
    _ls,
    (
        Flag("all", "Show stopped ones, too", "bool", short="a"),
        Flag("quiet", "Show names only", "bool", short="q"),
        Flag("format", "table or json"),
    ),
    maximum=0,
)
VERSION = Subcommand(
    "version",
    "[OPTIONS]",
    "Show the version",
    _version,
    (Flag("short", "Only the number", "bool"), Flag("format", "pretty or json", short="f")),
    maximum=0,
)
