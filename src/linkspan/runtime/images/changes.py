"""Dockerfile instructions of `docker import` and `docker commit`, applied to a configuration."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from linkspan.model.errors import InvalidParameter

Config = dict[str, Any]
_SHELL = ["/bin/sh", "-c"]


def apply_changes(config: Mapping[str, Any], changes: Sequence[str]) -> Config:
    """Return `config` with each instruction ("CMD [\\"sh\\"]", "ENV A=b", …) applied in order.

    Raises InvalidParameter for an instruction that Docker does not allow here or cannot read.
    """
    result = dict(config)
    for line in (text for change in changes for text in change.splitlines()):
        if line.strip():
            keyword, _, rest = line.strip().partition(" ")
            instruction = _INSTRUCTIONS.get(keyword.upper())
            if instruction is None:
                raise InvalidParameter(f"{keyword} is not a valid change command")
            if not rest.strip():
                raise InvalidParameter(f"{keyword.upper()} requires at least one argument")
            instruction(result, rest.strip())
    return result


def _command(text: str) -> list[str]:
    """The exec form is a JSON list of strings; anything else is a line for the shell."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            return [*_SHELL, text]
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return [*_SHELL, text]


def _cmd(config: Config, text: str) -> None:
    config["Cmd"] = _command(text)


def _entrypoint(config: Config, text: str) -> None:
    config["Entrypoint"] = _command(text)


def _pairs(keyword: str, text: str) -> dict[str, str]:
    """Read "a=b c='d e'", or the old form "a rest of the line"."""
    first, _, rest = text.partition(" ")
    if "=" not in first:
        if not rest:
            raise InvalidParameter(f"{keyword} must have two arguments")
        return {first: rest.strip()}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidParameter(f"Syntax error - can't parse {keyword} {text!r}: {error}") from None
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidParameter(
                f"Syntax error - can't find = in {word!r}. Must be of the form: name=value"
            )
        found[key] = value
    return found


def _env(config: Config, text: str) -> None:
    environment = dict(item.partition("=")[::2] for item in config.get("Env") or ())
    environment.update(_pairs("ENV", text))
    config["Env"] = [f"{key}={value}" for key, value in environment.items()]


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **_pairs("LABEL", text)}


def _expose(config: Config, text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in text.split():
        port, _, protocol = word.partition("/")
        first, dash, last = port.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or protocol.lower() not in (*_PROTOCOLS, ""):
            raise InvalidParameter(f"invalid containerPort: {word}")
        for number in range(int(first), int(last or first) + 1):
            if not 0 < number < 65536:
                raise InvalidParameter(f"invalid containerPort: {word}")
            ports[f"{number}/{protocol.lower() or 'tcp'}"] = {}
    config["ExposedPorts"] = ports


_PROTOCOLS = ("tcp", "udp", "sctp")


def _volume(config: Config, text: str) -> None:
    names = json.loads(text) if text.startswith("[") else text.split()
    config["Volumes"] = {**(config.get("Volumes") or {}), **{name: {} for name in names}}


def _workdir(config: Config, text: str) -> None:
    base = str(config.get("WorkingDir") or "/")
    config["WorkingDir"] = text if text.startswith("/") else f"{base.rstrip('/')}/{text}"


def _onbuild(config: Config, text: str) -> None:
    config["OnBuild"] = [*(config.get("OnBuild") or ()), text]


def _healthcheck(config: Config, text: str) -> None:
    if text.upper() == "NONE":
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    options: dict[str, Any] = {}
    while text.startswith("--"):
        option, _, text = text.partition(" ")
        name, _, value = option[2:].partition("=")
        text = text.strip()
        options.update(_health_option(name, value))
    keyword, _, rest = text.partition(" ")
    if keyword.upper() != "CMD" or not rest.strip():
        raise InvalidParameter(f'Unknown type "{keyword}" in HEALTHCHECK (try CMD)')
    words = _command(rest.strip())
    test = ["CMD-SHELL", rest.strip()] if words[:2] == _SHELL else ["CMD", *words]
    config["Healthcheck"] = {"Test": test, **options}


_HEALTH_TIMES = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
_SECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def _health_option(name: str, value: str) -> dict[str, int]:
    if name == "retries" and value.isdigit():
        return {"Retries": int(value)}
    unit = value.lstrip("0123456789")
    number = value.removesuffix(unit)
    if name in _HEALTH_TIMES and number and unit in _SECONDS:
        return {_HEALTH_TIMES[name]: int(number) * _SECONDS[unit]}
    raise InvalidParameter(f"Unknown flag or bad value: --{name}={value}")


def _setter(field: str) -> Callable[[Config, str], None]:
    def instruction(config: Config, text: str) -> None:
        config[field] = text

    return instruction


_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _setter("StopSignal"),
    "USER": _setter("User"),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
