"""`up --scale`: other numbers of containers than the file says (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from linkspan.compose import ordering
from linkspan.compose.errors import ComposeError
from linkspan.compose.project import Project, Service
from linkspan.compose.source import Map


def scaled(project: Project, sizes: Mapping[str, int]) -> Project:
    """The project with other scales; ComposeError for a service that is not there."""
    services = dict(project.services)
    for name, size in sizes.items():
        if name not in services:
            raise ComposeError(ordering.unknown(name, [*services]))
        old = services[name].definition
        services[name] = Service(name, Map({**old, "scale": size}, old.marks, old.mark))
    return replace(project, services=services)
