"""The image library: everything that can be done with the images that are here, and bringing in others."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkspan.model import image as images
from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.model.filters import Filters, labels_pass, truth, until
from linkspan.model.image import HistoryLine, Image, ImageUse, LayerBlob, Removal
from linkspan.model.reference import Reference
from linkspan.runtime.images import embedded, local, removal
from linkspan.runtime.images.archive_load import Archive, ArchivedImage
from linkspan.runtime.images.archive_save import SavedImage, manifest_of, save
from linkspan.runtime.images.blobs import BlobStore, Flag, write_file
from linkspan.runtime.images.documents import Documents
from linkspan.runtime.images.index import Index
from linkspan.runtime.images.intake import Intake
from linkspan.runtime.images.layers import LayerStore
from linkspan.runtime.images.progress import Report, layer_progress
from linkspan.runtime.images.pull import pull, remote_tags
from linkspan.runtime.images.push import push
from linkspan.runtime.images.skopeo import Credentials, Registries


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune did, and how many bytes it freed."""

    removals: tuple[Removal, ...]
    reclaimed: int


class Images:
    """Images under `data_root`/image, their unpacked layers under `data_root`/image/layers.

    All methods are safe in any thread and block, except `pull` and `push`, which are coroutines. Where a
    method takes `uses`, the engine says which containers need which images.
    """

    def __init__(
        self,
        documents: Documents,
        data_root: Path,
        insecure_registries: Sequence[str] = (),
    ) -> None:
        root = data_root / "image"
        self._documents = documents
        self.blobs = BlobStore(root)
        self._layer_store = LayerStore(root)
        self.index = Index(documents, self.blobs, self._layer_store)
        self.intake = Intake(self.index, self.blobs, self._layer_store)
        self.registries = Registries(tuple(insecure_registries))

    # -- looking ---------------------------------------------------------------------------------------------

    def find(self, reference: str) -> Image:
        """The image that a name, digest, id or unique id prefix means.

        Raises NotFound "No such image: X" and InvalidParameter "invalid reference format".
        """
        return self.index.find(reference)

    def get(self, id: str) -> Image:
        """The image of a full id, also one that was removed while a container still needs it."""
        try:
            return self.index.image(id)
        except KeyError:
            raise NotFound(f"No such image: {id}") from None

    def list(self, filters: Filters | None = None) -> Sequence[Image]:
        """The images that pass the filters of GET /images/json, newest first. Raises InvalidParameter."""
        wanted = filters or {}
        named = {name for key in ("before", "since") for name in wanted.get(key, ())}
        anchors = {name: self.find(name) for name in named}
        return images.select(self.index.images(), wanted, anchors, time.time_ns())

    def history(self, reference: str) -> Sequence[HistoryLine]:
        """The steps that made an image, newest first. Raises NotFound."""
        return images.history_lines(self.find(reference))

    def layers(self, image: Image) -> Sequence[Path]:
        """The unpacked layers of an image, topmost first: overlay's lowerdir."""
        return [self._layer_store.path(diff_id) for diff_id in reversed(image.layers)]

    def layer_bytes(self) -> int:
        """The bytes of all unpacked layers, each counted once (for `docker system df`)."""
        found = {d: s for i in self.index.images() for d, s in zip(i.layers, i.layer_sizes, strict=True)}
        return sum(found.values())

    # -- naming and removing ---------------------------------------------------------------------------------

    def tag(self, source: str, repository: str, tag: str = "") -> tuple[Image, Reference]:
        """Give an image one more name. Raises NotFound, InvalidParameter."""
        image = self.find(source)
        return image, self.name(image, repository, tag)

    def name(self, image: Image, repository: str, tag: str = "") -> Reference:
        """Let the name lead to `image`, away from any other. Raises InvalidParameter."""
        reference = references.with_tag(repository, tag)
        if reference.digest:
            raise InvalidParameter("refusing to create a tag with a digest reference")
        self.index.name(reference, image.id)
        return reference

    def remove(self, reference: str, force: bool = False, uses: Sequence[ImageUse] = ()) -> Sequence[Removal]:
        """Remove a name or an image by Docker's rules. Raises NotFound, Conflict."""
        return removal.remove(self.index, reference, force, uses)

    def prune(self, filters: Filters | None = None, uses: Sequence[ImageUse] = ()) -> Pruned:
        """Remove the images that no container uses: dangling ones, or all with the filter dangling=false.

        Raises InvalidParameter for an unknown filter.
        """
        before = self.layer_bytes()
        used = {use.image_id for use in uses}
        unused = [image for image in self._prunable(filters or {}) if image.id not in used]
        removals = [removal for image in unused for removal in self._prune_one(image)]
        return Pruned(tuple(removals), max(0, before - self.layer_bytes()))

    def _prunable(self, filters: Filters) -> Sequence[Image]:
        for key in filters:
            if key not in images.PRUNE_FILTERS:
                raise InvalidParameter(f"invalid filter '{key}'")
        everything = truth(filters, "dangling") is False
        limit = until(filters, time.time_ns())
        return [
            image
            for image in self.index.images()
            if (everything or image.dangling)
            and labels_pass(image.labels, filters)
            and (limit is None or image.created_at < limit)
        ]

    def _prune_one(self, image: Image) -> Sequence[Removal]:
        with self.index.lock:
            names = self.index.names(image.id)
            if not names:
                return self.remove(image.id)
            return [r for name in names if self.index.lookup(name) for r in self.remove(name.familiar)]

    def release(self, uses: Sequence[ImageUse]) -> None:
        """Free the layers of removed images that no container needs any more (call it when one has gone)."""
        removal.release(self.index, uses)

    @contextlib.contextmanager
    def hold(self, reference: str) -> Iterator[Image]:
        """Find an image and keep its layers while the block runs, also when somebody removes it meanwhile.

        For the making of a container, which counts as a user of the image only when it is made.
        """
        with self.index.lock:
            image = self.find(reference)
            holding = self.index.pin(image.layers)
            holding.__enter__()
        try:
            yield image
        finally:
            holding.__exit__(None, None, None)

    # -- archives --------------------------------------------------------------------------------------------

    def load(
        self, file: Path, report: Report | None = None, cancelled: Flag | None = None
    ) -> Sequence[tuple[Image, tuple[Reference, ...]]]:
        """Take every image of an archive that lies in `file`; returns each with its names there.

        Raises InvalidParameter for a damaged or hostile archive; images before the bad one stay.
        """
        with self.blobs.workspace() as workspace:
            archive = Archive(file, workspace, cancelled)
            try:
                return [
                    (self._load_one(archive, found, workspace, report, cancelled), found.names)
                    for found in archive.images()
                ]
            finally:
                archive.close()

    def _load_one(
        self,
        archive: Archive,
        found: ArchivedImage,
        workspace: Path,
        report: Report | None,
        cancelled: Flag | None,
    ) -> Image:
        with self.index.pin(found.diff_ids):
            for number, (member, diff_id) in enumerate(zip(found.layers, found.diff_ids, strict=True)):
                if self.index.layer(diff_id) is None:
                    file = workspace / f"layer-{number}"
                    archive.copy(member, file)
                    layer = self.intake.add(file, diff_id, cancelled=cancelled)
                    file.unlink(missing_ok=True)
                    if report is not None:
                        name = references.short(diff_id)
                        report(layer_progress("Loading layer", name, layer.stored, layer.stored))
            image = self.index.add_image(found.config, found.manifest)
            for given in found.names:
                self.index.name(given, image.id)
        return self.index.image(image.id)

    def save(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of an archive of these images. Raises NotFound before the first byte."""
        chosen: dict[str, set[Reference]] = {}
        for id, kept in (found for name in names for found in self._saved_names(name)):
            chosen.setdefault(id, set()).update(kept)
        return self._save([self.saved(self.get(id), tuple(sorted(kept))) for id, kept in chosen.items()])

    def _save(self, chosen: Sequence[SavedImage]) -> Iterator[bytes]:
        with self.index.pin([diff_id for one in chosen for diff_id in one.image.layers]):
            yield from save(chosen, self.blobs)

    def _saved_names(self, text: str) -> Iterator[tuple[str, tuple[Reference, ...]]]:
        """Images and the names to save them by: none for an id, the one given, or all of a repository."""
        image = self.index.lookup_any(text)
        if image is None:
            yield self.find(text).id, ()
            return
        wanted = references.parse(text)
        if wanted.tag or wanted.digest:
            yield image, () if wanted.digest else (wanted,)
            return
        for name in self.index.repository(wanted.repository):
            yield str(self.index.lookup(name)), (name,)

    def saved(self, image: Image, names: tuple[Reference, ...] = ()) -> SavedImage:
        """All that is needed to write an image out, with the manifest it came with or a new one."""
        layers = tuple(self._layer(diff_id) for diff_id in image.layers)
        digest = self.index.record(image.id).manifest
        size = self.blobs.path(image.id).stat().st_size
        manifest = self.blobs.read(digest) if digest else manifest_of(image, size, layers)
        return SavedImage(image, layers, manifest, names)

    def _layer(self, diff_id: str) -> LayerBlob:
        layer = self.index.layer(diff_id)
        if layer is None:
            raise NotFound(f"layer {diff_id} does not exist")
        return layer

    # -- making ----------------------------------------------------------------------------------------------

    def import_archive(
        self,
        file: Path,
        reference: Reference | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str = "",
        cancelled: Flag | None = None,
    ) -> Image:
        """Make an image of one layer from a tar (plain, gzip, bzip2, xz, zstd) that lies in `file`.

        Raises InvalidParameter for a bad archive, change or platform.
        """
        config = local.imported(changes, message, platform)
        return self._keep(local.from_archive(self.intake_context(), file, config, cancelled), reference)

    def commit(
        self,
        upper: Path,
        parent: Image,
        config: Mapping[str, Any],
        author: str = "",
        comment: str = "",
        changes: Sequence[str] = (),
        container: str = "",
        reference: Reference | None = None,
    ) -> Image:
        """Make an image of `parent`'s layers and the overlay upper directory of a container.

        `config` is the container's configuration (Env, Cmd, …), to which `changes` are applied; `container`
        is its id. Raises InvalidParameter for a bad change.
        """
        base = json.loads(self.blobs.read(parent.id))
        document = local.committed(base, config, changes, author, comment, container)
        return self._keep(local.from_upper(self.intake_context(), upper, document, parent), reference)

    def ensure_embedded(self) -> Image | None:
        """Make busybox:latest of the host's busybox, once in the library's life; None when it was done.

        A user who removed it does not get it back. Raises Unavailable when busybox-static is not installed.
        """
        reference = references.parse(embedded.NAME)
        if self.index.lookup(reference) or self._documents.all("embedded-image"):
            return None
        image = self._keep(
            local.from_bytes(self.intake_context(), embedded.layer(), embedded.config()), reference
        )
        self._documents.put("embedded-image", embedded.NAME, {"name": embedded.NAME, "image": image.id})
        return image

    def intake_context(self) -> local.Context:
        """The parts that making an image needs."""
        return local.Context(self.index, self.intake, self.blobs)

    def _keep(self, image: Image, reference: Reference | None) -> Image:
        if reference is not None:
            self.index.name(reference, image.id)
        return self.index.image(image.id)

    def spool(self, directory: Path, content: Iterator[bytes]) -> Path:
        """Write pieces of an archive to a new file in `directory` (a `blobs.workspace()`)."""
        file = directory / "archive"
        write_file(file, content)
        return file

    # -- registries ------------------------------------------------------------------------------------------

    async def pull(
        self, reference: Reference, credentials: Credentials | None, report: Report, platform: str = ""
    ) -> Image:
        """Fetch an image from its registry; cancelling leaves nothing behind.

        `platform` is "os/arch[/variant]" ("" is this machine). Raises NotFound, Unauthorized, Unavailable and
        LinkspanError with Docker's sentences.
        """
        return await pull(self, reference, credentials, report, platform)

    async def remote_tags(self, reference: Reference, credentials: Credentials | None) -> Sequence[str]:
        """Every tag that the repository has in its registry. Raises what `pull` raises."""
        return await remote_tags(self, reference, credentials)

    async def push(self, reference: Reference, credentials: Credentials | None, report: Report) -> None:
        """Send the image of this name to its registry. Raises NotFound, Unauthorized, LinkspanError."""
        await push(self, reference, credentials, report)
