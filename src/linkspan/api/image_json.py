"""Images in the shapes of the Engine API."""

from __future__ import annotations

from typing import Any

from linkspan.api.versions import ApiVersion, has
from linkspan.engine.images import ImageDetails
from linkspan.model.image import HistoryLine, Image, Removal
from linkspan.model.timestamps import NEVER, SECOND

_EMPTY: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
_OF_IMAGES = ("User", "Env", "Cmd", "Volumes", "WorkingDir", "Entrypoint", "OnBuild", "Labels")
_OMITTED = frozenset(("Parent", "Comment", "DockerVersion", "Author"))
_NONE_TAG = "<none>:<none>"
_NONE_DIGEST = "<none>@<none>"


def summary_json(image: Image, containers: int, asked: ApiVersion) -> dict[str, Any]:
    """One row of GET /images/json; older clients get "<none>:<none>" for a nameless image.

    `containers` are those made from it; older clients are not told.
    """
    modern = asked >= (1, 43)
    found = {
        "Containers": containers if has(asked, "containers of listed images") else -1,
        "Created": image.created_at // SECOND,
        "Id": image.id,
        "Labels": image.labels or None,
        "ParentId": image.parent,
        "RepoDigests": list(image.digests) or ([] if modern else [_NONE_DIGEST]),
        "RepoTags": list(image.tags) or ([] if modern else [_NONE_TAG]),
        "SharedSize": -1,
        "Size": image.size,
    }
    return found if asked >= (1, 44) else {**found, "VirtualSize": image.size}


def inspect_json(details: ImageDetails, asked: ApiVersion) -> dict[str, Any]:
    """The answer to GET /images/{name}/json."""
    image = details.image
    found = {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": image.parent,
        "Comment": image.comment,
        "Created": image.created or NEVER,
        "DockerVersion": "",
        "Author": image.author,
        "Config": _config(image, asked),
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.size,
        "GraphDriver": {"Data": _graph(details), "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "Metadata": {"LastTagTime": image.tagged or NEVER},
    }
    if image.variant:
        found["Variant"] = image.variant
    if asked < (1, 44):
        found["VirtualSize"] = image.size
    if asked < (1, 45):
        found |= {"Container": "", "ContainerConfig": _config(image, (1, 44))}
    if has(asked, "image without empty fields"):
        found = {name: value for name, value in found.items() if name not in _OMITTED or value}
    return found


def _config(image: Image, asked: ApiVersion) -> dict[str, Any]:
    """Return the configuration; older clients find the fields of containers in it, always empty."""
    if has(asked, "image without empty fields"):
        return dict(image.config)
    names = _OF_IMAGES if has(asked, "image config without container fields") else tuple(_EMPTY)
    return {**{name: _EMPTY[name] for name in names}, **image.config}


def _graph(details: ImageDetails) -> dict[str, str]:
    if not details.layers:
        return {}
    top, *below = (str(path) for path in details.layers)
    return {"UpperDir": top, **({"LowerDir": ":".join(below)} if below else {})}


def history_json(line: HistoryLine) -> dict[str, Any]:
    """One row of GET /images/{name}/history."""
    return {
        "Comment": line.comment,
        "Created": line.created,
        "CreatedBy": line.created_by,
        "Id": line.id,
        "Size": line.size,
        "Tags": list(line.tags) or None,
    }


def removal_json(removal: Removal) -> dict[str, str]:
    """One row of the answer to a removal."""
    return {"Untagged": removal.untagged} if removal.untagged else {"Deleted": removal.deleted}
