"""ContainerProcess → OCI runtime configuration, with Docker's defaults (pure).

Source: OCI runtime-spec 1.0.2, config.md and config-linux.md; the defaults are moby's oci/defaults.go and
daemon/oci_linux.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from linkspan.runtime import capabilities, limits, mounts, seccomp
from linkspan.runtime.devices import DeviceNode
from linkspan.runtime.identity import Identity
from linkspan.runtime.process import HOST, PRIVATE, ContainerProcess, ExecProcess, Ulimit

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUP_PARENT = "/linkspan"


@dataclass(frozen=True, slots=True)
class Host:
    """What the specification depends on besides the container: facts of the machine and of the image.

    `init` is the path of the host's init program. `capabilities` are those the daemon has to give.
    """

    identity: Identity = field(default_factory=Identity)
    devices: tuple[DeviceNode, ...] = ()
    machine: str = "x86_64"
    cgroup_v2: bool = False
    swap_accounting: bool = True
    capabilities: tuple[str, ...] = capabilities.ALL
    init: str | None = None


def container(process: ContainerProcess, host: Host) -> dict[str, Any]:
    """Return the whole config.json of a container; raises InvalidParameter for values that make none."""
    granted = _capabilities(process, host)
    return {
        "ociVersion": "1.0.2",
        "process": _process(process, host, granted),
        "root": {"path": str(process.rootfs), "readonly": process.readonly},
        **({"hostname": process.hostname} if process.hostname and process.uts == PRIVATE else {}),
        "mounts": mounts.section(process, host.init if process.init else None),
        "annotations": dict(process.annotations),
        "linux": _linux(process, host, granted),
    }


def execution(process: ExecProcess, config: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return the process document of an exec session in a container that was made from `config`.

    `host.identity` is the session's user. As in Docker, the session gets the container's environment and
    capabilities, and everything when privileged.
    """
    base = config["process"]
    document = {
        # Nobody would read a detached session's terminal, and it would come to a stop.
        "terminal": process.terminal and not process.detach,
        "user": _user(host.identity, base["user"].get("umask")),
        "args": list(process.args),
        "env": _execution_env(process, base["env"]),
        "cwd": process.cwd or base["cwd"],
        "capabilities": base["capabilities"],
        "noNewPrivileges": base["noNewPrivileges"],
        **{key: base[key] for key in ("rlimits", "oomScoreAdj") if key in base},
    }
    if process.user and host.identity.uid != 0:
        document["capabilities"] = _capability_sets(base["capabilities"]["bounding"], host.identity)
    if process.privileged:
        known = host.capabilities
        document["capabilities"] = _capability_sets(known, host.identity)
    if any(process.console_size):
        document["consoleSize"] = _console_size(process.console_size)
    return document


def cgroup_path(process: ContainerProcess) -> str:
    """Return the container's cgroup below the root of each hierarchy: "/linkspan/<id>"."""
    return f"{process.cgroup_parent or CGROUP_PARENT}/{process.id}"


def environment(process: ContainerProcess) -> list[str]:
    """Return the container's environment: Docker's defaults, overridden by the container's own entries.

    As in Docker an entry without "=" removes the variable. HOME is left to the runtime, which takes it from
    the container's passwd file.
    """
    defaults = [f"PATH={DEFAULT_PATH}"]
    if process.hostname:
        defaults.append(f"HOSTNAME={process.hostname}")
    if process.terminal:
        defaults.append("TERM=xterm")
    return _merge(defaults, process.env)


def _execution_env(process: ExecProcess, base: list[str]) -> list[str]:
    defaults = ["TERM=xterm"] if process.terminal else []
    return _merge(_merge(defaults, base), process.env)


def _merge(base: list[str], own: Iterable[str]) -> list[str]:
    merged = {entry.partition("=")[0]: entry for entry in base}
    for entry in own:
        name, equals, _ = entry.partition("=")
        if equals:
            merged[name] = entry
        else:
            merged.pop(name, None)
    return list(merged.values())


def _process(process: ContainerProcess, host: Host, granted: tuple[str, ...]) -> dict[str, Any]:
    prefix = (mounts.INIT_TARGET, "--") if process.init else ()
    document: dict[str, Any] = {
        "terminal": process.terminal,
        "user": _user(host.identity, process.umask),
        "args": [*prefix, *process.args],
        "env": environment(process),
        "cwd": process.cwd or "/",
        "capabilities": _capability_sets(granted, host.identity),
        "noNewPrivileges": process.no_new_privileges,
        "oomScoreAdj": process.oom_score_adj,
    }
    if process.ulimits:
        document["rlimits"] = [_rlimit(limit) for limit in process.ulimits]
    if any(process.console_size):
        document["consoleSize"] = _console_size(process.console_size)
    return document


def _linux(process: ContainerProcess, host: Host, granted: tuple[str, ...]) -> dict[str, Any]:
    rules = (*(node.rule for node in host.devices), *process.device_rules)
    section: dict[str, Any] = {
        "cgroupsPath": cgroup_path(process),
        "namespaces": _namespaces(process, host.cgroup_v2),
        "devices": [_device(node) for node in host.devices],
        "resources": {
            "devices": limits.device_rules(process.privileged, rules),
            **limits.section(process.resources, host.swap_accounting),
        },
        "maskedPaths": mounts.masked(process),
        "readonlyPaths": mounts.readonly(process),
        "sysctl": _sysctls(process),
        "rootfsPropagation": _propagation(process),
    }
    profile = "unconfined" if process.privileged else process.seccomp
    if filters := seccomp.section(profile, granted, host.machine):
        section["seccomp"] = filters
    return section


def _propagation(process: ContainerProcess) -> str:
    """A bind that shall see the host's later mounts needs a root that lets them through."""
    options = {option for mount in process.mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    return "rslave" if options & {"slave", "rslave"} else "rprivate"


def _capabilities(process: ContainerProcess, host: Host) -> tuple[str, ...]:
    return capabilities.effective(process.cap_add, process.cap_drop, process.privileged, host.capabilities)


def _capability_sets(granted: Iterable[str], identity: Identity) -> dict[str, list[str]]:
    names = list(granted)
    # A user other than root has the bounding set only, as execve(2) would leave it.
    held = names if identity.uid == 0 else []
    return {"bounding": names, "effective": held, "permitted": held, "inheritable": [], "ambient": []}


def _user(identity: Identity, umask: int | None) -> dict[str, Any]:
    groups = list(dict.fromkeys((identity.gid, *identity.groups)))
    mask = {} if umask is None else {"umask": umask}
    return {"uid": identity.uid, "gid": identity.gid, "additionalGids": groups, **mask}


def _rlimit(limit: Ulimit) -> dict[str, Any]:
    return {
        "type": f"RLIMIT_{limit.name.upper()}",
        "soft": _unsigned(limit.soft),
        "hard": _unsigned(limit.hard),
    }


def _unsigned(value: int) -> int:
    return value if value >= 0 else 2**64 - 1


def _console_size(size: tuple[int, int]) -> dict[str, int]:
    return {"height": size[0], "width": size[1]}


def _device(node: DeviceNode) -> dict[str, Any]:
    return {
        "path": node.path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }


def _namespaces(process: ContainerProcess, cgroup_v2: bool) -> list[dict[str, str]]:
    ipc = PRIVATE if process.ipc in ("shareable", "none") else process.ipc
    cgroup = process.cgroupns or (PRIVATE if cgroup_v2 else HOST)
    chosen = {
        "mount": PRIVATE,
        "pid": process.pid,
        "ipc": ipc,
        "uts": process.uts,
        "network": HOST if process.netns is None else process.netns,
        # crun refuses cgroup namespaces on v1.
        "cgroup": cgroup if cgroup_v2 else HOST,
    }
    return [
        {"type": kind} if where == PRIVATE else {"type": kind, "path": where}
        for kind, where in chosen.items()
        if where != HOST
    ]


def _sysctls(process: ContainerProcess) -> dict[str, str]:
    """Return the sysctls, with Docker's two for a network namespace of its own (moby daemon/oci_linux.go)."""
    wanted: dict[str, str] = {}
    if process.netns is not None:
        wanted["net.ipv4.ip_unprivileged_port_start"] = "0"
        wanted["net.ipv4.ping_group_range"] = "0 2147483647"
    if process.domainname and process.uts == PRIVATE:
        wanted["kernel.domainname"] = process.domainname
    return wanted | dict(process.sysctls)
