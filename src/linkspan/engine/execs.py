"""Further processes in running containers: `docker exec` create, start, resize and inspect."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linkspan.engine.configuration import words
from linkspan.engine.house import House
from linkspan.engine.probing import gather
from linkspan.engine.registry import Managed
from linkspan.engine.session import Channel, Session
from linkspan.engine.streams import STDOUT, detach_sequence, frame
from linkspan.model.errors import Conflict, InvalidParameter, LinkspanError, NotFound
from linkspan.runtime.execution import ExecHandle
from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.process import ExecProcess

log = logging.getLogger(__name__)

START_PATIENCE = 10.0
ABORTED = 126
REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """What an exec session was created with."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""
    tty: bool = False
    privileged: bool = False
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    detach_keys: str = ""


class Exec:
    """One exec session from its creation on."""

    def __init__(self, managed: Managed, config: ExecConfig) -> None:
        self.id = secrets.token_hex(32)
        self.managed = managed
        self.config = config
        self.handle: ExecHandle | None = None
        self.begun = False
        self.exit_code: int | None = None
        self.started = asyncio.Event()

    @property
    def running(self) -> bool:
        """Return whether its process runs."""
        return self.handle is not None and self.exit_code is None

    def document(self) -> dict[str, Any]:
        """Return the answer of GET /exec/{id}/json."""
        config = self.config
        return {
            "ID": self.id,
            "Running": self.running,
            "ExitCode": self.exit_code,
            "ProcessConfig": {
                "tty": config.tty,
                "entrypoint": config.args[0],
                "arguments": list(config.args[1:]),
                "privileged": config.privileged,
                "user": config.user,
            },
            "OpenStdin": config.stdin,
            "OpenStderr": config.stderr,
            "OpenStdout": config.stdout,
            "CanRemove": False,
            "ContainerID": self.managed.id,
            "DetachKeys": "",
            "Pid": self.handle.pid if self.handle else 0,
        }


def exec_config(body: Mapping[str, Any]) -> ExecConfig:
    """Read the body of POST /containers/{id}/exec; raises InvalidParameter."""
    args = words(body.get("Cmd"))
    if not args:
        raise InvalidParameter("No exec command specified")
    keys = body.get("DetachKeys") or ""
    detach_sequence(keys)
    return ExecConfig(
        args=tuple(args),
        env=tuple(body.get("Env") or ()),
        cwd=body.get("WorkingDir") or "",
        user=body.get("User") or "",
        tty=bool(body.get("Tty")),
        privileged=bool(body.get("Privileged")),
        stdin=bool(body.get("AttachStdin")),
        stdout=bool(body.get("AttachStdout")),
        stderr=bool(body.get("AttachStderr")),
        detach_keys=keys,
    )


class Execs:
    """All exec sessions of this daemon's life."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known: dict[str, Exec] = {}

    def create(self, reference: str, config: ExecConfig) -> Exec:
        """Create a session; Conflict when the container does not run."""
        managed = self._house.registry.find(reference)
        _refuse_idle(managed)
        self._tidy()
        session = Exec(managed, config)
        self._known[session.id] = session
        self._tell(session, f"exec_create: {' '.join(config.args)}")
        return session

    def _tidy(self) -> None:
        """Forget the oldest of the sessions that have ended, when there are too many to remember."""
        ended = [id for id, session in self._known.items() if session.exit_code is not None]
        for id in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._known[id]

    def find(self, id: str) -> Exec:
        """Return a session, or raise NotFound with Docker's text."""
        session = self._known.get(id)
        if session is None or session.managed.gone:
            raise NotFound(f"No such exec instance: {id}")
        return session

    def of(self, managed: Managed) -> list[str]:
        """Return the ids of the sessions that run in a container."""
        return [e.id for e in self._known.values() if e.managed is managed and e.running]

    def forget(self, managed: Managed) -> None:
        """Drop the sessions of a container that is gone."""
        self._known = {id: e for id, e in self._known.items() if e.managed is not managed}

    def claim(self, id: str) -> Exec:
        """Return a session that may be started now, and mark it; raises NotFound or Conflict."""
        session = self.find(id)
        if session.running:
            raise Conflict(f"exec command {id} is already running")
        if session.begun:
            raise Conflict(f"exec command {id} has already run")
        _refuse_idle(session.managed)
        session.begun = True
        return session

    async def start_detached(self, session: Exec) -> None:
        """Start a claimed session without streams; returns when it runs."""
        handle = await self._begin(session, detach=True, size=(0, 0))
        self._house.workers.spawn(self._reap(session, handle))

    async def start_attached(self, session: Exec, channel: Channel, size: tuple[int, int]) -> None:
        """Start a claimed session and carry its streams over `channel` until it ends or is detached.

        A failure to start is written to the channel. `size` is (height, width) of the terminal, zeros for
        unknown.
        """
        try:
            handle = await self._begin(session, detach=False, size=size)
        except LinkspanError as error:
            text = f"{error}\r\n".encode()
            await channel.write(text if session.config.tty else frame(STDOUT, text))
            return
        await self._carry(session, handle, channel)

    async def _begin(self, session: Exec, detach: bool, size: tuple[int, int]) -> ExecHandle:
        config = session.config
        process = ExecProcess(
            id=session.id,
            args=config.args,
            env=config.env,
            cwd=config.cwd,
            user=config.user,
            terminal=config.tty,
            console_size=size,
            stdin=config.stdin and not detach,
            privileged=config.privileged,
            detach=detach,
        )
        try:
            handle = await self._house.workers.run(self._house.runtime.exec, session.managed.id, process)
        except RuntimeFailure as failure:
            session.exit_code = failure.code if failure.code in (126, 127) else ABORTED
            session.started.set()
            if failure.code in (126, 127):
                raise InvalidParameter(str(failure)) from failure
            raise
        session.handle = handle
        session.started.set()
        self._tell(session, f"exec_start: {' '.join(config.args)}")
        return handle

    async def _carry(self, session: Exec, handle: ExecHandle, channel: Channel) -> None:
        config = session.config
        streams = Session(
            handle,
            channel,
            keys=detach_sequence(config.detach_keys) if config.tty else b"",
            stdin=config.stdin,
            stdout=config.stdout,
            stderr=config.stderr,
        )
        reaper = self._house.workers.spawn(self._reap(session, handle))
        pump = self._house.workers.spawn(streams.run(reaper))
        if await asyncio.shield(pump):
            self._tell(session, "exec_detach")

    async def _reap(self, session: Exec, handle: ExecHandle) -> int:
        code = await handle.wait()
        session.exit_code = code
        self._tell(session, "exec_die", exitCode=str(code))
        if session.handle is not None and handle.stdout is None and handle.terminal is None:
            handle.close()
        return code

    async def resize(self, id: str, height: int, width: int) -> None:
        """Set the terminal's size; waits a moment for a session that is just being started."""
        session = self.find(id)
        try:
            await asyncio.wait_for(session.started.wait(), START_PATIENCE)
        except TimeoutError:
            raise LinkspanError("timeout waiting for exec session ready") from None
        if session.handle is None or not session.running:
            raise Conflict(f"exec {id} is not running")
        await self._house.workers.run(session.handle.resize, height, width)

    async def probe(self, managed: Managed, args: Sequence[str], limit: int) -> tuple[int, str]:
        """Run a health check's process; return its exit code and the first `limit` bytes of output.

        Cancelling kills the process. Raises LinkspanError when it cannot be started.
        """
        session = Exec(managed, ExecConfig(tuple(args), stdout=True, stderr=True))
        self._tell(session, f"exec_create: {' '.join(args)}")
        begun = self._house.workers.spawn(self._begin(session, detach=False, size=(0, 0)))
        try:
            handle = await asyncio.shield(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(_abandon)
            raise
        code, output = await gather(handle, limit)
        session.exit_code = code
        self._tell(session, "exec_die", exitCode=str(code))
        return code, output

    def _tell(self, session: Exec, action: str, **attributes: str) -> None:
        self._house.tell(session.managed.container, action, execID=session.id, **attributes)


def _abandon(begun: asyncio.Task[ExecHandle]) -> None:
    """Close what was started for nobody."""
    if not begun.cancelled() and begun.exception() is None:
        begun.result().close()


def _refuse_idle(managed: Managed) -> None:
    state = managed.state
    if state.restarting:
        raise Conflict(f"Container {managed.id} is restarting, wait until the container is running")
    if not state.running:
        raise Conflict(f"container {managed.id} is not running")
    if state.paused:
        raise Conflict(f"Container {managed.id} is paused, unpause the container before exec")
