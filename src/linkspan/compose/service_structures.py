"""Fields of a service that are structures: health check, limits, devices, files, deployment (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkspan.compose import values, volumes
from linkspan.compose.conversion import Inside, entries, environment, one_by_one, some, text_map
from linkspan.compose.source import Map, Seq, carry
from linkspan.compose.values import boolean, duration, integer, number, size, text

_LIMITS = {"cpus": number, "memory": lambda given: str(size(given)), "pids": integer}


def files(value: Any, directory: str, home: str) -> Seq:
    """env_file and label_file: path, required, format."""

    def one(item: Any) -> dict[str, Any]:
        given = dict(item) if isinstance(item, Mapping) else {"path": item}
        given["path"] = volumes.absolute(str(given["path"]), directory, home)
        return {**given, "required": boolean(given.get("required", True))}

    return one_by_one([value] if not isinstance(value, list) else value, one)


def grants(value: Any, _directory: str, _home: str) -> Seq:
    """secrets and configs of a service."""

    def one(item: Any) -> dict[str, Any]:
        given = dict(item) if isinstance(item, Mapping) else {"source": str(item)}
        if "mode" in given:
            mode = given["mode"]
            given["mode"] = f"{int(str(mode), 8) if isinstance(mode, str) else mode:04o}"
        return given

    return one_by_one(value, one)


def healthcheck(value: Any, _directory: str, _home: str) -> Map:
    found = Map(value, value.marks, value.mark)
    if "test" in found:
        test = found["test"]
        found["test"] = [text(word) for word in test] if isinstance(test, list) else ["CMD-SHELL", text(test)]
        if found["test"][:1] not in (["NONE"], ["CMD"], ["CMD-SHELL"]):
            what = "as a list, the test begins with CMD, CMD-SHELL or NONE"
            raise Inside(what, ("test",))
    return some(
        found,
        {
            "disable": boolean,
            "retries": integer,
            **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), duration),
        },
    )


def ulimits(value: Any, _directory: str, _home: str) -> Map:
    def one(given: Any) -> Any:
        if isinstance(given, Mapping):
            return {key: integer(given[key]) for key in ("soft", "hard")}
        return integer(given)

    return entries(value, one)


def devices(value: Any, _directory: str, _home: str) -> Seq:
    def one(item: Any) -> dict[str, Any]:
        if isinstance(item, Mapping):
            return {"target": item["source"], "permissions": "rwm", **item}
        source, _, rest = str(item).partition(":")
        target, _, permissions = rest.partition(":")
        return {"source": source, "target": target or source, "permissions": permissions or "rwm"}

    return one_by_one(value, one)


def block_limits(value: Any, _directory: str, _home: str) -> Map:
    """blkio_config: rates as numbers of bytes or operations."""

    def one(given: Any) -> Any:
        if not isinstance(given, list):
            return integer(given)
        return [{key: each if key == "path" else size(each) for key, each in item.items()} for item in given]

    return entries(value, one)


def gpus(value: Any, _directory: str, _home: str) -> Any:
    return Seq([{"count": -1}]) if value == "all" else one_by_one(value, dict)


def hooks(value: Any, _directory: str, _home: str) -> Seq:
    """post_start and pre_stop."""
    return one_by_one(value, lambda given: {**given, "command": values.command_line(given["command"])})


def logging(value: Any, _directory: str, _home: str) -> Map:
    return some(Map(value, value.marks, value.mark), {"options": lambda each: text_map(each, "", "")})


def build(value: Any, directory: str, home: str) -> Map:
    given = Map({"context": value}) if not isinstance(value, Map) else Map(value, value.marks, value.mark)
    context = str(given.get("context", "."))
    if "://" not in context and not context.startswith("git@"):
        given["context"] = volumes.absolute(context, directory, home)
    for key in ("args", "labels", "additional_contexts"):
        if key in given:
            given[key] = environment(given[key], directory, home)
    if "dockerfile_inline" not in given:
        given.setdefault("dockerfile", "Dockerfile")
    return given


def deploy(value: Any, _directory: str, _home: str) -> Map:
    found = Map(value, value.marks, value.mark)
    restart = found.get("restart_policy")
    if restart:
        kinds = {"delay": duration, "window": duration, "max_attempts": integer}
        found["restart_policy"] = some(Map(restart, restart.marks, restart.mark), kinds)
    resources = {
        kind: some(Map(each, each.marks, each.mark), _LIMITS)
        for kind, each in (found.get("resources") or {}).items()
        if not kind.startswith("x-")
    }
    found["resources"] = carry(found.get("resources"), resources)
    found.setdefault("placement", {})
    return some(found, {"replicas": integer, "labels": lambda each: text_map(each, "", "")})
