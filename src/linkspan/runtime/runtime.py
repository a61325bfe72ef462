"""The Runtime: containers as processes, through conmon and crun (or runc)."""

from __future__ import annotations

import asyncio
import json
import os
import signal as signals
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from linkspan.model.errors import Conflict, KernelError, LinkspanError, NotFound
from linkspan.runtime import (
    capabilities,
    cgroups,
    commands,
    console,
    devices,
    execution,
    failures,
    figures,
    filters,
    gate,
    herald,
    identity,
    limits,
    machine,
    monitor,
    pidfds,
    programs,
    sealed,
    seccomp,
    spec,
    syscalls,
    top,
)
from linkspan.runtime.bundle import Bundle
from linkspan.runtime.console import Console
from linkspan.runtime.creation import Creation
from linkspan.runtime.execution import ExecHandle
from linkspan.runtime.launcher import Launcher
from linkspan.runtime.process import ContainerProcess, Created, ExecProcess, ExitStatus, Resources

_LOST = 255
_PATIENCE_MS = 10_000


class Runtime:
    """Creates, runs and ends containers.

    Blocking and thread-safe, except for `wait` and the exec handle's, which are coroutines.
    """

    def __init__(self, exec_root: Path, data_root: Path, search: str | None = None) -> None:
        """Find the programs and prepare the directories.

        `search` is a PATH to look for conmon, crun and runc in. Raises LinkspanError naming the missing
        Debian package, KernelError when the machine's cgroup mounts cannot be worked around.
        """
        self._programs = programs.find() if search is None else programs.find(search)
        self._containers = exec_root / "containers"
        self._containers.mkdir(parents=True, exist_ok=True)
        data_root.mkdir(parents=True, exist_ok=True)
        self._launcher = Launcher((exec_root, data_root))
        self._cgroups = self._launcher.filesystem / cgroups.ROOT.lstrip("/")
        self._states = exec_root / "runtime"
        line = [self._programs.runtime, f"--root={self._states}"]
        if self._programs.is_crun:
            line = [sealed.program(line[0]), line[1], "--cgroup-manager=cgroupfs"]
        self._commands = commands.Commands(self._launcher, line)
        self._herald = herald.Herald(herald.own_group(self._cgroups, self._launcher.cgroup_v2))
        self._facts = machine.look(self._cgroups, self._launcher.cgroup_v2)
        self.abilities = machine.abilities(self._cgroups, self._launcher.cgroup_v2)
        Thread(target=self._warm, name="runtime-warm-up", daemon=True).start()

    @property
    def name(self) -> str:
        """Return the name of the OCI runtime that is used: "crun" or "runc"."""
        return Path(self._programs.runtime).name

    def expect(self) -> None:
        """Be told that a container is going to be made in the next 20 ms or so; returns at once."""
        self._herald.announce()

    def create(self, process: ContainerProcess) -> Created:
        """Set the container up, its program waiting for `start`; raises what `begin` and `finish` raise."""
        return self.begin(process).finish()

    def begin(self, process: ContainerProcess) -> Creation:
        """Begin to set the container up; its network namespace must be there, and may be filled meanwhile.

        Raises RuntimeFailure in Docker's words, InvalidParameter for a value that makes no container,
        Conflict when there is one of this id already. A failure leaves nothing behind.
        """
        bundle = self._bundle(process.id)
        if bundle.path.exists():
            raise Conflict(f"container {process.id} exists in the runtime already")
        shares = process.ipc == "shareable" and not process.shm_path
        if shares:
            process = replace(process, shm_path=str(bundle.shm))
        config = self._config(process)
        discard = partial(self._discard, process, bundle, log_is_ours=not process.log_path.exists())
        try:
            bundle.make(config)
            if shares:
                _mount_shm(bundle.shm, process.shm_size)
            running = monitor.begin(
                self._launcher, self._programs.conmon, self._commands.line, process, bundle
            )
        except BaseException:
            discard()
            raise
        return Creation(process, bundle, running, discard)

    def start(self, id: str) -> None:
        """Let the container's program run; raises RuntimeFailure."""
        self._require(id)
        if self._programs.is_crun and gate.opened(self._states / id):
            return
        code, said = self._commands.run("start", id)
        if code:
            raise failures.start_failure(said)

    def kill(self, id: str, signal: int, all: bool = False) -> None:
        """Send `signal` to the init process, or with `all` to every process of the container.

        Raises Conflict when the container does not run.
        """
        created = self.created(id)
        if created is None:
            raise Conflict(f"container {id} is not running")
        if all:
            for pid in self.pids(id):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal)
            return
        descriptor = pidfds.open_child_of(created.pid, created.conmon_pid)
        if descriptor is not None:
            pidfds.send(descriptor, signal)
            os.close(descriptor)

    def delete(self, id: str, force: bool = False) -> None:
        """Remove the runtime's state, the cgroup and the bundle; `force` kills what still runs. Idempotent.

        Raises Conflict for a running container without `force`.
        """
        bundle = self._bundle(id)
        if not bundle.path.exists():
            return
        if not force and self.created(id) is not None:
            raise Conflict(f"container {id} is running: stop it before removing it, or force it")
        code, said = self._commands.run("delete", "--force", id)
        self._end_conmon(bundle)
        with suppress(FileNotFoundError, KeyError, ValueError):  # a torn one: nothing was created from it
            figures.remove(self._cgroups, bundle.config()["linux"]["cgroupsPath"], self._facts.cgroup_v2)
        with suppress(KernelError):
            syscalls.unmount(str(bundle.shm), syscalls.MNT_DETACH)
        bundle.remove()
        if code and "does not exist" not in said:
            raise failures.runtime_failure("delete", said)

    def pause(self, id: str) -> None:
        """Freeze every process of the container; raises RuntimeFailure."""
        self._checked("pause", id)

    def resume(self, id: str) -> None:
        """Thaw a paused container; raises RuntimeFailure."""
        self._checked("resume", id)

    def update(self, id: str, resources: Resources) -> None:
        """Change the limits of a running container; raises RuntimeFailure."""
        self._require(id)
        document = limits.section(resources, self._facts.swap_accounting)
        with commands.memory_file("resources", json.dumps(document).encode()) as file:
            code, said = self._commands.run(
                "update", "--resources", f"/proc/self/fd/{file}", id, pass_fds=(file,)
            )
        if code:
            raise failures.runtime_failure("update", said)

    def pids(self, id: str) -> list[int]:
        """Return the host process ids of everything in the container, ascending."""
        return figures.processes(self._cgroups, self._cgroup(id), self._facts.cgroup_v2)

    def top(self, id: str, ps_args: str = "") -> tuple[list[str], list[list[str]]]:
        """Return `ps`'s titles and rows for the container's processes; `ps_args` defaults to "-ef"."""
        return top.processes(self.pids(id), ps_args)

    def statistics(self, id: str) -> dict[str, Any]:
        """Return cpu_stats, memory_stats, blkio_stats and pids_stats in Docker's shape."""
        return figures.statistics(self._cgroups, self._cgroup(id), self._facts.cgroup_v2)

    def created(self, id: str) -> Created | None:
        """Return the process ids of a container made by this or an earlier daemon; None when it has ended."""
        bundle = self._bundle(id)
        descriptor = None if bundle.exit_status() else bundle.open_conmon()
        if descriptor is None:
            return None
        os.close(descriptor)
        return bundle.created()

    def known(self) -> list[str]:
        """Return the ids of every container that the runtime holds anything of, running or ended."""
        return sorted(entry.name for entry in self._containers.iterdir() if entry.is_dir())

    def exit_status(self, id: str) -> ExitStatus | None:
        """Return how the container ended, or None while it lives or when there is none."""
        return self._bundle(id).exit_status()

    async def wait(self, id: str) -> ExitStatus:
        """Wait until the container has ended and its output is in the log.

        Works for a container of an earlier daemon. Raises NotFound when there is none. If its monitor was
        killed, what is left of the container is killed too and the status is 255.
        """
        bundle = self._bundle(id)
        if not bundle.path.exists():
            raise NotFound(f"No such container: {id}")
        descriptor = bundle.open_conmon()
        if descriptor is not None:
            await pidfds.end(descriptor)
        status = bundle.exit_status()
        if status is not None:
            return status
        return await asyncio.to_thread(self._bury, bundle)

    def resize(self, id: str, height: int, width: int) -> None:
        """Set the size of the container's terminal, in characters; raises Conflict when it does not run."""
        console.resize(self._bundle(id).path, height, width)

    def stdin(self, id: str) -> Console:
        """Open the container's stdin; raises Conflict when it does not run."""
        return Console(self._bundle(id).path)

    def shm_path(self, id: str) -> str:
        """Return the path of a shareable container's /dev/shm, for `ContainerProcess.shm_path` of another."""
        return str(self._bundle(id).shm)

    def exec(self, id: str, process: ExecProcess) -> ExecHandle:
        """Run a further process; returns when it runs. Takes about 6 ms.

        Raises RuntimeFailure in Docker's words: code 127 for a command that is not there, 126 for one that
        cannot be run; Conflict when the container does not run.
        """
        bundle = self._bundle(id)
        if self.created(id) is None:
            raise Conflict(f"container {id} is not running")
        self.expect()
        config = bundle.config()
        host = replace(self._facts, identity=_exec_identity(process, config))
        document = spec.execution(process, config, host)
        return execution.start(self._launcher, self._commands.line, bundle, process, document)

    def forget_sessions(self, id: str) -> None:
        """Remove the files of exec sessions that have ended while no daemon looked after them."""
        self._bundle(id).forget_sessions(self.pids(id))

    def close(self) -> None:
        """End the launcher thread and remove what only a running daemon needs; containers live on."""
        figures.remove(self._cgroups, spec.CGROUP_PARENT, self._facts.cgroup_v2)
        self._launcher.close()

    def _warm(self) -> None:
        """Compile the filter that nearly every container uses, off the first one's way."""
        granted = capabilities.effective(known=self._facts.capabilities)
        if section := seccomp.section("", granted, self._facts.machine):
            filters.annotation(section)

    def _bundle(self, id: str) -> Bundle:
        return Bundle(id, self._containers / id)

    def _require(self, id: str) -> None:
        if not self._bundle(id).path.exists():
            raise NotFound(f"No such container: {id}")

    def _cgroup(self, id: str) -> str:
        self._require(id)
        return str(self._bundle(id).config()["linux"]["cgroupsPath"])

    def _config(self, process: ContainerProcess) -> dict[str, Any]:
        config = spec.container(process, self._host(process))
        filtered = config["linux"].get("seccomp")
        if filtered and self._programs.is_crun and (compiled := filters.annotation(filtered)):
            config["annotations"][filters.ANNOTATION] = compiled
        return config

    def _host(self, process: ContainerProcess) -> spec.Host:
        return replace(
            self._facts,
            identity=identity.look_up(process.rootfs, process.user, process.groups),
            devices=devices.host_devices() if process.privileged else devices.look_up(process.devices),
            init=programs.find_init() if process.init else None,
        )

    def _discard(self, process: ContainerProcess, bundle: Bundle, log_is_ours: bool) -> None:
        with suppress(LinkspanError):
            self.delete(process.id, force=True)
        bundle.remove()
        if log_is_ours:
            process.log_path.unlink(missing_ok=True)

    def _checked(self, verb: str, id: str) -> None:
        self._require(id)
        code, said = self._commands.run(verb, id)
        if code:
            raise failures.runtime_failure(verb, said)

    def _end_conmon(self, bundle: Bundle) -> None:
        descriptor = bundle.open_conmon()
        if descriptor is None:
            return
        try:
            if not pidfds.ended(descriptor, _PATIENCE_MS):
                pidfds.send(descriptor, signals.SIGKILL)
                pidfds.ended(descriptor, _PATIENCE_MS)
        finally:
            os.close(descriptor)

    def _bury(self, bundle: Bundle) -> ExitStatus:
        self._commands.run("kill", "--all", bundle.id, "KILL")
        return ExitStatus(_LOST, False, bundle.path.stat().st_mtime_ns)


def _mount_shm(path: Path, size: int) -> None:
    path.mkdir()
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("shm", str(path), "tmpfs", flags, f"mode=1777,size={size}")


def _exec_identity(process: ExecProcess, config: dict[str, Any]) -> identity.Identity:
    """Return who an exec session runs as: its own user, or the container's."""
    if process.user:
        return identity.look_up(Path(config["root"]["path"]), process.user)
    user = config["process"]["user"]
    return identity.Identity(user["uid"], user["gid"], tuple(user["additionalGids"]))
