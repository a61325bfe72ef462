"""Docker's rules for removing images: what is only untagged, what is deleted, and what is refused.

Source: moby's daemon/images/image_delete.go, whose sentences are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from linkspan.model import reference as references
from linkspan.model.errors import Conflict, NotFound
from linkspan.model.image import Image, ImageUse, Removal, chain_ids
from linkspan.model.reference import Reference, short
from linkspan.runtime.images.index import Index


def remove(index: Index, text: str, force: bool, uses: Sequence[ImageUse]) -> list[Removal]:
    """Remove a name, or an image by its id, and the image with its last name.

    Returns what was done, in order. Raises NotFound, and Conflict when a container or another name needs it.
    """
    with index.lock:
        image = index.find(text)
        users = [use for use in uses if use.image_id == image.id]
        if _is_id(image.id, text):
            records = _untag_by_id(index, image, force, users)
            return records + _delete(index, image, force, users, quiet=False)
        return _remove_name(index, image, text, force, users)


def _is_id(id: str, text: str) -> bool:
    return id.startswith(text) or id.removeprefix("sha256:").startswith(text)


def _remove_name(
    index: Index, image: Image, text: str, force: bool, users: Sequence[ImageUse]
) -> list[Removal]:
    if not force and users and _single(index.names(image.id)):
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - container'
            f" {short(users[0].container_id)} is using its referenced image {short(image.id)}"
        )
    reference = _existing(index, image, text)
    records = [_untag(index, reference)]
    if not reference.digest and not _has_tag(index, image, reference):
        for name in index.names(image.id):
            if name.digest and name.repository == reference.repository:
                records.append(_untag(index, name))
    if index.names(image.id):
        return records
    return records + _delete(index, image, force, users, quiet=True)


def _existing(index: Index, image: Image, text: str) -> Reference:
    wanted = references.parse(text).with_default_tag()
    found = [name for name in index.names(image.id) if _same(name, wanted)]
    if not found:
        raise NotFound(f"No such image: {wanted.familiar}")
    return found[0]


def _same(name: Reference, wanted: Reference) -> bool:
    if name.repository != wanted.repository or name.digest != wanted.digest:
        return False
    return bool(name.digest) or name.tag == wanted.tag


def _has_tag(index: Index, image: Image, reference: Reference) -> bool:
    return any(n.tag and n.repository == reference.repository for n in index.names(image.id))


def _single(names: Sequence[Reference]) -> bool:
    """Whether all names are of one repository and at most one of them is a tag."""
    tags = [name for name in names if not name.digest]
    return bool(names) and len(tags) <= 1 and len({name.repository for name in names}) == 1


def _untag(index: Index, reference: Reference) -> Removal:
    index.unname(reference)
    return Removal(untagged=reference.familiar)


def _untag_by_id(index: Index, image: Image, force: bool, users: Sequence[ImageUse]) -> list[Removal]:
    names = index.names(image.id)
    if not _single(names):
        return []
    _refuse_used(image, users, include_stopped=not force)
    return [_untag(index, name) for name in names]


def _delete(index: Index, image: Image, force: bool, users: Sequence[ImageUse], quiet: bool) -> list[Removal]:
    try:
        _refuse_used(image, users, include_stopped=False)
        if not force:
            _refuse_named(index, image)
            _refuse_used(image, users, include_stopped=True)
    except Conflict:
        if quiet and users:
            return []
        raise
    records = [_untag(index, name) for name in index.names(image.id)]
    return [*records, *_drop(index, image, keep_layers=bool(users) or index.pinned(image.layers))]


def _drop(index: Index, image: Image, keep_layers: bool) -> list[Removal]:
    """Delete the image; a stopped container that needs its layers keeps them until it goes."""
    if keep_layers:
        index.hide(image.id)
        return [Removal(deleted=image.id)]
    chain = dict(zip(image.layers, chain_ids(image.layers), strict=True))
    gone = index.forget(image.id)
    return [Removal(deleted=image.id), *(Removal(deleted=chain[layer]) for layer in reversed(gone))]


def _refuse_named(index: Index, image: Image) -> None:
    if index.names(image.id):
        raise Conflict(_sentence(image, "must be forced", "image is referenced in multiple repositories"))


def _refuse_used(image: Image, users: Sequence[ImageUse], include_stopped: bool) -> None:
    for use in users:
        if use.running:
            reason = f"image is being used by running container {short(use.container_id)}"
            raise Conflict(_sentence(image, "cannot be forced", reason))
    if include_stopped and users:
        reason = f"image is being used by stopped container {short(users[0].container_id)}"
        raise Conflict(_sentence(image, "must be forced", reason))


def _sentence(image: Image, how: str, reason: str) -> str:
    return f"conflict: unable to delete {short(image.id)} ({how}) - {reason}"


def release(index: Index, uses: Sequence[ImageUse]) -> None:
    """Free the layers of removed images that no container needs any more."""
    with index.lock:
        needed = {use.image_id for use in uses}
        for id in index.hidden():
            if id not in needed and not index.pinned(index.record(id).layers):
                index.forget(id)
