"""The labels by which every compose, Docker's and ours, knows the objects of a project (pure).

Source: docker/compose pkg/api/labels.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from linkspan.compose import rendering
from linkspan.compose.project import Project, Service
from linkspan.compose.source import Map

#: the version of Docker's compose whose conventions these are
VERSION = "2.40.3"
PREFIX = "com.docker.compose."
PROJECT = PREFIX + "project"
SERVICE = PREFIX + "service"
NUMBER = PREFIX + "container-number"
ONEOFF = PREFIX + "oneoff"
CONFIG_HASH = PREFIX + "config-hash"
IMAGE = PREFIX + "image"
NETWORK = PREFIX + "network"
VOLUME = PREFIX + "volume"
DEPENDS_ON = PREFIX + "depends_on"
REPLACE = PREFIX + "replace"
SLUG = PREFIX + "slug"
WORKING_DIRECTORY = PROJECT + ".working_dir"
FILES = PROJECT + ".config_files"
ENVIRONMENT_FILE = PROJECT + ".environment_file"
VERSION_LABEL = PREFIX + "version"


def container(project: Project, service: Service, number: int, image_id: str) -> dict[str, str]:
    """The labels of a service's container, the user's own among them."""
    depends = [
        f"{each.service}:{each.condition}:{'true' if each.restart else 'false'}"
        for each in service.dependencies
    ]
    found = {
        **{key: str(value) for key, value in (service.get("labels") or {}).items()},
        PROJECT: project.name,
        SERVICE: service.name,
        NUMBER: str(number),
        ONEOFF: "False",
        CONFIG_HASH: rendering.service_hash(service),
        IMAGE: image_id,
        VERSION_LABEL: VERSION,
        WORKING_DIRECTORY: project.directory,
        FILES: ",".join(project.files),
        DEPENDS_ON: ",".join(depends),
    }
    if project.env_files:
        found[ENVIRONMENT_FILE] = ",".join(project.env_files)
    return found


def network(project: Project, key: str, definition: Map) -> dict[str, str]:
    """The labels of a network of the project."""
    return {
        **{name: str(value) for name, value in (definition.get("labels") or {}).items()},
        PROJECT: project.name,
        NETWORK: key,
        VERSION_LABEL: VERSION,
        CONFIG_HASH: rendering.network_hash(definition),
    }


def volume(project: Project, key: str, definition: Map) -> dict[str, str]:
    """The labels of a volume of the project."""
    return {
        **{name: str(value) for name, value in (definition.get("labels") or {}).items()},
        PROJECT: project.name,
        VOLUME: key,
        VERSION_LABEL: VERSION,
        CONFIG_HASH: rendering.volume_hash(definition),
    }


def of_project(name: str) -> str:
    """The filter that selects a project's objects."""
    return f"{PROJECT}={name}"


def number(labels: Mapping[str, str]) -> int:
    """A container's number within its service; 0 when the label is no number."""
    text = labels.get(NUMBER, "")
    return int(text) if text.isdigit() else 0
