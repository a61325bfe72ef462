"""What `down`, `stop`, `start`, `restart`, `kill` and `rm` have to do (pure).

They go by the containers' labels, so that they work on what any compose has made, and without a file.
Source: docker/compose pkg/compose/{down,stop,start,restart,kill,remove}.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from linkspan.compose import labels, ordering, steps
from linkspan.compose.project import Project
from linkspan.compose.state import Container, State
from linkspan.compose.steps import Call, Draft, Plan


@dataclass(frozen=True, slots=True)
class Ruin:
    """What is asked of `down`; `images` is "", "local" or "all"."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    remove_orphans: bool = False
    images: str = ""
    timeout: int | None = None


def down(name: str, project: Project | None, state: State, ruin: Ruin) -> Plan:
    """Stop and remove the project's containers, then its networks, and its volumes and images if asked to."""
    draft = Draft()
    known = {*project.services, *project.disabled} if project else set()
    doomed: list[Container] = []
    left: list[Container] = []
    for each in state.containers:
        wanted = each.service in ruin.services if ruin.services else True
        orphan = project is not None and each.service not in known
        (doomed if wanted and (not orphan or ruin.remove_orphans) else left).append(each)
    _take_down(doomed, project, draft, ruin)
    gone = draft.keys("remove:")
    for network in () if ruin.services else state.networks:
        if network.labels.get(labels.PROJECT) == name:
            attached = [each for each in (*left, *state.others) if network.id in each.networks.values()]
            users = [each.name for each in attached if each.running]
            _remove_network(network.id, network.name, users, gone, draft)
    if ruin.volumes and not ruin.services:
        for volume, marks in state.volumes.items():
            if marks.get(labels.PROJECT) == name:
                call = Call("DELETE", f"/volumes/{volume}", tolerated=(404,))
                draft.add(f"volume:{volume}", f"Volume {volume}", "Removing", "Removed", [call], gone)
    _remove_images(project, doomed, ruin, gone, draft)
    if not draft.keys(""):
        draft.notices.append(f"No resource found to remove for project {name}.")
    return draft.plan()


def _take_down(doomed: Sequence[Container], project: Project | None, draft: Draft, ruin: Ruin) -> None:
    """Those that need others go first."""
    needs = ordering.needs_of(doomed, project)
    for service in reversed(ordering.sort(needs)):
        users = [each.name for each in doomed if service in needs.get(each.service, ())]
        after = [key for name in users for key in (f"stop:{name}", f"remove:{name}")]
        for each in doomed:
            if each.service != service:
                continue
            subject = f"Container {each.name}"
            last = after
            if each.running:
                stop = [steps.stop(each.id, ruin.timeout)]
                last = [draft.add(f"stop:{each.name}", subject, "Stopping", "Stopped", stop, after)]
            call = steps.remove(each.id, volumes=ruin.volumes)
            draft.add(f"remove:{each.name}", subject, "Removing", "Removed", [call], last)


def _remove_network(id: str, name: str, users: list[str], gone: Iterable[str], draft: Draft) -> None:
    subject = f"Network {name}"
    if users:
        draft.notices.append(f"{subject} is still in use by {', '.join(users)}, it stays")
        return
    call = Call("DELETE", f"/networks/{id}", tolerated=(404,))
    draft.add(f"network:{name}", subject, "Removing", "Removed", [call], gone)


def _remove_images(
    project: Project | None, doomed: Iterable[Container], ruin: Ruin, gone: Iterable[str], draft: Draft
) -> None:
    if not ruin.images:
        return
    if project is None:
        images = {each.image for each in doomed}
    else:
        services = [*project.services.values()]
        images = {
            each.image(project.name) for each in services if ruin.images == "all" or not each.get("image")
        }
    for image in sorted(images):
        call = Call("DELETE", f"/images/{image}", tolerated=(404, 409))
        draft.add(f"image:{image}", f"Image {image}", "Removing", "Removed", [call], gone)


def stop(containers: Sequence[Container], project: Project | None, timeout: int | None) -> Plan:
    """Stop what runs; those that need others first."""
    draft = Draft()
    needs = ordering.needs_of(containers, project)
    for service in reversed(ordering.sort(needs)):
        users = [f"stop:{each.name}" for each in containers if service in needs.get(each.service, ())]
        for each in containers:
            if each.service == service and each.running:
                calls = [steps.stop(each.id, timeout)]
                draft.add(f"stop:{each.name}", f"Container {each.name}", "Stopping", "Stopped", calls, users)
    return draft.plan()


def start(containers: Sequence[Container], project: Project | None) -> Plan:
    """Start what is stopped; those that others need first."""
    stopped = [each for each in containers if not each.running]
    return _onward(stopped, project, "Starting", "Started", lambda each: steps.start(each.id))


def restart(containers: Sequence[Container], project: Project | None, timeout: int | None) -> Plan:
    """Restart; those that others need first."""
    query = {} if timeout is None else {"t": timeout}

    def call(each: Container) -> Call:
        return Call("POST", f"/containers/{each.id}/restart", query)

    return _onward(containers, project, "Restarting", "Started", call)


def _onward(
    containers: Sequence[Container],
    project: Project | None,
    doing: str,
    done: str,
    call: Callable[[Container], Call],
) -> Plan:
    draft = Draft()
    needs = ordering.needs_of(containers, project)
    for service in ordering.sort(needs):
        ready = [f"go:{each.name}" for each in containers if each.service in needs[service]]
        for each in containers:
            if each.service == service:
                subject = f"Container {each.name}"
                draft.add(f"go:{each.name}", subject, doing, done, [call(each)], ready)
    return draft.plan()


def kill(containers: Iterable[Container], signal: str) -> Plan:
    """Send a signal to all that run."""
    draft = Draft()
    query = {"signal": signal} if signal else {}
    for each in containers:
        if each.running:
            calls = [Call("POST", f"/containers/{each.id}/kill", query, tolerated=(409,))]
            draft.add(f"kill:{each.name}", f"Container {each.name}", "Killing", "Killed", calls)
    return draft.plan()


def remove(containers: Iterable[Container], *, volumes: bool, stop_first: bool) -> Plan:
    """Remove what is stopped, or all after stopping it."""
    draft = Draft()
    for each in containers:
        if each.running and not stop_first:
            continue
        after = []
        if each.running:
            calls = [steps.stop(each.id)]
            after = [draft.add(f"stop:{each.name}", f"Container {each.name}", "Stopping", "Stopped", calls)]
        calls = [steps.remove(each.id, volumes=volumes)]
        draft.add(f"remove:{each.name}", f"Container {each.name}", "Removing", "Removed", calls, after)
    return draft.plan()
