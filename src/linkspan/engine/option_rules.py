"""Options of HostConfig that are words with rules of their own: logging, security, runtime, devices (pure).

Source: moby daemon/daemon_unix.go (parseSecurityOpt), daemon/logger/*/ (ValidateLogOpts), runconfig/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.image import Image
from linkspan.model.numbers import is_number
from linkspan.runtime.capabilities import normalise

_ROTATION = frozenset({"max-size", "max-file", "compress"})
_DETAILS = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
LOG_OPTIONS = {
    "json-file": _ROTATION | _DETAILS,
    "k8s-file": _ROTATION | _DETAILS,
    "local": _ROTATION,
}
_DELIVERY = frozenset({"mode", "max-buffer-size"})
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
RUNTIMES = frozenset({"", "runc", "crun", "io.containerd.runc.v2"})
Document = Mapping[str, Any]


def check(host: Document) -> None:
    """Refuse what Docker refuses of these options; raises InvalidParameter."""
    _check_log(host["LogConfig"])
    security_options(host.get("SecurityOpt") or ())
    _check_modes(host)
    _check_capabilities(host)
    _check_devices(host.get("DeviceRequests") or ())
    if host.get("Runtime") not in RUNTIMES:
        raise InvalidParameter(f"unknown or invalid runtime name: {host['Runtime']}")
    if host.get("Isolation") not in ("", "default"):
        raise InvalidParameter(f"invalid isolation '{host['Isolation']}' on linux")
    if host.get("StorageOpt"):
        raise InvalidParameter(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
        )


def _check_capabilities(host: Document) -> None:
    for field in ("CapAdd", "CapDrop"):
        for name in host.get(field) or ():
            try:
                normalise(name)
            except InvalidParameter as error:
                raise InvalidParameter(f"invalid {field}: {error}") from error


def _check_log(log: Document) -> None:
    driver, options = log["Type"], log["Config"]
    if driver == "none":
        return
    if driver not in LOG_OPTIONS:
        raise InvalidParameter(f"logger: no log driver named '{driver}' is registered")
    for name, value in options.items():
        if name not in LOG_OPTIONS[driver] | _DELIVERY:
            raise InvalidParameter(f"unknown log opt '{name}' for {driver} log driver")
        _check_log_option(name, str(value))
    if "max-buffer-size" in options and options.get("mode") != "non-blocking":
        raise InvalidParameter("logger: max-buffer-size option is only supported with 'mode=non-blocking'")


def _check_log_option(name: str, value: str) -> None:
    if name == "mode" and value not in ("", "blocking", "non-blocking"):
        raise InvalidParameter(f"logger: logging mode not supported: {value}")
    if name in ("max-size", "max-buffer-size"):
        size_bytes(value)
    if name == "max-file" and not (is_number(value) and int(value) > 0):
        raise InvalidParameter("max-file cannot be less than 1")


def size_bytes(text: str) -> int:
    """Return bytes of "10m" or "1.5GiB", -1 for "-1" (no limit); raises InvalidParameter."""
    if text == "-1":
        return -1
    found = _SIZE.fullmatch(text)
    if not found or len(text) > 64:
        raise InvalidParameter(f"invalid size: '{text[:64]}'")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def security_options(options: Sequence[str]) -> dict[str, str]:
    """Return --security-opt as {name: value}; raises InvalidParameter."""
    found: dict[str, str] = {}
    for option in options:
        if option in ("no-new-privileges", "disable"):
            found[option] = "true"
            continue
        separator = "=" if "=" in option else ":"
        name, split, value = option.partition(separator)
        if not split:
            raise InvalidParameter(f'invalid --security-opt 1: "{option}"')
        if name not in ("label", "apparmor", "seccomp", "no-new-privileges", "writable-cgroups"):
            raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
        if name in ("no-new-privileges", "writable-cgroups"):
            if value not in _TRUE + _FALSE:
                raise InvalidParameter(f'invalid --security-opt value: "{option}"')
            value = "true" if value in _TRUE else "false"
        found[name] = value
    return found


def _check_modes(host: Document) -> None:
    ipc, pid = str(host.get("IpcMode") or ""), str(host.get("PidMode") or "")
    if ipc not in ("", "none", "private", "shareable", "host") and not _names_container(ipc):
        raise InvalidParameter(f"invalid IPC mode: {ipc}")
    if pid not in ("", "host", "private") and not _names_container(pid):
        raise InvalidParameter(f"invalid PID mode: {pid}")


def _names_container(mode: str) -> bool:
    return mode.startswith("container:") and mode != "container:"


def _check_devices(requests: Sequence[Document]) -> None:
    for request in requests:
        wanted = " ".join(f"[{' '.join(names)}]" for names in request.get("Capabilities") or ())
        driver = request.get("Driver") or ""
        raise LinkspanError(f'could not select device driver "{driver}" with capabilities: [{wanted}]')


_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}


def platform_differs(image: Image, wanted: str) -> str:
    """Return Docker's sentence when `image` is not for the platform `wanted` ("linux/arm64"), else ""."""
    system, _, rest = wanted.lower().partition("/")
    architecture = rest.partition("/")[0]
    if not architecture and system not in ("linux", "windows", "darwin", "freebsd"):
        system, architecture = "linux", system
    architecture = _ARCHITECTURES.get(architecture, architecture)
    if system == image.os and architecture in ("", image.architecture):
        return ""
    return f"its platform ({image.os}/{image.architecture}) does not match the specified platform ({wanted})"
