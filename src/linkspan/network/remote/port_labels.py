"""What plugins are told of a container's ports, under Docker's labels and in the shape of its types.

Source: libnetwork, netlabel.PortMap and netlabel.ExposedPorts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from linkspan.model.ports import PublishRequest

PORT_MAP = "com.docker.network.portmap"
EXPOSED = "com.docker.network.endpoint.exposedports"

_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}


def port_labels(publish: Iterable[PublishRequest], exposed: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """Return the options that tell a plugin which ports are to be published, and which are exposed."""
    return {
        PORT_MAP: [
            {
                "Proto": _NUMBERS[wish.protocol],
                "IP": "",
                "Port": wish.container_port,
                "HostIP": str(wish.host_address or ""),
                "HostPort": wish.first,
                "HostPortEnd": wish.last,
            }
            for wish in publish
        ],
        EXPOSED: [{"Proto": _NUMBERS[protocol], "Port": port} for protocol, port in exposed],
    }
