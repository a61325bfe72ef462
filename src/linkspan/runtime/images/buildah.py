"""The program buildah: makes an image of a Dockerfile; its own store of layers is the cache of builds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from linkspan.model.errors import InvalidParameter, LinkspanError, Unavailable

NOT_INSTALLED = "building images needs the program buildah: install the Debian package 'buildah'"
NETWORKS = ("", "default", "host", "none")
# In process and mount namespaces of its own: when buildah is killed, all it started and mounted goes too.
_APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP (\d+/\d+): ")
_SILENT = re.compile(
    r"^(?:\[\d+/\d+\] )?COMMIT\b.*$|^[0-9a-f]{64}$|^time=\S+ level="
    r"|^subprocess exited with status \d+$|^exit status \d+$"
)
_EXIT = re.compile(r'building at STEP "RUN (.*)": (?:while running runtime: )?exit status (\d+)$', re.DOTALL)
_MISSING = re.compile(
    r'building at STEP "(COPY|ADD) .*": checking on sources under "[^"]*": '
    r'copier: stat: "([^"]*)": no such file',
    re.DOTALL,
)
_UNUSED = re.compile(r"^\[Warning\] one or more build args were not consumed: (\[.*\])$", re.MULTILINE)
_LONGEST_LINE = 8192


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What POST /build asks for, besides the context and the names of the result."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platform: str = ""
    network: str = ""
    hosts: Sequence[str] = ()
    fresh: bool = False
    squash: bool = False

    def flags(self) -> list[str]:
        """Return the flags of `buildah build`; raises InvalidParameter for a network it cannot use."""
        if self.network not in NETWORKS:
            raise InvalidParameter(
                f"building on the network {self.network} is not supported: use --network host or none"
            )
        found = [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        found += [f"--label={name}={value}" for name, value in self.labels.items()]
        found += [f"--add-host={host}" for host in self.hosts]
        found += [f"--target={self.target}"] if self.target else []
        found += [f"--platform={self.platform}"] if self.platform else []
        return found + ["--no-cache"] * self.fresh + ["--squash"] * self.squash


class Buildah:
    """Runs buildah for one build; `workspace` holds its files meanwhile, `store` outlives it."""

    def __init__(self, workspace: Path, store: Path) -> None:
        """Raises Unavailable naming the package when the program is not there."""
        require()
        self._workspace = workspace
        self._policy = workspace / "policy.json"
        self._policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        store.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._program = [
            "buildah",
            f"--root={store}",
            f"--runroot={workspace / 'run'}",
            "--storage-driver=overlay",
        ]

    async def has(self, id: str) -> bool:
        """Tell whether buildah's store has the image of this id."""
        code, _ = await self._finish(["inspect", "--type=image", "--format={{.FromImageID}}", _bare(id)])
        return code == 0

    async def take(self, archive: Path) -> None:
        """Take the images of an archive, as `docker save` writes it, into buildah's store."""
        await self._succeed(["pull", "--quiet", *self._signatures(), f"docker-archive:{archive}"])

    async def tag(self, id: str, name: str) -> None:
        """Let a full name lead to an image of the store."""
        await self._succeed(["tag", _bare(id), name])

    async def build(
        self, context: Path, file: Path, options: BuildOptions, tell: Callable[[str], None]
    ) -> str:
        """Build, handing lines of progress to `tell`; returns the id of the image.

        Every image it builds on must be in the store. Raises BuildFailure with Docker's sentence.
        """
        outcome = self._workspace / "iid"
        arguments = ["build", "--format=docker", "--isolation=chroot", "--layers", "--pull=never"]
        arguments += [*self._signatures(), f"--iidfile={outcome}", f"--file={file}", *options.flags()]
        failure = ""
        async with self._run([*arguments, str(context)], cut_off=options.network == "none") as process:
            async for line in _lines(process.stdout):
                if line.startswith("Error: "):
                    failure = line.removeprefix("Error: ")
                elif failure:
                    failure += line
                elif (shown := docker_line(line)) is not None:
                    tell(shown)
            code = await process.wait()
        if code != 0:
            raise failed(failure.strip() or f"buildah ended with exit code {code}")
        return outcome.read_text().strip()

    async def export(self, id: str, archive: Path) -> None:
        """Write an image as an archive that `docker load` understands."""
        await self._succeed(["push", "--quiet", *self._signatures(), _bare(id), f"docker-archive:{archive}"])

    def _signatures(self) -> list[str]:
        return [f"--signature-policy={self._policy}"]

    async def _succeed(self, arguments: Sequence[str]) -> None:
        code, text = await self._finish(arguments)
        if code != 0:
            raise LinkspanError(f"buildah {arguments[0]} failed: {text.strip().removeprefix('Error: ')}")

    async def _finish(self, arguments: Sequence[str]) -> tuple[int, str]:
        async with self._run(arguments) as process:
            output, _ = await process.communicate()
        return process.returncode or 0, output.decode(errors="replace")

    @contextlib.asynccontextmanager
    async def _run(
        self, arguments: Sequence[str], cut_off: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start the program with output and errors in one stream; it is dead when the block is left.

        `cut_off`: in a network namespace where there is nothing. Else commands share the host's network, as
        buildah's isolation by chroot has it.
        """
        process = await asyncio.create_subprocess_exec(
            *_APART,
            *(("--net",) if cut_off else ()),
            *self._program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"HOME": str(self._workspace), "TMPDIR": str(self._workspace)},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())


class BuildFailure(LinkspanError):
    """A step of a Dockerfile failed; `code` is its exit status."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def require() -> None:
    """Raise Unavailable naming the package when buildah or what it needs is not installed."""
    if shutil.which("buildah") is None:
        raise Unavailable(NOT_INSTALLED)


def failed(text: str) -> BuildFailure:
    """Return buildah's failure in Docker's words where it is a command's."""
    if found := _EXIT.search(text):
        command, code = found[1].replace('\\"', '"'), int(found[2])
        shown = command if command.startswith("[") else f"/bin/sh -c {command}"
        return BuildFailure(f"The command '{shown}' returned a non-zero code: {code}", code)
    if found := _MISSING.search(text):
        return BuildFailure(
            f"{found[1]} failed: file not found in build context or excluded by .dockerignore: "
            f"stat {found[2].lstrip('/')}: file does not exist",
            1,
        )
    return BuildFailure(text, 1)


def docker_line(line: str) -> str | None:
    """Return a line of buildah's progress as the classic builder writes it, None for one to leave out."""
    if _SILENT.match(line.rstrip("\r\n")):
        return None
    if line.startswith("--> "):
        cached = line.startswith("--> Using cache")
        return " ---> Using cache\n" if cached else f" ---> {line.removeprefix('--> ')}"
    line = _UNUSED.sub(r"[Warning] One or more build-args \1 were not consumed", line)
    return _STEP.sub(r"Step \1 : ", line)


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Yield the lines of a stream with their ends; one without an end comes in pieces."""
    pending = b""
    while stream is not None and (data := await stream.read(65536)):
        *whole, pending = re.split(rb"(?<=[\r\n])", pending + data)
        for line in whole:
            yield line.decode(errors="replace")
        if len(pending) > _LONGEST_LINE:
            yield pending.decode(errors="replace")
            pending = b""
    if pending:
        yield pending.decode(errors="replace")


def _bare(id: str) -> str:
    return id.removeprefix("sha256:")
