"""Pulling: an image comes from its registry byte for byte, with the progress that Docker's clients show."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linkspan.model.errors import LinkspanError, NotFound
from linkspan.model.image import Image
from linkspan.model.reference import Reference, short
from linkspan.runtime.images.archive_load import fits
from linkspan.runtime.images.blobs import Flag, checked, digest_of, link_or_copy
from linkspan.runtime.images.progress import Report, layer_progress, layer_status, status
from linkspan.runtime.images.skopeo import Credentials, RegistryFailure, Skopeo, translate_pull
from linkspan.runtime.images.threads import interruptible

if TYPE_CHECKING:
    from linkspan.runtime.images.library import Images

_TICK = 0.1
_UNFINISHED = "dir-put-blob"


@dataclass(frozen=True, slots=True)
class _Remote:
    """What the registry offers: the digest that the name leads to, and the manifest for our platform."""

    digest: str
    manifest: bytes
    layers: tuple[tuple[str, int], ...]

    @property
    def manifest_digest(self) -> str:
        return digest_of(self.manifest)


async def pull(
    library: Images, reference: Reference, credentials: Credentials | None, report: Report, platform: str
) -> Image:
    """See `Images.pull`."""
    wanted = reference.with_default_tag()
    with library.blobs.workspace() as workspace:
        verify = library.registries.verify(wanted.domain)
        skopeo = Skopeo(workspace, verify, wanted.domain, credentials)
        try:
            remote = await _resolve(skopeo, wanted, platform)
            report(status(f"Pulling from {wanted.path}", wanted.tag or wanted.digest))
            image = _present(library, remote)
            fresh = image is None
            if image is None:
                await _download(library, skopeo, wanted, remote, report)
        except RegistryFailure as error:
            raise translate_pull(error, wanted) from error
        if image is None:
            image = await interruptible(
                lambda flag: _take(library, workspace / "image", remote, report, flag)
            )
    return _finish(library, image, wanted, remote.digest, fresh, report)


async def remote_tags(
    library: Images, reference: Reference, credentials: Credentials | None
) -> Sequence[str]:
    """See `Images.remote_tags`."""
    with library.blobs.workspace() as workspace:
        verify = library.registries.verify(reference.domain)
        skopeo = Skopeo(workspace, verify, reference.domain, credentials)
        try:
            return await skopeo.tags(reference.repository)
        except RegistryFailure as error:
            raise translate_pull(error, reference) from error


async def _resolve(skopeo: Skopeo, reference: Reference, platform: str) -> _Remote:
    """Ask what the name means and which of a multi-platform image's manifests is ours."""
    content = await skopeo.manifest(_source(reference))
    digest = digest_of(content)
    if reference.digest and digest != reference.digest:
        raise LinkspanError(f"manifest verification failed for digest {reference.digest}")
    document = _document(content)
    if "manifests" in document:
        entry = _choose(document, reference, platform)
        content = await skopeo.manifest(f"{reference.repository}@{entry}")
        if digest_of(content) != entry:
            raise LinkspanError(f"manifest verification failed for digest {entry}")
        document = _document(content)
    if document.get("schemaVersion") != 2 or "layers" not in document:
        raise LinkspanError(
            "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 are"
            f" not supported: {reference.familiar} must be pushed anew by a newer client"
        )
    layers = tuple((checked(layer.get("digest")), int(layer.get("size", 0))) for layer in document["layers"])
    return _Remote(digest, content, layers)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise LinkspanError(f"the registry's manifest is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise LinkspanError("the registry's manifest is not an object")
    return document


def _choose(document: Mapping[str, Any], reference: Reference, platform: str) -> str:
    for entry in document["manifests"]:
        if fits(entry.get("platform"), platform):
            return checked(entry.get("digest"))
    wanted = platform or "this machine's platform"
    raise NotFound(f"no matching manifest for {wanted} in the manifest list entries of {reference.familiar}")


def _source(reference: Reference) -> str:
    """What skopeo takes: it refuses a tag and a digest together, and the digest says more."""
    return str(replace(reference, tag="") if reference.digest else reference)


def _present(library: Images, remote: _Remote) -> Image | None:
    """The image, if all of it is here already."""
    config = _document(remote.manifest).get("config") or {}
    with suppress(NotFound):
        return library.find(checked(config.get("digest")))
    return None


async def _download(
    library: Images, skopeo: Skopeo, reference: Reference, remote: _Remote, report: Report
) -> None:
    target = skopeo.workspace / "image"
    watch = _Watch(library, target, remote, report)
    watch.announce()
    name = f"{reference.repository}@{remote.manifest_digest}"
    task = asyncio.ensure_future(skopeo.download(name, target))
    try:
        while not (await asyncio.wait((task,), timeout=_TICK if watch.linked else _TICK / 20))[0]:
            watch.look()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    task.result()
    watch.look()


class _Watch:
    """Reports how far the download is, by looking at the files that skopeo writes.

    Unfinished files do not tell whose they are; they are taken in the order in which they appeared.
    """

    def __init__(self, library: Images, directory: Path, remote: _Remote, report: Report) -> None:
        self._library = library
        self._directory = directory
        self._report = report
        known = {digest for digest, _ in remote.layers if library.index.layer_by_digest(digest)}
        self._known = known
        self._waiting = {digest: size for digest, size in remote.layers if digest not in known}
        self._layers = tuple(dict.fromkeys(digest for digest, _ in remote.layers))
        self._files: list[str] = []
        self._shown: dict[str, int] = {}
        self.linked = not known

    def announce(self) -> None:
        for digest in self._layers:
            text = "Already exists" if digest in self._known else "Pulling fs layer"
            self._report(layer_status(text, short(digest)))

    def look(self) -> None:
        if not self.linked:
            self._link_known()
        present = {path.name: path for path in self._directory.glob("*")} if self._directory.is_dir() else {}
        for digest in [d for d in self._waiting if d.removeprefix("sha256:") in present]:
            del self._waiting[digest]
            self._report(layer_status("Download complete", short(digest)))
        self._files = [name for name in self._files if name in present]
        self._files += [n for n in present if n.startswith(_UNFINISHED) and n not in self._files]
        for name, digest in zip(self._files, self._waiting, strict=False):
            self._show(digest, present[name])

    def _show(self, digest: str, file: Path) -> None:
        with suppress(FileNotFoundError):
            current = file.stat().st_size
            if current != self._shown.get(digest):
                self._shown[digest] = current
                self._report(layer_progress("Downloading", short(digest), current, self._waiting[digest]))

    def _link_known(self) -> None:
        """Give skopeo the layers that are here, as soon as its directory stands: it takes what it finds."""
        if (self._directory / "version").exists():
            self.linked = True
            for digest in self._known:
                with suppress(FileExistsError, FileNotFoundError):
                    target = self._directory / digest.removeprefix("sha256:")
                    link_or_copy(self._library.blobs.path(digest), target)


def _take(library: Images, directory: Path, remote: _Remote, report: Report, cancelled: Flag) -> Image:
    """Check and keep what was downloaded."""
    document = _document(remote.manifest)
    digest = checked((document.get("config") or {}).get("digest"))
    config = (directory / digest.removeprefix("sha256:")).read_bytes()
    if digest_of(config) != digest:
        raise LinkspanError(f"image config verification failed for digest {digest}")
    diff_ids = tuple(checked(item) for item in (_document(config).get("rootfs") or {}).get("diff_ids") or ())
    if len(diff_ids) != len(remote.layers):
        raise LinkspanError(f"the configuration of {digest} has {len(diff_ids)} layers, its manifest others")
    with library.index.pin(diff_ids):
        for diff_id, (blob, size) in zip(diff_ids, remote.layers, strict=True):
            if library.index.layer(diff_id) is not None:
                continue
            name = short(blob)
            report(layer_progress("Extracting", name, 0, size))
            library.intake.add(directory / blob.removeprefix("sha256:"), diff_id, blob, cancelled)
            report(layer_progress("Extracting", name, size, size))
            report(layer_status("Pull complete", name))
        return library.index.add_image(config, remote.manifest)


def _finish(
    library: Images, image: Image, reference: Reference, digest: str, fresh: bool, report: Report
) -> Image:
    canonical = replace(reference, tag="", digest=digest)
    known = library.index.lookup(canonical) == image.id
    if reference.tag and not reference.digest:
        known = library.index.lookup(reference) == image.id
        library.index.name(reference, image.id)
    library.index.name(canonical, image.id)
    report({"status": f"Digest: {digest}"})
    state = "Downloaded newer image for" if fresh or not known else "Image is up to date for"
    report({"status": f"Status: {state} {reference.familiar}"})
    return library.index.image(image.id)
