"""The plugins in use, found when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from linkspan.model.errors import LinkspanError
from linkspan.network.remote.client import Plugin
from linkspan.network.remote.discovery import Place, find

NETWORK, IPAM = "NetworkDriver", "IpamDriver"


class Plugins:
    """Finds plugins by name and activates them once; thread-safe."""

    def __init__(self, find: Callable[[str], Place] = find) -> None:
        self._find = find
        self._known: dict[str, Plugin] = {}
        self._lock = Lock()

    def get(self, name: str, kind: str) -> Plugin:
        """Return the plugin `name`, which must implement `kind`; raises NotFound, LinkspanError."""
        with self._lock:
            plugin = self._known.get(name)
        if plugin is None:
            plugin = Plugin(name, self._find(name))
            plugin.activate()
            with self._lock:
                self._known[name] = plugin
        if kind not in plugin.implements:
            raise LinkspanError(f"plugin {name}: Plugin does not implement the requested driver")
        return plugin
