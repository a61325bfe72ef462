"""What a registry has under a name, without pulling it: digest, size, media type and platforms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from linkspan.model.errors import LinkspanError
from linkspan.model.reference import Reference
from linkspan.runtime.images.blobs import BlobStore, digest_of
from linkspan.runtime.images.skopeo import Credentials, Registries, RegistryFailure, Skopeo, translate_pull

Document = Mapping[str, Any]
_FIELDS = ("architecture", "os", "variant", "os.version", "os.features")
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A manifest (or a list of them) in a registry; `platforms` are objects as in an image index."""

    media_type: str
    digest: str
    size: int
    platforms: tuple[Document, ...]


async def describe(
    blobs: BlobStore, registries: Registries, reference: Reference, credentials: Credentials | None
) -> RemoteImage:
    """Ask a registry what a name leads to; raises NotFound, Unauthorized, LinkspanError as a pull does."""
    wanted = reference.with_default_tag()
    name = f"{wanted.repository}@{wanted.digest}" if wanted.digest else str(wanted)
    with blobs.workspace() as workspace:
        skopeo = Skopeo(workspace, registries.verify(wanted.domain), wanted.domain, credentials)
        try:
            content = await skopeo.manifest(name)
            manifest = _object(content)
            if "manifests" in manifest:
                platforms = tuple(_listed(manifest))
            else:
                platforms = (_platform(_object(await skopeo.configuration(name))),)
        except RegistryFailure as error:
            raise translate_pull(error, wanted) from error
    kind = str(manifest.get("mediaType") or _DOCKER_MANIFEST)
    return RemoteImage(kind, digest_of(content), len(content), platforms)


def _object(content: bytes) -> Document:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise LinkspanError(f"the registry's answer is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise LinkspanError("the registry's answer is not an object")
    return document


def _listed(index: Document) -> Iterator[Document]:
    """Yield the platforms of a list; what is no image (an attestation) has none."""
    for entry in index["manifests"]:
        platform = _platform(entry.get("platform") or {})
        if platform and platform.get("os") != "unknown":
            yield platform


def _platform(document: Document) -> Document:
    return {field: document[field] for field in _FIELDS if document.get(field)}
