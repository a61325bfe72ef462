"""Linux capabilities: Docker's default set and `--cap-add`, `--cap-drop`, `--privileged` (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from linkspan.model.errors import InvalidParameter


def _full(names: str) -> tuple[str, ...]:
    return tuple(f"CAP_{name}" for name in names.split())


# The order is the kernel's numbering (linux/capability.h).
ALL = _full(
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)

# Source: moby oci/caps/defaults.go.
DEFAULT = _full(
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT KILL AUDIT_WRITE"
)


def normalise(name: str) -> str:
    """Return a capability in its full spelling; raises InvalidParameter for one the kernel does not know."""
    full = name.upper()
    if full != "ALL" and not full.startswith("CAP_"):
        full = f"CAP_{full}"
    if full != "ALL" and full not in ALL:
        raise InvalidParameter(f'unknown capability: "{full}"')
    return full


def from_mask(mask: int) -> tuple[str, ...]:
    """Return the capabilities in a bit mask, as /proc/<pid>/status has it ("CapEff")."""
    return tuple(name for number, name in enumerate(ALL) if mask >> number & 1)


def effective(
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
    privileged: bool = False,
    known: Sequence[str] = ALL,
) -> tuple[str, ...]:
    """Return the capabilities of a container.

    `known` are those that the daemon itself has to give, in the kernel's order. As in Docker: privileged
    gives all of them; `add` ALL starts from all, then `drop` takes away; `drop` ALL leaves only what `add`
    names.
    """
    added = {normalise(name) for name in add}
    dropped = {normalise(name) for name in drop}
    if privileged:
        return tuple(known)
    if "ALL" in added:
        return tuple(name for name in known if name not in dropped)
    if "ALL" in dropped:
        return tuple(name for name in known if name in added)
    return tuple(name for name in known if name in added or (name in DEFAULT and name not in dropped))
