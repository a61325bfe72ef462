"""Use cases of images: listing, naming, removing, archives, registries, commit; each tells its event."""

from __future__ import annotations

import contextlib
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from linkspan.engine.house import House
from linkspan.engine.image_uses import image_uses
from linkspan.engine.image_work import messages, spool
from linkspan.engine.registry import Managed
from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.filters import Filters
from linkspan.model.image import HistoryLine, Image, Removal
from linkspan.model.reference import Reference
from linkspan.runtime.images.library import Pruned
from linkspan.runtime.images.login import log_in
from linkspan.runtime.images.progress import Message, Report
from linkspan.runtime.images.remote import RemoteImage, describe
from linkspan.runtime.images.skopeo import Credentials
from linkspan.runtime.images.threads import interruptible

log = logging.getLogger(__name__)
_IMAGE_FIELDS = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "StopTimeout",
    "User",
    "Volumes",
    "WorkingDir",
)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """POST /images/create?fromSrc=-: what to call the image, and what to put in its configuration."""

    repository: str = ""
    tag: str = ""
    message: str = ""
    platform: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """POST /commit. `config` is what the client wants to differ from the container's configuration."""

    container: str
    repository: str = ""
    tag: str = ""
    author: str = ""
    comment: str = ""
    pause: bool = True
    changes: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """An image with where its layers lie, topmost first."""

    image: Image
    layers: tuple[Path, ...]


class ImageUseCases:
    """What the API can ask about images. Used from the event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._library = house.images
        self._run = house.workers.run

    async def start(self) -> None:
        """Make the embedded image on the first start; a machine without busybox-static is only told."""
        try:
            image = await self._run(self._library.ensure_embedded)
        except LinkspanError as error:
            log.warning("there is no embedded image: %s", error)
            return
        if image is not None:
            log.info("made the image %s", ", ".join(image.tags))

    async def count(self) -> int:
        """Return how many images are here."""
        return len(await self._run(self._library.index.images))

    async def list(self, filters: Filters) -> Sequence[Image]:
        """Return the images that pass `filters`, newest first."""
        return await self._run(self._library.list, filters)

    def container_counts(self) -> Mapping[str, int]:
        """Return the number of containers per image id."""
        return Counter(use.image_id for use in image_uses(self._house.registry))

    async def inspect(self, reference: str) -> ImageDetails:
        """Return an image and where it lies. Raises NotFound."""
        image = await self._run(self._library.find, reference)
        return ImageDetails(image, tuple(self._library.layers(image)))

    async def history(self, reference: str) -> Sequence[HistoryLine]:
        """Return the steps that made an image. Raises NotFound."""
        return await self._run(self._library.history, reference)

    async def layer_bytes(self) -> int:
        """Return the bytes of all layers, shared ones counted once."""
        return await self._run(self._library.layer_bytes)

    # -- naming and removing ---------------------------------------------------------------------------------

    async def tag(self, source: str, repository: str, tag: str) -> None:
        """Give an image one more name. Raises NotFound, InvalidParameter."""
        image, reference = await self._run(self._library.tag, source, repository, tag)
        self._tell("tag", image.id, reference.familiar, image.labels)

    async def remove(self, reference: str, force: bool) -> Sequence[Removal]:
        """Remove a name or an image. Raises NotFound, Conflict."""
        image = await self._run(self._library.find, reference)
        removals = await self._run(self._library.remove, reference, force, image_uses(self._house.registry))
        self._tell_removals(removals, image)
        return removals

    def _tell_removals(self, removals: Sequence[Removal], image: Image | None = None) -> None:
        for removal in removals:
            if removal.untagged:
                id = image.id if image else removal.untagged
                self._tell("untag", id, id, image.labels if image else {})
            elif image is None or removal.deleted == image.id:
                self._tell("delete", removal.deleted, removal.deleted)

    async def prune(self, filters: Filters) -> Pruned:
        """Remove the images that no container uses. Raises InvalidParameter."""
        pruned = await self._run(self._library.prune, filters, image_uses(self._house.registry))
        self._tell_removals(pruned.removals)
        self._house.events.publish("image", "prune", "", {"reclaimed": str(pruned.reclaimed)})
        return pruned

    async def built(self, image: Image, names: Sequence[Reference]) -> None:
        """Tell of an image that a build made, and give it its names."""
        self._tell("create", image.id, image.id, image.labels)
        for name in names:
            await self.tag(image.id, name.repository, name.tag)

    # -- archives --------------------------------------------------------------------------------------------

    def load(self, content: AsyncIterator[bytes], quiet: bool) -> AsyncGenerator[Message, None]:
        """Load the images of an archive that is streamed in; yields progress."""
        return messages(lambda report: self._load(content, quiet, report))

    async def _load(self, content: AsyncIterator[bytes], quiet: bool, report: Report) -> None:
        with self._library.blobs.workspace() as workspace:
            file = workspace / "body"
            await spool(self._house.workers, content, file)
            progress = None if quiet else report
            loaded = await interruptible(lambda flag: self._library.load(file, progress, flag))
        for image, names in loaded:
            for name in names:
                report({"stream": f"Loaded image: {name.familiar}\n"})
            if not names:
                report({"stream": f"Loaded image ID: {image.id}\n"})
            self._tell("load", image.id, image.id, image.labels)

    def import_archive(
        self, content: AsyncIterator[bytes], request: ImportRequest
    ) -> AsyncGenerator[Message, None]:
        """Make an image of a tar that is streamed in; yields its id."""
        return messages(lambda report: self._import(content, request, report))

    async def _import(self, content: AsyncIterator[bytes], request: ImportRequest, report: Report) -> None:
        reference = _optional_name(request.repository, request.tag)
        with self._library.blobs.workspace() as workspace:
            file = workspace / "body"
            await spool(self._house.workers, content, file)
            image = await interruptible(
                lambda flag: self._library.import_archive(
                    file, reference, request.changes, request.message, request.platform, flag
                )
            )
        report({"status": image.id})
        self._tell("import", image.id, image.id, image.labels)

    async def save(self, names: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """Return the bytes of an archive of these images; NotFound is raised before the first."""
        pieces = await self._run(self._library.save, names)
        for name in names:
            image = await self._run(self._library.find, name)
            self._tell("save", image.id, image.id, image.labels)
        return self._pieces(pieces)

    async def _pieces(self, pieces: Any) -> AsyncGenerator[bytes, None]:
        try:
            while (piece := await self._run(next, pieces, None)) is not None:
                yield piece
        finally:
            pieces.close()

    async def commit(self, request: CommitRequest) -> Image:
        """Make an image of a container's changes, which is paused meanwhile if it runs and `pause` is set.

        Raises NotFound, InvalidParameter.
        """
        managed = self._house.registry.find(request.container)
        reference = _optional_name(request.repository, request.tag)
        async with managed.lock, self._paused(managed, request.pause):
            image = await self._run(self._commit, managed, request, reference)
        name = reference.familiar if reference else ""
        self._house.tell(
            managed.container, "commit", comment=request.comment, imageID=image.id, imageRef=name
        )
        if reference:
            self._tell("tag", image.id, name, image.labels)
        return image

    @contextlib.asynccontextmanager
    async def _paused(self, managed: Managed, wanted: bool) -> AsyncIterator[None]:
        if not (wanted and managed.alive and not managed.state.paused):
            yield
            return
        await self._run(self._house.runtime.pause, managed.id)
        try:
            yield
        finally:
            await self._run(self._house.runtime.resume, managed.id)

    def _commit(self, managed: Managed, request: CommitRequest, reference: Reference | None) -> Image:
        container = managed.container
        return self._library.commit(
            self._house.overlay.upper(container.id),
            self._library.get(container.image_id),
            commit_config(container.config, request.config or {}),
            author=request.author,
            comment=request.comment,
            changes=request.changes,
            container=container.id,
            reference=reference,
        )

    # -- registries ------------------------------------------------------------------------------------------

    def pull(
        self, repository: str, tag: str, credentials: Credentials | None, platform: str
    ) -> AsyncGenerator[Message, None]:
        """Fetch an image, or with no tag every image of a repository; yields progress."""
        reference = references.parse(repository)
        if tag or reference.tag or reference.digest:
            wanted = references.with_tag(repository, tag)
            return messages(lambda report: self.fetch(wanted, credentials, platform, report))
        return messages(lambda report: self._pull_all(reference, credentials, platform, report))

    async def fetch(
        self, reference: Reference, credentials: Credentials | None, platform: str, report: Report
    ) -> None:
        """Pull one image, telling its progress to `report`. Raises NotFound, Unauthorized, Unavailable, …."""
        image = await self._library.pull(reference, credentials, report, platform)
        self._tell("pull", reference.familiar, reference.familiar_name, image.labels)

    async def _pull_all(
        self, reference: Reference, credentials: Credentials | None, platform: str, report: Report
    ) -> None:
        for tag in await self._library.remote_tags(reference, credentials):
            await self.fetch(replace(reference, tag=tag), credentials, platform, report)

    async def look_up(self, name: str, credentials: Credentials | None) -> RemoteImage:
        """Ask a registry what it has under a name. Raises InvalidParameter, NotFound, Unauthorized, …."""
        return await describe(
            self._library.blobs, self._library.registries, references.parse(name), credentials
        )

    async def log_in(self, address: str, credentials: Credentials) -> None:
        """Check a name and password with a registry. Raises Unauthorized, InvalidParameter."""
        await log_in(self._library, address, credentials)

    def push(self, name: str, tag: str, credentials: Credentials | None) -> AsyncGenerator[Message, None]:
        """Send an image to its registry, or with no tag every image of a repository; yields progress."""
        reference = references.parse(name)
        if reference.digest or references.is_digest(tag):
            raise InvalidParameter("cannot push a digest reference")
        if tag or reference.tag:
            wanted = references.with_tag(name, tag)
            return messages(lambda report: self._push(wanted, credentials, report))
        return messages(lambda report: self._push_all(reference, credentials, report))

    async def _push_all(self, reference: Reference, credentials: Credentials | None, report: Report) -> None:
        tags = self._library.index.repository(reference.repository)
        if not tags:
            raise LinkspanError(f"An image does not exist locally with the tag: {reference.familiar_name}")
        for tagged in tags:
            await self._push(tagged, credentials, report)

    async def _push(self, reference: Reference, credentials: Credentials | None, report: Report) -> None:
        await self._library.push(reference, credentials, report)
        self._tell("push", reference.familiar, reference.familiar_name)

    def _tell(self, action: str, id: str, name: str, labels: Mapping[str, str] | None = None) -> None:
        self._house.events.publish("image", action, id, {**(labels or {}), "name": name})


def _optional_name(repository: str, tag: str) -> Reference | None:
    if not repository:
        return None
    reference = references.with_tag(repository, tag)
    if reference.digest:
        raise InvalidParameter("cannot import digest reference")
    return reference


def commit_config(container: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the configuration of a container into the one that a commit asks for, as Docker does.

    Maps and the environment are united, the rest is taken from the container where nothing is asked.
    """
    result = {field: wanted.get(field) or container.get(field) for field in _IMAGE_FIELDS}
    for field in ("ExposedPorts", "Labels", "Volumes"):
        united = {**(container.get(field) or {}), **(wanted.get(field) or {})}
        result[field] = united or None
    environment = dict(item.partition("=")[::2] for item in container.get("Env") or ())
    environment.update(item.partition("=")[::2] for item in wanted.get("Env") or ())
    result["Env"] = [f"{key}={value}" for key, value in environment.items()]
    return {field: json.loads(json.dumps(value)) for field, value in result.items() if value}
