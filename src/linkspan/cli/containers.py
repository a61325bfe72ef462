"""ps, start, stop, restart, kill, wait, rename, rm: containers and their life."""

from __future__ import annotations

import sys

from linkspan.cli import json_text, tables
from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from linkspan.cli.client import Client

SIGNAL = Flag("signal", "Signal to send to the container", short="s")
TIME = Flag("time", "Seconds to wait before killing the container", "number", short="t")


def each(names: Iterable[str], act: Callable[[str], object], *, show: bool = True) -> int:
    """Do something to every name and print the names done; errors are told and make the exit code 1."""
    code = 0
    for name in names:
        try:
            act(name)
        except ClientError as error:
            prefix = "Error response from daemon: " if error.status else ""
            print(f"{prefix}{error}", file=sys.stderr)
            code = 1
        else:
            if show:
                print(name)
    return code


def filters(options: Options) -> str | None:
    """The --filter flags as the API's JSON; UsageError for one that is not key=value."""
    found: dict[str, dict[str, bool]] = {}
    for text in options.list("filter"):
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError("invalid argument: a filter is written key=value", 1)
        found.setdefault(key, {})[value] = True
    return json_text.dumps(found) if found else None


def formatted(template: str, rows: Iterable[dict[str, str]]) -> None:
    """Print rows by a docker format: "{{.Names}} {{.ID}}", "table {{.ID}}…" or "json"."""
    listed = list(rows)
    if template == "json":
        for row in listed:
            print(json_text.dumps(row))
        return
    with_titles = template.startswith("table ")
    body = template.removeprefix("table ").replace("\\t", "\t")
    lines = [[_fill(cell, row) for cell in body.split("\t")] for row in listed]
    if with_titles:
        titles = [
            _fill(cell, {key: key.upper() for key in listed[0]}) if listed else ""
            for cell in body.split("\t")
        ]
        print(tables.table(titles, lines))
    else:
        for line in lines:
            print("\t".join(line))


def _fill(template: str, row: dict[str, str]) -> str:
    text = template
    while "{{" in text and "}}" in text:
        before, _, rest = text.partition("{{")
        field, _, after = rest.partition("}}")
        name = field.strip().removeprefix(".")
        if name not in row:
            raise UsageError(f"format: there is no field {name}: use {', '.join(row)}", 1)
        text = before + row[name] + after
    return text


def _ps(options: Options, client: Client) -> int:
    last = options.number("last")
    found = client.get(
        "/containers/json",
        all=options.on("all") or options.on("latest") or bool(last) or None,
        limit=1 if options.on("latest") else last,
        filters=filters(options),
    )
    whole = options.on("no-trunc")
    if options.on("quiet"):
        for container in found:
            print(tables.short(container["Id"], not whole))
        return 0
    rows = [_row(container, whole) for container in found]
    if options.given("format"):
        formatted(options.text("format"), rows)
        return 0
    titles = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
    keys = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
    print(tables.table(titles, [[row[key] for key in keys] for row in rows]))
    return 0


def _row(container: dict[str, Any], whole: bool) -> dict[str, str]:
    return {
        "ID": tables.short(container["Id"], not whole),
        "Image": container["Image"],
        "Command": f'"{tables.cut(container["Command"], 20, not whole)}"',
        "RunningFor": tables.ago(container["Created"]),
        "Status": container["Status"],
        "State": container["State"],
        "Ports": tables.ports(container["Ports"] or []),
        "Names": ",".join(name.removeprefix("/") for name in container["Names"]),
        "Networks": ",".join(container["NetworkSettings"]["Networks"]),
        "Labels": ",".join(f"{key}={value}" for key, value in (container["Labels"] or {}).items()),
    }


def _start(options: Options, client: Client) -> int:
    if options.on("attach") or options.on("interactive"):
        from linkspan.cli.running import attach_and_start

        return attach_and_start(client, options.arguments[0], with_input=options.on("interactive"))
    return each(options.arguments, lambda name: client.post(f"/containers/{name}/start"))


def _stop(options: Options, client: Client) -> int:
    query = {"t": options.number("time"), "signal": options.text("signal") or None}
    return each(options.arguments, lambda name: client.post(f"/containers/{name}/stop", None, **query))


def _restart(options: Options, client: Client) -> int:
    query = {"t": options.number("time"), "signal": options.text("signal") or None}
    return each(options.arguments, lambda name: client.post(f"/containers/{name}/restart", None, **query))


def _kill(options: Options, client: Client) -> int:
    signal = options.text("signal") or None
    return each(options.arguments, lambda name: client.post(f"/containers/{name}/kill", None, signal=signal))


def _wait(options: Options, client: Client) -> int:
    def wait(name: str) -> None:
        print(client.post(f"/containers/{name}/wait")["StatusCode"])

    return each(options.arguments, wait, show=False)


def _rename(options: Options, client: Client) -> int:
    old, new = options.arguments
    client.post(f"/containers/{old}/rename", None, name=new)
    return 0


def _rm(options: Options, client: Client) -> int:
    query = {"force": options.on("force") or None, "v": options.on("volumes") or None}
    return each(options.arguments, lambda name: client.call("DELETE", f"/containers/{name}", None, **query))


PS = Command(
    "ps",
    "[OPTIONS]",
    "List containers",
    _ps,
    (
        Flag("all", "Show all containers, not only running ones", "bool", short="a"),
        Flag(
            "filter", "Show only what matches (name=web, status=exited, network=front, …)", "list", short="f"
        ),
        Flag("format", "Print by a template ('{{.Names}}: {{.Ports}}', 'table …' or 'json')"),
        Flag("last", "Show the last created ones, in any state", "number", short="n"),
        Flag("latest", "Show the latest created one, in any state", "bool", short="l"),
        Flag("no-trunc", "Show everything in full", "bool"),
        Flag("quiet", "Show ids only", "bool", short="q"),
    ),
    examples="linkspan ps -a\nlinkspan ps --filter network=bridge --format '{{.Names}}: {{.Ports}}'",
    maximum=0,
)
START = Command(
    "start",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start stopped containers",
    _start,
    (
        Flag("attach", "Show its output and end with its exit code", "bool", short="a"),
        Flag("interactive", "Give it our input", "bool", short="i"),
    ),
    minimum=1,
)
STOP = Command(
    "stop",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop running containers: SIGTERM, then SIGKILL",
    _stop,
    (SIGNAL, TIME, Flag("timeout", "The same as --time", "number")),
    examples="linkspan stop web\nlinkspan stop -t 1 web db",
    minimum=1,
)
RESTART = Command(
    "restart",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart containers",
    _restart,
    (SIGNAL, TIME),
    minimum=1,
)
KILL = Command(
    "kill",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Send a signal to running containers (SIGKILL by default)",
    _kill,
    (SIGNAL,),
    examples="linkspan kill web\nlinkspan kill -s HUP web",
    minimum=1,
)
WAIT = Command(
    "wait",
    "CONTAINER [CONTAINER...]",
    "Wait until containers stop, then print their exit codes",
    _wait,
    minimum=1,
)
RENAME = Command("rename", "CONTAINER NEW_NAME", "Rename a container", _rename, minimum=2, maximum=2)
RM = Command(
    "rm",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove containers",
    _rm,
    (
        Flag("force", "Kill it first if it runs", "bool", short="f"),
        Flag("volumes", "Remove its anonymous volumes too", "bool", short="v"),
    ),
    examples="linkspan rm web\nlinkspan rm -f $(linkspan ps -aq)",
    minimum=1,
)
