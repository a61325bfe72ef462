"""The program skopeo: how registries are spoken to, with which credentials, and what its failures mean."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from linkspan.model.addresses import Subnet
from linkspan.model.errors import LinkspanError, NotFound, Unauthorized, Unavailable
from linkspan.model.reference import Reference

_PROGRAM = "skopeo"
_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')
_REQUEST = re.compile(r'(?:Get|Head|Post|Put|Patch) "[^"]*": .*')


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sent in X-Registry-Auth; never written anywhere but to a file that only root reads."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"


@dataclass(frozen=True, slots=True)
class Registries:
    """Which registries may be spoken to without TLS: loopback ones, and those the user listed.

    An entry of `insecure` is "host", "host:port" or a CIDR of addresses (dockerd's --insecure-registry).
    """

    insecure: tuple[str, ...] = ()

    def verify(self, domain: str) -> bool:
        """Whether the registry's certificate must be right (plain HTTP is tried only when it need not be)."""
        host = _host(domain)
        if host == "localhost" or domain in self.insecure or host in self.insecure:
            return False
        try:
            address = ip_address(host)
        except ValueError:
            return True
        return not (address.is_loopback or any(address in network for network in self._networks()))

    def _networks(self) -> list[Subnet]:
        return [ip_network(entry, strict=False) for entry in self.insecure if "/" in entry]


def _host(domain: str) -> str:
    if domain.startswith("["):
        return domain[1:].partition("]")[0]
    return domain.partition(":")[0]


class Skopeo:
    """Runs skopeo for one registry; `workspace` holds its files for the time of the work."""

    def __init__(self, workspace: Path, verify: bool, domain: str, credentials: Credentials | None) -> None:
        self.workspace = workspace
        self._verify = "true" if verify else "false"
        self._authfile = workspace / "auth.json"
        descriptor = os.open(self._authfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(_auths(domain, credentials), file)

    async def manifest(self, name: str) -> bytes:
        """The bytes of the manifest (or manifest list) that the registry has for "repository:tag"."""
        arguments = ["inspect", "--raw", f"--tls-verify={self._verify}", *self._auth(), f"docker://{name}"]
        async with self._run(arguments) as process:
            output, errors = await process.communicate()
        _check(process.returncode, errors)
        return output

    async def configuration(self, name: str) -> bytes:
        """The bytes of the configuration of the image that the registry has for "repository:tag"."""
        options = ["--config", "--raw", f"--tls-verify={self._verify}"]
        async with self._run(["inspect", *options, *self._auth(), f"docker://{name}"]) as process:
            output, errors = await process.communicate()
        _check(process.returncode, errors)
        return output

    async def tags(self, repository: str) -> list[str]:
        """Every tag of a repository."""
        arguments = ["list-tags", f"--tls-verify={self._verify}", *self._auth(), f"docker://{repository}"]
        async with self._run(arguments) as process:
            output, errors = await process.communicate()
        _check(process.returncode, errors)
        return [str(tag) for tag in json.loads(output).get("Tags") or ()]

    async def download(self, name: str, directory: Path) -> None:
        """Copy one image with its manifest and configuration, byte for byte, into a new directory."""
        await self._copy([f"--src-tls-verify={self._verify}", f"docker://{name}", f"dir:{directory}"])

    async def upload(self, directory: Path, name: str, digest_file: Path) -> None:
        """Copy an image from a directory to the registry; its manifest's digest goes to `digest_file`."""
        options = [f"--dest-tls-verify={self._verify}", f"--digestfile={digest_file}"]
        await self._copy([*options, f"dir:{directory}", f"docker://{name}"])

    async def log_in(self, domain: str, credentials: Credentials) -> None:
        """Ask the registry whether it takes a name and password."""
        secret = (credentials.password or credentials.identity_token).encode()
        arguments = [*self._auth(), f"--tls-verify={self._verify}", "--username", credentials.username]
        async with self._run(["login", *arguments, "--password-stdin", domain], piped=True) as process:
            _, errors = await process.communicate(secret)
        _check(process.returncode, errors)

    async def _copy(self, arguments: Sequence[str]) -> None:
        async with self._run(["copy", "--quiet", *self._auth(), *arguments]) as process:
            _, errors = await process.communicate()
        _check(process.returncode, errors)

    def _auth(self) -> list[str]:
        return [f"--authfile={self._authfile}"]

    @contextlib.asynccontextmanager
    async def _run(
        self, arguments: Sequence[str], piped: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start the program, with `piped` its input ours; it is dead when the block is left, however."""
        command = [_PROGRAM, "--insecure-policy", f"--tmpdir={self.workspace}", *arguments]
        pipe = asyncio.subprocess.PIPE
        stdin = pipe if piped else asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=stdin, stdout=pipe, stderr=pipe, env=self._environment()
            )
        except FileNotFoundError:
            raise Unavailable("the program skopeo is not installed: it is needed to pull and push") from None
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())

    def _environment(self) -> dict[str, str]:
        """Our environment (proxies, certificates), but nobody's home, where credentials of others are."""
        hidden = ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR")
        return {k: v for k, v in os.environ.items() if k not in hidden} | {"HOME": str(self.workspace)}


def _auths(domain: str, credentials: Credentials | None) -> dict[str, dict[str, dict[str, str]]]:
    if credentials is None or not (credentials.username or credentials.identity_token):
        return {"auths": {}}
    pair = f"{credentials.username}:{credentials.password}".encode()
    entry = {"auth": base64.b64encode(pair).decode()}
    if credentials.identity_token:
        entry["identitytoken"] = credentials.identity_token
    return {"auths": {domain: entry}}


class RegistryFailure(LinkspanError):
    """skopeo failed; the text is its last message."""


def _check(code: int | None, errors: bytes) -> None:
    if code != 0:
        raise RegistryFailure(last_message(errors.decode(errors="replace")))


def last_message(text: str) -> str:
    """The last message of skopeo's log, or its last line."""
    found = _MESSAGE.findall(text)
    message = found[-1] if found else text.strip().rpartition("\n")[2]
    return str(message.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", " ")) or "skopeo failed"


def translate_pull(error: RegistryFailure, reference: Reference) -> LinkspanError:
    """Docker's sentence and status for a pull that failed."""
    text = str(error)
    if "manifest unknown" in text or "was deleted or has expired" in text:
        return NotFound(f"manifest for {reference.familiar} not found: manifest unknown: manifest unknown")
    if "name unknown" in text or "repository name not known" in text:
        return NotFound(
            f"repository {reference.familiar_name} not found: name unknown: repository name not known to"
            " registry"
        )
    if "denied" in text or (reference.domain == "docker.io" and "unauthorized" in text):
        return NotFound(
            f"pull access denied for {reference.familiar_name}, repository does not exist or may require"
            " 'docker login': denied: requested access to the resource is denied"
        )
    return _translate(text)


def translate_push(error: RegistryFailure) -> LinkspanError:
    """Docker's sentence and status for a push that failed."""
    if "denied" in str(error):
        return Unauthorized("denied: requested access to the resource is denied")
    return _translate(str(error))


def _translate(text: str) -> LinkspanError:
    if "unauthorized" in text or "authentication required" in text or "invalid username/password" in text:
        return Unauthorized("unauthorized: authentication required")
    request = _REQUEST.search(text)
    return LinkspanError(request.group(0) if request else text)
