"""The system call filter: Docker's default profile, or a user's, as an OCI section (pure).

The default lets through what the kernel's own permission checks guard well, refuses the rest with EPERM, and
opens more with each capability. Source: Docker's default seccomp profile; the data is `seccomp.json`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import lru_cache
from importlib.resources import files
from typing import Any

from linkspan.model.errors import InvalidParameter

_ALLOW = "SCMP_ACT_ALLOW"
_EPERM, _ENOSYS = 1, 38
_AF_VSOCK = 40
# Every CLONE_NEW* flag: without CAP_SYS_ADMIN nobody makes namespaces.
_NAMESPACE_FLAGS = 0x7E020000
# PER_LINUX, PER_LINUX32, UNAME26, both, and "tell me".
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


def section(profile: str, capabilities: Collection[str], machine: str) -> dict[str, Any] | None:
    """Return `linux.seccomp` for `profile` ("" the default, "unconfined", or a Docker profile's JSON).

    `machine` is uname's ("x86_64"). Raises InvalidParameter for text that is no profile.
    """
    if profile == "unconfined":
        return None
    if not profile or profile == "builtin":
        return _default(machine, tuple(sorted(capabilities)))
    try:
        given = json.loads(profile)
        return _given(given, capabilities, machine)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidParameter(f"Decoding seccomp profile failed: {error}") from error


@lru_cache(maxsize=64)
def _default(machine: str, capabilities: tuple[str, ...]) -> dict[str, Any]:
    data = _data()
    here = data["machines"].get(machine, {"architectures": [], "also": ""})
    names = set(data["always"].split()) | set(here["also"].split())
    for capability in capabilities:
        names |= set(data["capabilities"].get(capability, "").split())
    rules: list[dict[str, Any]] = [{"names": sorted(names), "action": _ALLOW}]
    rules.append(_when("socket", 0, _AF_VSOCK, "SCMP_CMP_NE"))
    rules += [_when("personality", 0, value, "SCMP_CMP_EQ") for value in _PERSONALITIES]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules += _clone_without_namespaces(machine)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": here["architectures"],
        "syscalls": rules,
    }


def _clone_without_namespaces(machine: str) -> list[dict[str, Any]]:
    # clone3's flags lie in memory, where a filter cannot look: ENOSYS makes libc fall back to clone.
    flags_at = 1 if machine == "s390x" else 0
    masked = {"index": flags_at, "value": _NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return [
        {"names": ["clone"], "action": _ALLOW, "args": [masked]},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
    ]


def _when(name: str, index: int, value: int, op: str) -> dict[str, Any]:
    return {"names": [name], "action": _ALLOW, "args": [{"index": index, "value": value, "op": op}]}


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = files("linkspan.runtime").joinpath("seccomp.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _given(given: dict[str, Any], capabilities: Collection[str], machine: str) -> dict[str, Any]:
    """Translate a profile in Docker's file format: `includes`/`excludes` decided, `archMap` resolved."""
    result: dict[str, Any] = {"defaultAction": given["defaultAction"]}
    if "defaultErrnoRet" in given:
        result["defaultErrnoRet"] = given["defaultErrnoRet"]
    if given.get("flags"):
        result["flags"] = given["flags"]
    result["architectures"] = list(given.get("architectures") or _architectures(given, machine))
    rules = given.get("syscalls") or []
    result["syscalls"] = [_rule(rule) for rule in rules if _applies(rule, capabilities, machine)]
    return result


def _architectures(given: dict[str, Any], machine: str) -> list[str]:
    here = _data()["machines"].get(machine, {"architectures": []})["architectures"]
    for entry in given.get("archMap") or ():
        if here and entry["architecture"] == here[0]:
            return [entry["architecture"], *(entry.get("subArchitectures") or ())]
    return []


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    names = rule.get("names") or [rule["name"]]
    kept = {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) is not None}
    return {"names": names, **kept}


def _applies(rule: dict[str, Any], capabilities: Collection[str], machine: str) -> bool:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if includes.get("arches") and architecture not in includes["arches"]:
        return False
    if any(capability not in capabilities for capability in includes.get("caps") or ()):
        return False
    if architecture in (excludes.get("arches") or ()):
        return False
    return not any(capability in capabilities for capability in excludes.get("caps") or ())
