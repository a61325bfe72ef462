"""A container: what was asked for (two JSON documents with Docker's defaults) and its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from linkspan.model.documents import decode, encode
from linkspan.model.network import EndpointConfig
from linkspan.model.timestamps import NEVER

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Probe:
    """One run of a health check. Times are RFC 3339 text."""

    start: str
    end: str
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the health check found: starting, healthy or unhealthy, with the last probes (five at most)."""

    status: str = "starting"
    failing_streak: int = 0
    log: tuple[Probe, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The run state. A restarting container counts as running, as in Docker. Times are RFC 3339 text."""

    running: bool = False
    paused: bool = False
    restarting: bool = False
    oom_killed: bool = False
    dead: bool = False
    removing: bool = False
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    started_at: str = NEVER
    finished_at: str = NEVER
    health: Health | None = None

    @property
    def status(self) -> str:
        """Return Docker's word: created, running, paused, restarting, removing, exited or dead."""
        if self.running:
            return "paused" if self.paused else "restarting" if self.restarting else "running"
        if self.removing:
            return "removing"
        if self.dead:
            return "dead"
        return "created" if self.started_at == NEVER else "exited"


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One mount of the container: `type` is bind, volume or tmpfs; `name` is the volume's.

    `options` are the extra options of a bind or tmpfs; `anonymous` volumes vanish with `docker rm -v`;
    `create_source` lets a start make a bind's missing source, as `-v` does.
    """

    type: str
    source: str
    destination: str
    read_only: bool = False
    name: str = ""
    driver: str = ""
    mode: str = ""
    propagation: str = ""
    anonymous: bool = False
    no_copy: bool = False
    subpath: str = ""
    create_source: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the store keeps it.

    `config`, `host_config` are the API's documents; `networks` maps a network's name (as given, in order) to
    what was asked of the attachment. `created` is RFC 3339 text. `name` has no slash.
    """

    id: str
    name: str
    created: str
    image_id: str
    image: str
    path: str
    args: tuple[str, ...]
    config: Document
    host_config: Document
    networks: Mapping[str, EndpointConfig] = field(default_factory=dict)
    mounts: tuple[MountPoint, ...] = ()
    state: State = field(default_factory=State)
    restart_count: int = 0
    stopped_by_user: bool = False

    @property
    def short_id(self) -> str:
        """Return the first 12 hex digits of the id."""
        return self.id[:12]

    @property
    def network_mode(self) -> str:
        """Return HostConfig.NetworkMode."""
        return str(self.host_config.get("NetworkMode") or "bridge")

    @property
    def tty(self) -> bool:
        """Return whether the process has a terminal."""
        return bool(self.config.get("Tty"))

    @property
    def auto_remove(self) -> bool:
        """Return HostConfig.AutoRemove."""
        return bool(self.host_config.get("AutoRemove"))

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels."""
        return dict(self.config.get("Labels") or {})


def to_document(container: Container) -> dict[str, Any]:
    """Return the JSON document that the store keeps."""
    document = {name: getattr(container, name) for name in _PLAIN}
    return document | {
        "args": list(container.args),
        "networks": {name: encode(config) for name, config in container.networks.items()},
        "mounts": [encode(point) for point in container.mounts],
        "state": encode(container.state),
    }


def from_document(document: Document) -> Container:
    """Return the container that `to_document` made `document` of."""
    return Container(
        **{name: document[name] for name in _PLAIN if name in document},
        args=tuple(document["args"]),
        networks={name: decode(EndpointConfig, config) for name, config in document["networks"].items()},
        mounts=tuple(decode(MountPoint, point) for point in document["mounts"]),
        state=decode(State, document["state"]),
    )


_PLAIN = (
    "id",
    "name",
    "created",
    "image_id",
    "image",
    "path",
    "config",
    "host_config",
    "restart_count",
    "stopped_by_user",
)
