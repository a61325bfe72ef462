"""Pushing: an image goes to its registry with the manifest it came with, or a new one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from linkspan.model.errors import LinkspanError
from linkspan.model.reference import Reference, short
from linkspan.runtime.images.archive_save import SavedImage
from linkspan.runtime.images.blobs import BlobStore, checked, link_or_copy
from linkspan.runtime.images.progress import Report, layer_status, status
from linkspan.runtime.images.skopeo import Credentials, RegistryFailure, Skopeo, translate_push
from linkspan.runtime.images.threads import interruptible

if TYPE_CHECKING:
    from linkspan.runtime.images.library import Images

_VERSION = "Directory Transport Version: 1.1\n"


async def push(
    library: Images, reference: Reference, credentials: Credentials | None, report: Report
) -> None:
    """See `Images.push`."""
    id = library.index.lookup(reference)
    if id is None:
        raise LinkspanError(f"An image does not exist locally with the tag: {reference.familiar_name}")
    saved = library.saved(library.get(id))
    report(status(f"The push refers to repository [{reference.repository}]"))
    for layer in saved.layers:
        report(layer_status("Preparing", short(layer.diff_id)))
    with library.blobs.workspace() as workspace:
        directory = workspace / "image"
        await interruptible(lambda _: _lay_out(library.blobs, saved, directory))
        verify = library.registries.verify(reference.domain)
        skopeo = Skopeo(workspace, verify, reference.domain, credentials)
        try:
            await skopeo.upload(directory, str(reference), workspace / "digest")
        except RegistryFailure as error:
            raise translate_push(error) from error
        digest = checked((workspace / "digest").read_text().strip())
    for layer in saved.layers:
        report(layer_status("Pushed", short(layer.diff_id)))
    library.index.name(replace(reference, tag="", digest=digest), id)
    size = len(saved.manifest)
    report(status(f"{reference.tag}: digest: {digest} size: {size}"))
    report({"progressDetail": {}, "aux": {"Tag": reference.tag, "Digest": digest, "Size": size}})


def _lay_out(blobs: BlobStore, saved: SavedImage, directory: Path) -> None:
    """Write the image as skopeo's `dir:` transport reads it; the blobs are only linked."""
    directory.mkdir()
    (directory / "version").write_text(_VERSION)
    (directory / "manifest.json").write_bytes(saved.manifest)
    for digest in {saved.image.id, *(layer.digest for layer in saved.layers)}:
        link_or_copy(blobs.path(digest), directory / digest.removeprefix("sha256:"))
