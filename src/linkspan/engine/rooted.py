"""Paths inside a container's root, resolved as the container would: no symlink leads out."""

from __future__ import annotations

from pathlib import Path

from linkspan.model.errors import InvalidParameter

_LINKS = 40


def inside(root: Path, path: str, follow_last: bool = True) -> Path:
    """Return the host path of `path` in `root`, following symlinks within the root only.

    With `follow_last` false a final symlink is left as it is. Missing components are taken as plain names.
    Raises InvalidParameter when links go in circles. Source: path_resolution(7) with chroot.
    """
    todo = [part for part in path.split("/") if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            done[-1:] = []
            continue
        candidate = root.joinpath(*done, part)
        if candidate.is_symlink() and (todo or follow_last):
            links += 1
            if links > _LINKS:
                raise InvalidParameter(f"{path}: too many levels of symbolic links")
            target = str(candidate.readlink())
            if target.startswith("/"):
                done = []
            todo = [piece for piece in target.split("/") if piece not in ("", ".")] + todo
            continue
        done.append(part)
    return root.joinpath(*done)
