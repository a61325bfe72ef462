"""The order of services: what others need comes first (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from linkspan.compose.errors import ComposeError
from linkspan.compose.project import Project
from linkspan.compose.schema import nearest
from linkspan.compose.state import Container


def selected(project: Project, names: Iterable[str], *, dependencies: bool = True) -> list[str]:
    """The services asked for (none: all) with what they depend on, in order; ComposeError for others."""
    wanted = list(names) or list(project.services)
    for name in wanted:
        if name not in project.services:
            raise ComposeError(unknown(name, [*project.services, *project.disabled]))
    needs = {
        name: [each.service for each in project.services[name].dependencies] for name in project.services
    }
    if not dependencies:
        return [name for name in sort(needs) if name in wanted]
    reached: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in reached and name in needs:
            reached.add(name)
            waiting += needs[name]
    return [name for name in sort(needs) if name in reached]


def unknown(name: str, known: list[str]) -> str:
    """The sentence about a service that is not there."""
    near = nearest(name, known)
    hint = f'did you mean "{near}"?' if near else f"there are: {', '.join(known) or 'none'}"
    return f"no such service: {name} ({hint})"


def sort(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Names so that each comes after what it needs; circles are cut."""
    result: dict[str, None] = {}

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in result or name in way or name not in needs:
            return
        for each in needs[name]:
            visit(each, (*way, name))
        result[name] = None

    for name in needs:
        visit(name, ())
    return list(result)


def needs_of(containers: Iterable[Container], project: Project | None = None) -> dict[str, list[str]]:
    """What each service needs, by the containers' labels and, where there is one, the file."""
    found: dict[str, list[str]] = {}
    for each in containers:
        found.setdefault(each.service, []).extend(each.depends_on)
    for name, service in (project.services if project else {}).items():
        found.setdefault(name, []).extend(each.service for each in service.dependencies)
    return found
