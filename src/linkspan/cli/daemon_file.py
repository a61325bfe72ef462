"""daemon.json: Docker's configuration file, checked as dockerd does and turned into the texts of flags.

Source: moby daemon/config/config.go (findConfigurationConflicts, MergeDaemonConfigurations).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from linkspan.api import json_syntax
from linkspan.cli.daemon_flags import FILE_KEYS, IGNORED
from linkspan.cli.flags import Flag, Options, UsageError

#: Keys that dockerd takes without looking at them.
UNCHECKED = frozenset({"builder", "deprecated-key-path"})
#: Keys whose value is an object on purpose; in other objects each member is an option of its own.
OBJECTS = frozenset(
    {"default-network-opts", "log-opts", "runtimes", "default-ulimits", "features", *UNCHECKED}
)
#: Options that make no sense in the file, and are ignored there as in dockerd.
FLAGS_ONLY = frozenset({"config-file", "validate", "version"})

_GO_TYPES = {"bool": "bool", "number": "int", "list": "[]string", "text": "string"}


def read(path: Path, required: bool) -> dict[str, Any]:
    """Return the options of the file, {} when there is none and none is `required`.

    Raises UsageError, told as dockerd tells it, for a file that is missing, unreadable or no JSON object.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig").strip()
    except FileNotFoundError:
        if required:
            raise trouble(path, f"open {path}: no such file or directory") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise trouble(path, str(error)) from error
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise trouble(path, _syntax(text)) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = "number" if isinstance(document, float) else _json_type(document)
        raise trouble(path, f"json: cannot unmarshal {kind} into Go value of type config.Config")
    return _flattened(document)


def _syntax(text: str) -> str:
    """Return what Go's json.Unmarshal says of a text that is no JSON."""
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        found = json_syntax.complaint(text)
        return "unexpected end of JSON input" if found == "unexpected EOF" else found
    extra = text[end:].strip()[0]
    return f"invalid character {json_syntax.quoted(extra)} after top-level value"


def trouble(path: Path, reason: str) -> UsageError:
    """Return the error that dockerd ends with when its file is wrong."""
    return UsageError(f"unable to configure the Docker daemon with file {path}: {reason}")


def _flattened(document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace an object like "proxies" by its members."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict) and key not in OBJECTS | {"default-address-pools"}:
            found |= value
        else:
            found[key] = value
    return found


def merge(options: Options, path: Path, document: Mapping[str, Any], flags: Sequence[Flag]) -> frozenset[str]:
    """Add what the file says to `options`; returns the names of the flags that it stands for.

    Raises UsageError for keys that are no option, that are given as flags too, or that have a wrong type.
    """
    known = {flag.name: flag for flag in flags}
    names = {key: FILE_KEYS.get(key, key) for key in document if key not in UNCHECKED}
    unknown = [key for key, name in names.items() if name not in known]
    if unknown:
        listed = ", ".join(unknown)
        raise trouble(path, f"the following directives don't match any configuration option: {listed}")
    both = [key for key, name in names.items() if options.given(name) and name != "add-runtime"]
    if both:
        listed = ", ".join(_conflict(key, known[names[key]], options, document[key]) for key in both)
        headline = "the following directives are specified both as a flag and in the configuration file"
        raise trouble(path, f"{headline}: {listed}")
    wanted = {key: known[name] for key, name in names.items() if name not in FLAGS_ONLY}
    for key, flag in wanted.items():
        if reason := _misfit(key, flag, document[key]):
            raise trouble(path, reason)
    for key, flag in wanted.items():
        for text in texts(key, document[key]):
            options.add(flag.name, text)
    return frozenset(flag.name for flag in wanted.values())


def _conflict(key: str, flag: Flag, options: Options, value: Any) -> str:
    given = options.list(flag.name) if flag.kind == "list" else options.text(flag.name)
    return f"{key}: (from flag: {go_text(given)}, from file: {go_text(value)})"


def _misfit(key: str, flag: Flag, value: Any) -> str:
    """Return Go's complaint about a value of a wrong type, "" for a right one."""
    kind = "text" if key == "host-gateway-ip" else flag.kind
    if key == "default-address-pools" and isinstance(value, dict):
        return (
            "json: cannot unmarshal object into Go struct field Config.default-address-pools "
            "of type []*ipamutils.NetworkToSplit"
        )
    if value is None or flag in IGNORED or key in OBJECTS:
        wrong = None
    elif kind != "list":
        wrong = value if not _fits(kind, value) else None
    elif not isinstance(value, list):
        wrong = value
    else:
        pools = key == "default-address-pools"
        wrong = next((each for each in value if not isinstance(each, dict if pools else str)), None)
    if wrong is None:
        return ""
    target = "string" if kind == "list" and isinstance(value, list) else _GO_TYPES[kind]
    return f"json: cannot unmarshal {_json_type(wrong)} into Go struct field Config.{key} of type {target}"


def _fits(kind: str, value: Any) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)


def _json_type(value: Any) -> str:
    if isinstance(value, float):
        return f"number {value}"
    names = {bool: "bool", int: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def go_text(value: Any) -> str:
    """Return a value of the file as Go prints it (%v)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(go_text, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(each)}' for key, each in sorted(value.items()))}]"
    return "<nil>" if value is None else str(value)


def texts(key: str, value: Any) -> list[str]:
    """Return a value of the file as the texts that would be given as flags."""
    if value is None:
        return []
    if key == "default-ulimits":
        return [_ulimit(name, limit) for name, limit in value.items()]
    if key == "default-network-opts":
        return [f"{driver}={k}={v}" for driver, pairs in value.items() for k, v in pairs.items()]
    if isinstance(value, list):
        return [text for each in value for text in texts(key, each)]
    if isinstance(value, dict):
        return [",".join(f"{name}={each}" for name, each in value.items())]
    return [go_text(value)]


def _ulimit(name: str, limit: Any) -> str:
    if not isinstance(limit, dict):
        return f"{name}={limit}"
    return f"{limit.get('Name', name)}={limit.get('Soft', 0)}:{limit.get('Hard', 0)}"
