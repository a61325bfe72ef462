"""inspect, logs: a closer look at one object."""

from __future__ import annotations

import sys

from linkspan.cli import json_text
from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from linkspan.cli.client import Client

#: what `inspect NAME` tries, in docker's order
PLACES = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "network": "/networks/{}",
    "volume": "/volumes/{}",
}


def _inspect(options: Options, client: Client) -> int:
    kinds = [options.text("type")] if options.given("type") else list(PLACES)
    return show(options, client, kinds)


def show(options: Options, client: Client, kinds: list[str]) -> int:
    """Print what is found as one JSON list, or by the format, one a line; 1 if one misses, else 0."""
    found = []
    missing = []
    for name in options.arguments:
        document = _find(client, name, kinds)
        if document is None:
            kind = kinds[0] if len(kinds) == 1 else "object"
            missing.append(f"Error: No such {kind}: {name}")
        else:
            found.append(document)
    if options.given("format"):
        for document in found:
            print(pick(options.text("format"), document))
    else:
        print(json_text.pretty(found))
    for line in missing:
        print(line, file=sys.stderr)
    return 1 if missing else 0


def _find(client: Client, name: str, kinds: list[str]) -> Any:
    for kind in kinds:
        if kind not in PLACES:
            raise UsageError(f'"{kind}" is not a valid value for --type', 1)
        try:
            return client.get(PLACES[kind].format(name))
        except ClientError as error:
            if error.status != 404:
                raise
    return None


def pick(template: str, document: Any) -> str:
    """Fill a template of "{{.A.B}}", "{{json .A}}" and "{{index .A "key"}}" from a document."""
    text, rest = "", template
    while "{{" in rest:
        before, _, tail = rest.partition("{{")
        action, closed, rest = tail.partition("}}")
        if not closed:
            raise UsageError(f"template parsing error: unclosed action in {template}", 1)
        text += before + _action(action.strip(), document)
    return text + rest


def _action(action: str, document: Any) -> str:
    if action == "json" or action.startswith("json "):
        return json_text.dumps(_walk(action[4:].strip() or ".", document))
    if action.startswith("index "):
        path, _, key = action[6:].strip().partition(" ")
        value = _walk(path, document)
        return _shown(value.get(key.strip('"')) if isinstance(value, dict) else value[int(key)])
    if not action.startswith("."):
        raise UsageError(f"template parsing error: this command knows .A.B, json and index, not: {action}", 1)
    return _shown(_walk(action, document))


def _walk(path: str, document: Any) -> Any:
    value = document
    for part in path.strip(".").split("."):
        if part:
            if not isinstance(value, dict) or part not in value:
                raise UsageError(f"template: no entry {part} in {path}", 1)
            value = value[part]
    return value


def _shown(value: Any) -> str:
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_shown(each)}" for key, each in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_shown(each) for each in value) + "]"
    return str(value)


def _logs(options: Options, client: Client) -> int:
    from linkspan.cli import streams

    name = options.arguments[0]
    terminal = client.get(f"/containers/{name}/json")["Config"]["Tty"]
    response = client.send(
        "GET",
        f"/containers/{name}/logs",
        query={
            "stdout": True,
            "stderr": True,
            "follow": options.on("follow") or None,
            "tail": options.text("tail") if options.given("tail") else None,
            "since": streams.moment(options.text("since")),
            "until": streams.moment(options.text("until")),
            "timestamps": options.on("timestamps") or None,
        },
    )
    streams.show(response.pieces(), raw=bool(terminal))
    return 0


FORMAT = Flag("format", "Print by a template ('{{.State.Status}}', '{{json .NetworkSettings}}')", short="f")
INSPECT = Command(
    "inspect",
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Show everything known about containers, images, networks and volumes, as JSON",
    _inspect,
    (FORMAT, Flag("type", "Look only for a container, image, network or volume")),
    examples="linkspan inspect web\nlinkspan inspect -f '{{.NetworkSettings.IPAddress}}' web",
    minimum=1,
)
LOGS = Command(
    "logs",
    "[OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    _logs,
    (
        Flag("follow", "Stay and show what comes", "bool", short="f"),
        Flag("since", "Show what came after (2026-01-02T15:04:05Z, or 10m ago)"),
        Flag("until", "Show what came before"),
        Flag("tail", "Show the last lines only", short="n", default="all"),
        Flag("timestamps", "Show when each line came", "bool", short="t"),
    ),
    examples="linkspan logs -f web\nlinkspan logs --tail 10 -t web",
    minimum=1,
    maximum=1,
)
