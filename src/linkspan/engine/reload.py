"""Reloading the settings of a daemon that runs: which ones change, and what the event tells (pure).

Source: moby daemon/reload.go. As there, only what the configuration file says is taken over; an option that
has vanished from the file keeps its value.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from linkspan.engine.settings import DaemonSettings

#: Flag names of the settings that change without a restart, and the settings' own names.
RELOADABLE = {
    "debug": "debug",
    "insecure-registry": "insecure_registries",
    "label": "labels",
    "live-restore": "live_restore",
    "shutdown-timeout": "shutdown_timeout",
}


def reloaded(present: DaemonSettings, wanted: DaemonSettings) -> DaemonSettings:
    """Return `present` with what `wanted` says in its file and may change now."""
    changes: dict[str, Any] = {
        field: getattr(wanted, field) for flag, field in RELOADABLE.items() if flag in wanted.from_file
    }
    return replace(present, **changes)


def attributes(settings: DaemonSettings) -> Mapping[str, str]:
    """Return the attributes of the event "daemon reload"."""
    return {
        "debug": json.dumps(settings.debug),
        "insecure-registries": json.dumps(list(settings.insecure_registries)),
        "labels": json.dumps(list(settings.labels)),
        "live-restore": json.dumps(settings.live_restore),
        "name": platform.node(),
        "shutdown-timeout": str(settings.shutdown_timeout),
    }
