"""What a container or an exec session is to the runtime: frozen values, no behaviour.

The engine fills these from a container's configuration and image; `runtime.spec` turns them into an OCI
document. Fields carry Docker's defaults, so that `ContainerProcess(id=…, rootfs=…, log_path=…, args=…)` is
a plain `docker run`. Source of the fields: Docker Engine API v1.51, ContainerConfig and HostConfig.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from linkspan.model.addresses import Pairs

PRIVATE = "private"
HOST = "host"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount in the container.

    `source` is an absolute host path for binds and ignored by tmpfs. `options` are mount(8) options in
    their OCI form; a bind has "rbind" or "bind", a propagation ("rprivate" is Docker's default) and "ro" or
    "rw".
    """

    target: str
    source: str = ""
    type: str = "bind"
    options: tuple[str, ...] = ("rbind", "rprivate", "rw")


@dataclass(frozen=True, slots=True)
class Ulimit:
    """One resource limit, named as in HostConfig.Ulimits ("nofile")."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Device:
    """A host device (or a directory of devices) shown in the container."""

    host_path: str
    container_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a block device may be used: `kind` is ReadBps, WriteBps (bytes), ReadIOps or WriteIOps, each
    per second.
    """

    kind: str
    major: int
    minor: int
    value: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of a container's cgroup; None (or an empty text) means "not set".

    Bytes for memory, -1 for unlimited; microseconds for CPU times; `memory_swap` is memory plus swap as in
    Docker, and defaults to twice the memory when only that is limited.
    """

    memory: int | None = None
    memory_swap: int | None = None
    memory_reservation: int | None = None
    memory_swappiness: int | None = None
    oom_kill_disable: bool = False
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    nano_cpus: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None
    blkio_weight: int | None = None
    rates: tuple[Rate, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerProcess:
    """Everything the runtime needs to create one container.

    Namespaces: `netns` is a path, or None for the daemon's own. `pid`, `ipc`, `uts` and `cgroupns` are
    "private", "host", or the path of another process's namespace (`/proc/<pid>/ns/ipc`); `ipc` may also be
    "shareable" or "none" (no /dev/shm). An empty `cgroupns` chooses Docker's default: private on cgroup v2,
    host on v1. `user` is Docker's "user[:group]", names being looked up in the container's own files.
    `stdin_once` closes the container's stdin when the first attached client ends its own. `seccomp` is ""
    for the default profile, "unconfined", or the JSON text of a profile. Capability names may be given with
    or without "CAP_", and "ALL". `shm_size` is in bytes; `shm_path` is another container's /dev/shm to
    share (`Runtime.shm_path`). `log_path` receives the container's output.
    """

    id: str
    rootfs: Path
    log_path: Path
    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    groups: tuple[str, ...] = ()
    terminal: bool = False
    console_size: tuple[int, int] = (0, 0)
    open_stdin: bool = False
    stdin_once: bool = False
    netns: str | None = None
    hostname: str = ""
    domainname: str = ""
    pid: str = PRIVATE
    ipc: str = PRIVATE
    uts: str = PRIVATE
    cgroupns: str = ""
    mounts: tuple[Mount, ...] = ()
    tmpfs: Pairs = ()
    shm_size: int = 64 * 1024 * 1024
    shm_path: str = ""
    readonly: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp: str = ""
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    devices: tuple[Device, ...] = ()
    device_rules: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: Pairs = ()
    oom_score_adj: int = 0
    umask: int | None = None
    init: bool = False
    annotations: Pairs = ()
    cgroup_parent: str = ""


@dataclass(frozen=True, slots=True)
class ExecProcess:
    """A further process in a running container (`docker exec`).

    Empty `user` and `cwd` mean the container's own. `env` is added to the container's environment.
    `detach` gives it /dev/null for stdin, stdout and stderr, also instead of a terminal. `privileged` gives
    all capabilities; the container's seccomp filter stays, as in Docker.
    """

    id: str
    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""
    terminal: bool = False
    console_size: tuple[int, int] = (0, 0)
    stdin: bool = False
    privileged: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """A container that is set up and waits for `start`: its init's process id and its monitor's."""

    pid: int
    conmon_pid: int


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a container ended: 0..255 (128 + signal), whether the OOM killer struck, and when (Unix ns)."""

    code: int
    oom: bool
    finished: int
