"""The use case of `docker build`: a context and a Dockerfile become an image of the library."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from linkspan.engine.house import House
from linkspan.engine.image_work import messages, spool
from linkspan.engine.images import ImageUseCases
from linkspan.model import dockerfile
from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.model.image import Image
from linkspan.model.reference import Reference
from linkspan.model.timestamps import NEVER, rfc3339
from linkspan.runtime.images.buildah import Buildah, BuildOptions, require
from linkspan.runtime.images.compression import plain
from linkspan.runtime.images.confined import ConfinedDirectory, components
from linkspan.runtime.images.progress import Message, Report
from linkspan.runtime.images.skopeo import Credentials
from linkspan.runtime.images.threads import interruptible
from linkspan.runtime.images.unpack import unpack

Login = Callable[[Reference], Credentials | None]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """POST /build: the names of the result, where the Dockerfile lies in the context, how to build."""

    names: Sequence[Reference] = ()
    dockerfile: str = "Dockerfile"
    pull: bool = False
    quiet: bool = False
    options: BuildOptions = field(default_factory=BuildOptions)
    login: Login = lambda _: None


class Builds:
    """Builds images; the store of buildah under `data_root`/builder is the cache between them."""

    def __init__(self, house: House, images: ImageUseCases) -> None:
        self._house = house
        self._images = images
        self._library = house.images
        self._run = house.workers.run
        self._store = house.settings.data_root / "builder"
        self._building = 0

    def build(self, content: AsyncIterator[bytes], request: BuildRequest) -> AsyncGenerator[Message, None]:
        """Build the context (a tar, compressed or not) that is streamed in; yields progress.

        Raises Unavailable when no builder is installed, InvalidParameter for what cannot be built.
        """
        require()
        request.options.flags()
        return messages(lambda report: self._build(content, request, report))

    async def _build(self, content: AsyncIterator[bytes], request: BuildRequest, report: Report) -> None:
        stack = ExitStack()
        self._building += 1
        try:
            workspace = await self._run(stack.enter_context, self._library.blobs.workspace())
            body, context = workspace / "body", workspace / "context"
            await spool(self._house.workers, content, body)
            text = await self._run(_unpacked, body, context, request.dockerfile)
            await self._make(workspace, context, text, request, report)
        finally:
            self._building -= 1
            await self._run(stack.close)

    async def _make(
        self, workspace: Path, context: Path, text: str, request: BuildRequest, report: Report
    ) -> None:
        builder = Buildah(workspace, self._store)
        dockerfile.check(text, request.dockerfile, request.options.target)
        quietly: Report = (lambda _: None) if request.quiet else report
        for name in dockerfile.base_images(text, request.options.arguments, request.options.target):
            await self._offer(builder, workspace, name, request, quietly)
        file = workspace / "Dockerfile"
        await self._run(file.write_text, text)
        id = await builder.build(context, file, request.options, lambda line: quietly({"stream": line}))
        image = await self._adopt(builder, workspace, id, request)
        if request.quiet:
            report({"stream": f"{image.id}\n"})
            return
        report({"aux": {"ID": image.id}})
        report({"stream": f"Successfully built {references.short(image.id)}\n"})
        for reference in request.names:
            report({"stream": f"Successfully tagged {reference.familiar}\n"})

    async def _offer(
        self, builder: Buildah, workspace: Path, name: str, request: BuildRequest, report: Report
    ) -> None:
        """Put an image that the Dockerfile names into buildah's store, pulled when it is not here."""
        image = None if request.pull else await self._found(name)
        if image is None:
            reference = references.parse(name).with_default_tag()
            platform = request.options.platform
            await self._images.fetch(reference, request.login(reference), platform, report)
            image = await self._run(self._library.find, name)
        if not await builder.has(image.id):
            archive = workspace / f"base-{references.short(image.id)}.tar"
            await self._run(self._save, image.id, archive)
            await builder.take(archive)
            await self._run(archive.unlink)
        if not image.id.removeprefix("sha256:").startswith(name.removeprefix("sha256:")):
            await builder.tag(image.id, str(references.parse(name).with_default_tag()))

    async def _found(self, name: str) -> Image | None:
        try:
            return await self._run(self._library.find, name)
        except NotFound:
            return None

    def _save(self, id: str, archive: Path) -> None:
        with archive.open("xb") as file:
            for piece in self._library.save([id]):
                file.write(piece)

    async def _adopt(self, builder: Buildah, workspace: Path, id: str, request: BuildRequest) -> Image:
        """Bring what was built into the library, under its names."""
        archive = workspace / "built.tar"
        await builder.export(id, archive)
        loaded = await interruptible(lambda flag: self._library.load(archive, None, flag))
        image = loaded[0][0]
        await self._images.built(image, request.names)
        return image

    async def cached_bytes(self) -> int:
        """Return how many bytes the cache of builds takes."""
        return await self._run(_bytes_below, self._store)

    def last_used(self) -> str:
        """Return when a build last changed the cache, in RFC 3339."""
        lock = self._store / "storage.lock"
        return rfc3339(lock.stat().st_mtime_ns) if lock.exists() else NEVER

    async def prune(self) -> int:
        """Remove the cache of builds, unless a build is using it; returns how many bytes that freed."""
        if self._building:
            return 0
        freed = await self.cached_bytes()
        await self._run(shutil.rmtree, self._store, True)
        return freed


def _unpacked(body: Path, context: Path, name: str) -> str:
    """Unpack a context, and return the text of its Dockerfile, which must lie in it."""
    context.mkdir(mode=0o755)
    with plain(body) as content:
        unpack(content, context)
    body.unlink()
    with ConfinedDirectory(context) as directory:
        try:
            descriptor = directory.open_file(components(name))
        except (OSError, InvalidParameter):
            raise InvalidParameter(f"Cannot locate specified Dockerfile: {name}") from None
    with open(descriptor, "rb") as file:
        return file.read().decode(errors="replace")


def _bytes_below(root: Path) -> int:
    """Return what the files below `root` take, each once whatever the number of its names."""
    statuses = (path.lstat() for path in root.rglob("*"))
    return sum({(status.st_dev, status.st_ino): status.st_blocks * 512 for status in statuses}.values())
