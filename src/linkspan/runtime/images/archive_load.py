"""Reading image archives, of one or many images: `docker save` files and OCI layouts.

Sources: moby's image/tarexport and the OCI image layout specification.
"""

from __future__ import annotations

import json
import platform
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter
from linkspan.model.reference import Reference
from linkspan.runtime.images.blobs import CHUNK, Flag, Interrupted, checked, digest_of, write_file
from linkspan.runtime.images.compression import plain
from linkspan.runtime.images.confined import components

_LARGEST_DOCUMENT = 16 * 1024 * 1024
_LINKS = 8
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_IMAGE_NAME = "io.containerd.image.name"
_REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image of an archive: its configuration, where its layers are, the names it shall have."""

    config: bytes
    layers: tuple[str, ...]
    names: tuple[Reference, ...]
    manifest: bytes = b""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The diff ids that the configuration promises, one per layer. Raises InvalidParameter."""
        found = (_object(self.config).get("rootfs") or {}).get("diff_ids") or ()
        if len(found) != len(self.layers):
            raise InvalidParameter(f"invalid manifest, layers length mismatch: expected {len(found)}")
        return tuple(checked(diff_id) for diff_id in found)


class Archive:
    """A tar file of images that is on disk, possibly compressed; `workspace` takes what must be unpacked."""

    def __init__(self, file: Path, workspace: Path, cancelled: Flag | None = None) -> None:
        self._cancelled = cancelled
        self._workspace = workspace
        self._stream = self._plain(file).open("rb")
        try:
            self._tar = tarfile.open(fileobj=self._stream, mode="r:")  # noqa: SIM115
            self._members = {"/".join(components(m.name)): m for m in self._tar}
        except BaseException as error:
            self._stream.close()
            if isinstance(error, tarfile.TarError | EOFError):
                raise InvalidParameter(f"invalid archive: {error}") from error
            raise

    def _plain(self, file: Path) -> Path:
        target = self._workspace / "archive.tar"
        with plain(file) as stream:
            if getattr(stream, "name", None) == str(file):
                return file
            write_file(target, self._pieces(stream))
        return target

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def images(self) -> list[ArchivedImage]:
        """The images of the archive. Raises InvalidParameter when it holds none or is inconsistent."""
        if "manifest.json" in self._members:
            return self._docker_images()
        if "index.json" in self._members:
            return list(self._oci_images(self._json("index.json"), ()))
        raise InvalidParameter(
            "unrecognized image format: the archive has neither manifest.json nor index.json"
        )

    def copy(self, name: str, target: Path) -> None:
        """Write the member `name` to a new file. Raises InvalidParameter when it is missing."""
        with self._content(name) as content:
            write_file(target, self._pieces(content))

    def _docker_images(self) -> list[ArchivedImage]:
        entries = self._json("manifest.json")
        if not isinstance(entries, list):
            raise InvalidParameter("invalid archive: manifest.json is not a list")
        manifests = self._manifests()
        return [self._docker_image(entry, manifests) for entry in entries]

    def _docker_image(self, entry: Mapping[str, Any], manifests: Mapping[str, bytes]) -> ArchivedImage:
        config = self._read(str(entry.get("Config", "")))
        names = tuple(_tagged(name) for name in entry.get("RepoTags") or ())
        layers = tuple(str(name) for name in entry.get("Layers") or ())
        return ArchivedImage(config, layers, names, manifests.get(digest_of(config), b""))

    def _manifests(self) -> dict[str, bytes]:
        """The manifests of an archive that is also an OCI layout, by the digest of their configuration."""
        found = {}
        if "index.json" in self._members:
            for entry in self._json("index.json").get("manifests") or ():
                name = _blob(entry.get("digest"))
                if name in self._members:
                    content = self._read(name)
                    config = _object(content).get("config") or {}
                    found[str(config.get("digest"))] = content
        return found

    def _oci_images(self, index: Any, names: Sequence[Reference]) -> Iterator[ArchivedImage]:
        for entry in _for_this_machine(index.get("manifests") or (), bool(names)):
            content = self._read(_blob(entry.get("digest")))
            if digest_of(content) != entry.get("digest"):
                raise InvalidParameter(f"manifest verification failed for digest {entry.get('digest')}")
            found = (*names, *_annotated(entry))
            document = _object(content)
            if "manifests" in document:
                yield from self._oci_images(document, found or names)
            else:
                yield self._oci_image(document, content, found)

    def _oci_image(
        self, document: Mapping[str, Any], content: bytes, names: tuple[Reference, ...]
    ) -> ArchivedImage:
        descriptor = document.get("config") or {}
        config = self._read(_blob(descriptor.get("digest")))
        if digest_of(config) != descriptor.get("digest"):
            raise InvalidParameter(f"configuration verification failed for digest {descriptor.get('digest')}")
        layers = tuple(_blob(layer.get("digest")) for layer in document.get("layers") or ())
        return ArchivedImage(config, layers, names, content)

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._read(name))
        except ValueError as error:
            raise InvalidParameter(f"invalid archive: {name}: {error}") from None

    def _read(self, name: str) -> bytes:
        with self._content(name) as content:
            data = content.read(_LARGEST_DOCUMENT + 1)
        if len(data) > _LARGEST_DOCUMENT:
            raise InvalidParameter(f"invalid archive: {name} is too large")
        return data

    def _content(self, name: str) -> IO[bytes]:
        key = "/".join(components(name))
        for _ in range(_LINKS):
            member = self._members.get(key)
            if member is None or not (member.issym() or member.islnk()):
                break
            holder = key.rpartition("/")[0] if member.issym() else ""
            key = "/".join(components(f"{holder}/{member.linkname}"))
        content = self._tar.extractfile(member) if member is not None and member.isreg() else None
        if content is None:
            raise InvalidParameter(f"invalid archive: {name}: no such file")
        return content

    def _pieces(self, content: Any) -> Iterator[bytes]:
        while chunk := content.read(CHUNK):
            if self._cancelled is not None and self._cancelled.is_set():
                raise Interrupted("the client has gone")
            yield chunk


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise InvalidParameter(f"invalid archive: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParameter("invalid archive: a JSON object was expected")
    return document


def _blob(digest: object) -> str:
    return f"blobs/sha256/{checked(digest).removeprefix('sha256:')}"


def _tagged(name: object) -> Reference:
    return references.parse(str(name)).with_default_tag()


def _annotated(entry: Mapping[str, Any]) -> tuple[Reference, ...]:
    """The name of an OCI manifest: containerd's full name, or skopeo's and umoci's reference name."""
    notes = entry.get("annotations") or {}
    text = notes.get(_IMAGE_NAME) or notes.get(_REF_NAME) or ""
    return (_tagged(text),) if ("/" in text or ":" in text) else ()


def _for_this_machine(entries: Sequence[Mapping[str, Any]], nested: bool) -> list[Mapping[str, Any]]:
    """The manifests to load: all of a plain index, but of one image for many platforms only ours."""
    images = [
        entry for entry in entries if "vnd.docker.reference.type" not in (entry.get("annotations") or {})
    ]
    ours = [entry for entry in images if fits(entry.get("platform"), "")]
    return ours[:1] if nested or (len(images) > 1 and not any(map(_annotated, images))) else images


def fits(platform_entry: Mapping[str, Any] | None, wanted: str) -> bool:
    """Whether a manifest's platform is `wanted` ("os/arch[/variant]"), or this machine's when that is ""."""
    if platform_entry is None:
        return True
    parts = (wanted or f"linux/{machine()}").split("/")
    have = (platform_entry.get("os"), platform_entry.get("architecture"), platform_entry.get("variant"))
    return all(part == value for part, value in zip(parts, have, strict=False))


def machine() -> str:
    """This machine's architecture in Go's words."""
    return _MACHINES.get(platform.machine(), platform.machine())
