"""The named volumes that `up` needs (pure).

Source: docker/compose pkg/compose/create.go, ensureVolume.
"""

from __future__ import annotations

from collections.abc import Iterable

from linkspan.compose import labels
from linkspan.compose.errors import ComposeError, Problem
from linkspan.compose.project import Project
from linkspan.compose.rendering import volume_hash
from linkspan.compose.source import Map, find
from linkspan.compose.state import State
from linkspan.compose.steps import Call, Draft


def plan_volumes(project: Project, state: State, services: Iterable[str], draft: Draft) -> None:
    """Check the volumes of these services, and add the steps that make the missing ones."""
    keys = dict.fromkeys(
        str(mount["source"])
        for name in services
        for mount in project.services[name].get("volumes") or ()
        if mount["type"] == "volume" and mount.get("source")
    )
    for key in keys:
        definition = project.volumes[key]
        name = str(definition["name"])
        if name in state.volumes:
            if not definition.get("external"):
                draft.notices += _notices(project, name, definition, state)
        elif definition.get("external"):
            what = (
                f'external volume "{name}" not found: make it with "docker volume create {name}", '
                "or take `external` away"
            )
            raise ComposeError(
                Problem(what, ("volumes", key), find(definition, ("external",)) or definition.mark)
            )
        else:
            call = Call("POST", "/volumes/create", body=_create(project, key, definition))
            draft.add(f"volume:{key}", f"Volume {name}", "Creating", "Created", [call])


def _notices(project: Project, name: str, definition: Map, state: State) -> list[str]:
    owner = state.volumes[name].get(labels.PROJECT)
    if owner != project.name:
        by = f'for project "{project.name}"' if owner else "by Docker Compose"
        return [f'volume "{name}" already exists but was not created {by}. Use `external: true` to use it']
    found = state.volumes[name].get(labels.CONFIG_HASH, "")
    if found and found != volume_hash(definition):
        return [
            f'Volume "{name}" exists but doesn\'t match configuration in compose file. It is kept as it is: '
            "to make it anew, and lose what is in it, run down -v first"
        ]
    return []


def _create(project: Project, key: str, definition: Map) -> dict[str, object]:
    return {
        "Name": definition["name"],
        "Driver": definition.get("driver", "local"),
        "DriverOpts": definition.get("driver_opts") or {},
        "Labels": labels.volume(project, key, definition),
    }
