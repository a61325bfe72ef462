"""Volumes as values, their names, and the filters of a listing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from linkspan.model.addresses import Pairs
from linkspan.model.errors import InvalidParameter
from linkspan.model.filters import Filters, labels_match, truth

ANONYMOUS_LABEL = "com.docker.volume.anonymous"
LIST_FILTERS = frozenset({"dangling", "driver", "label", "name"})
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", re.ASCII)
LONGEST_NAME = 255
_OPTIONS = ("type", "o", "device", "size")
_NEEDS = {"device": ("type",), "type": ("device",), "o": ("device", "type")}


@dataclass(frozen=True, slots=True)
class Volume:
    """A named directory that outlives containers. `created` is RFC 3339 text."""

    name: str
    mountpoint: PurePosixPath
    created: str
    driver: str = "local"
    labels: Pairs = ()
    options: Pairs = ()
    scope: str = "local"

    @property
    def anonymous(self) -> bool:
        """Whether Docker made the name up, so that a prune may take the volume."""
        return any(key == ANONYMOUS_LABEL for key, _ in self.labels)


def checked_name(name: str) -> str:
    """Return a volume name, or raise InvalidParameter with Docker's sentence."""
    if len(name) == 1:
        raise InvalidParameter(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if len(name) > LONGEST_NAME:
        raise InvalidParameter(
            f"create {name[:32]}…: volume name is too long, at most {LONGEST_NAME} characters"
        )
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only'
            ' "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute'
            " path"
        )
    return name


def check_options(name: str, options: Mapping[str, str]) -> None:
    """Raise InvalidParameter for options that the local driver does not know or that lack another."""
    for option in options:
        if option not in _OPTIONS:
            raise InvalidParameter(f'create {name}: invalid option: "{option}"')
    if "size" in options and options.get("type") != "tmpfs":
        raise InvalidParameter(f"create {name}: quota size requested but no quota support")
    for option, needed in _NEEDS.items():
        for other in needed if option in options else ():
            if other not in options:
                raise InvalidParameter(f'create {name}: missing required option: "{other}"')


def select(volumes: Sequence[Volume], filters: Filters, used: frozenset[str]) -> list[Volume]:
    """The volumes that pass the `filters` of GET /volumes, by name; `used` are the names in use."""
    dangling = truth(filters, "dangling")
    names, drivers = filters.get("name", ()), filters.get("driver", ())
    return sorted(
        (
            volume
            for volume in volumes
            if (not names or any(part in volume.name for part in names))
            and (not drivers or volume.driver in drivers)
            and labels_match(dict(volume.labels), filters.get("label", ()))
            and (dangling is None or (volume.name not in used) == dangling)
        ),
        key=lambda volume: volume.name,
    )
