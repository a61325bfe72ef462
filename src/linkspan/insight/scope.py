"""A part of the survey: one network, one compose project, or one container with its networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Survey = Mapping[str, Any]
LINKLESS = ("host", "null")
"""Drivers whose networks have no link of their own."""


class Unknown(ValueError):
    """No network, project or container has that name; or more than one begins with that id."""


def narrowed(survey: Survey, name: str) -> Survey:
    """Return the survey with only what `name` means: a network, project, container, or begin of an id.

    Raises Unknown.
    """
    for key in ("Name", "Project"):
        networks = [each for each in survey["Networks"] if each[key] == name]
        containers = [each for each in survey["Containers"] if each[key] == name]
        if networks or containers:
            return _around(survey, networks, containers)
    begun = [each for each in (*survey["Networks"], *survey["Containers"]) if each["Id"].startswith(name)]
    if len(begun) > 1:
        found = ", ".join(f"{each['Name']} ({each['Id'][:12]})" for each in begun)
        raise Unknown(f'"{name}" is the begin of more than one id: {found}; write more of it')
    if not begun or not name:
        raise Unknown(
            f'no network, compose project or container is called "{name}": '
            "see `linkspan network ls` and `linkspan ps -a`"
        )
    networks = [each for each in survey["Networks"] if each is begun[0]]
    containers = [each for each in survey["Containers"] if each is begun[0]]
    return _around(survey, networks, containers)


def _around(survey: Survey, networks: list[Any], containers: list[Any]) -> Survey:
    """Return the networks with their members, and the containers with their networks."""
    inside = {each["Id"] for each in networks}
    named = {each["Id"] for each in containers}
    members = {id for each in networks for id in each["Containers"]}
    joined = {endpoint["NetworkId"] for each in containers for endpoint in each["Endpoints"]}
    if networks:
        joined = set()
    shown = inside | joined
    return {
        "Host": survey["Host"],
        "Networks": [each for each in survey["Networks"] if each["Id"] in shown],
        "Containers": [
            {**each, "Endpoints": [point for point in each["Endpoints"] if point["NetworkId"] in shown]}
            for each in survey["Containers"]
            if each["Id"] in named | members
        ],
    }
