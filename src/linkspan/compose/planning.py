"""What `up` has to do: networks, volumes, containers to create, replace, keep, start and remove (pure).

All containers are created before the first one is started, as compose does; starting follows `depends_on`.
Source: docker/compose pkg/compose/{create,convergence,start}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from linkspan.compose import body, labels, ordering, port_checks, steps
from linkspan.compose.body_mounts import written_files
from linkspan.compose.errors import ComposeError, refuse
from linkspan.compose.network_planning import Networks, plan_networks
from linkspan.compose.project import COMPLETED, STARTED, Project, Service
from linkspan.compose.rendering import service_hash
from linkspan.compose.source import Map
from linkspan.compose.state import Container, State
from linkspan.compose.steps import Call, Draft, Plan, Wait
from linkspan.compose.volume_planning import plan_volumes

DIVERGED, FORCE, NEVER = "diverged", "force", "never"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of `up`; `timeout` in seconds is for stopping, None is each container's own.

    `surroundings_of` is a service of which only networks, volumes and dependencies are wanted.
    """

    services: tuple[str, ...] = ()
    recreate: str = DIVERGED
    recreate_dependencies: bool = False
    dependencies: bool = True
    remove_orphans: bool = False
    start: bool = True
    timeout: int | None = None
    wait: bool = False
    surroundings_of: str = ""


@dataclass(slots=True)
class _Fate:
    """What happens to each container of one service."""

    kept: list[Container] = field(default_factory=list)
    replaced: list[Container] = field(default_factory=list)
    created: list[int] = field(default_factory=list)
    removed: list[Container] = field(default_factory=list)


def up(project: Project, state: State, wish: Wish) -> Plan:
    """Plan `up`; ComposeError when something outside of the project is in the way. Nothing is touched yet."""
    names = ordering.selected(project, wish.services, dependencies=wish.dependencies)
    draft = Draft()
    networks = plan_networks(project, state, names, draft, wish.timeout)
    plan_volumes(project, state, names, draft)
    names = [name for name in names if name != wish.surroundings_of]
    fates = _fates(project, state, names, networks, wish)
    _refuse_taken_ports(project, state, fates)
    _orphans(project, state, draft, wish)
    for name in names:
        _create(project.services[name], project, state, fates, draft, wish)
    if wish.start:
        for name in names:
            _start(project.services[name], project, fates, draft)
        if wish.wait:
            _wait_for_all(project, names, fates, draft)
    return draft.plan()


def _fates(
    project: Project, state: State, names: Iterable[str], networks: Networks, wish: Wish
) -> dict[str, _Fate]:
    result: dict[str, _Fate] = {}
    for name in names:
        service, fate = project.services[name], _Fate()
        existing = _by_fitness(project, service, state.of(name))
        kept, fate.removed = existing[: service.scale], existing[service.scale :]
        moved = any(_is_new(result.get(each)) for each in _shares(service))
        for container in kept:
            if moved or _must_replace(project, service, container, state, networks, wish):
                fate.replaced.append(container)
            else:
                fate.kept.append(container)
        used = {each.number for each in kept}
        free = (number for number in range(1, service.scale + len(used) + 2) if number not in used)
        fate.created = [next(free) for _ in range(service.scale - len(kept))]
        result[name] = fate
    return result


def _refuse_taken_ports(project: Project, state: State, fates: Mapping[str, _Fate]) -> None:
    """A host port that a container of somebody else publishes is refused before anything is touched."""
    new = [project.services[name] for name, fate in fates.items() if fate.created or fate.replaced]
    refuse(problem for service in new for problem in port_checks.taken(service, state.others))


def _by_fitness(project: Project, service: Service, existing: list[Container]) -> list[Container]:
    """Containers by number; a second one with the same number (left by an interrupted up) comes last."""

    def fitness(container: Container) -> tuple[bool, int]:
        expected = container.name == project.container_name(service, container.number)
        double = sum(each.number == container.number for each in existing) > 1
        return (double and not expected) or container.state == "dead", container.number

    return sorted(existing, key=fitness)


def _shares(service: Service) -> list[str]:
    """The services whose containers it refers to by name: it must be replaced with them."""
    found = [service.network_service] if service.network_service else []
    for field_name in ("ipc", "pid"):
        kind, _, name = str(service.get(field_name) or "").partition(":")
        found += [name] if kind == "service" else []
    return found + [text.partition(":")[0] for text in service.get("volumes_from") or ()]


def _is_new(fate: _Fate | None) -> bool:
    return fate is not None and bool(fate.replaced or 1 in fate.created)


def _must_replace(
    project: Project, service: Service, container: Container, state: State, networks: Networks, wish: Wish
) -> bool:
    if wish.recreate == NEVER:
        return False
    asked = not wish.services or service.name in wish.services or wish.recreate_dependencies
    if wish.recreate == FORCE and asked:
        return True
    image = state.images.get(service.image(project.name), "")
    if container.hash not in _hashes(project, service, state):
        return True
    if image and container.labels.get(labels.IMAGE) != image:
        return True
    return networks.moved(service, container)


def _hashes(project: Project, service: Service, state: State) -> set[str]:
    """The config-hash of its containers; Docker's compose hashes ids in place of `service:X`."""
    found = {service_hash(service)}
    if service.network_service:
        name = body.first(project, service.network_service)
        for each in state.containers:
            if each.name == name:
                definition = service.definition
                mode = Map({**definition, "network_mode": f"container:{each.id}"}, definition.marks)
                found.add(service_hash(Service(service.name, mode)))
    return found


def _orphans(project: Project, state: State, draft: Draft, wish: Wish) -> None:
    known = {*project.services, *project.disabled}
    found = [each for each in state.containers if each.service not in known and not each.oneoff]
    if not found:
        return
    if wish.remove_orphans:
        for each in found:
            take_away(each, draft, wish.timeout)
        return
    names = ", ".join(each.name for each in found)
    draft.notices.append(
        f"Found orphan containers ({names}) for this project. If you removed or renamed this service in your "
        "compose file, you can run this command with the --remove-orphans flag to clean it up."
    )


def take_away(container: Container, draft: Draft, timeout: int | None, *, volumes: bool = False) -> None:
    """Stop and remove a container."""
    name = container.name
    after: list[str] = []
    if container.running:
        stop = [steps.stop(name, timeout)]
        after = [draft.add(f"stop:{name}", f"Container {name}", "Stopping", "Stopped", stop)]
    remove = [steps.remove(name, volumes=volumes)]
    draft.add(f"remove:{name}", f"Container {name}", "Removing", "Removed", remove, after)


def _create(
    service: Service, project: Project, state: State, fates: Mapping[str, _Fate], draft: Draft, wish: Wish
) -> None:
    fate = fates[service.name]
    for container in fate.removed:
        take_away(container, draft, wish.timeout)
    ready = draft.keys("network:", "volume:", "stop:", "remove:")
    ready += [key for name in _shares(service) for key in _created(project, name, fates)]
    image = state.images.get(service.image(project.name), "")
    for number in fate.created:
        name = project.container_name(service, number)
        _refuse_foreign(name, service, state)
        document = body.create(project, service, number, image_id=image)
        calls = [
            Call("POST", "/containers/create", {"name": name}, document),
            *_uploads(project, service, name),
        ]
        draft.add(f"create:{name}", f"Container {name}", "Creating", "Created", calls, ready)
    for container in fate.replaced:
        name = project.container_name(service, container.number)
        calls = _replace(project, service, container, image, wish.timeout)
        draft.add(f"create:{name}", f"Container {name}", "Recreate", "Recreated", calls, ready)


def _refuse_foreign(name: str, service: Service, state: State) -> None:
    for each in state.others:
        if each.name == name:
            owner = each.labels.get(labels.PROJECT)
            whose = f"project {owner}" if owner else "no project"
            raise ComposeError(
                f'service "{service.name}": the name {name} is taken by a container of {whose}: '
                f"remove it (linkspan rm {name}), or choose another name (container_name, or -p NAME)"
            )


def _uploads(project: Project, service: Service, name: str) -> list[Call]:
    archive = written_files(project, service)
    return [Call("PUT", f"/containers/{name}/archive", {"path": "/"}, archive=archive)] if archive else []


def _replace(
    project: Project, service: Service, old: Container, image: str, timeout: int | None
) -> list[Call]:
    """Create the new one beside the old one, then let it take the old one's place and anonymous volumes."""
    name = project.container_name(service, old.number)
    temporary = f"{old.id[:12]}_{name}"
    document = body.create(
        project, service, old.number, image_id=image, name=name, inherited=dict(old.anonymous)
    )
    document["Labels"][labels.REPLACE] = old.name
    return [
        Call("POST", "/containers/create", {"name": temporary}, document),
        *_uploads(project, service, temporary),
        steps.stop(old.id, timeout),
        steps.remove(old.id),
        Call("POST", f"/containers/{temporary}/rename", {"name": name}),
    ]


def _names(project: Project, name: str, fates: Mapping[str, _Fate]) -> list[str]:
    """The names that a service's containers have in the end."""
    fate, service = fates[name], project.services[name]
    numbers = [*fate.created, *(each.number for each in fate.replaced)]
    return [each.name for each in fate.kept] + [project.container_name(service, number) for number in numbers]


def _created(project: Project, name: str, fates: Mapping[str, _Fate]) -> list[str]:
    return [f"create:{each}" for each in _names(project, name, fates)] if name in fates else []


def _start(service: Service, project: Project, fates: Mapping[str, _Fate], draft: Draft) -> None:
    fate = fates[service.name]
    ready = draft.keys("create:", "remove:")
    for dependency in service.dependencies:
        if dependency.service in fates:
            ready += _ready(
                project, dependency.service, dependency.condition, dependency.required, fates, draft
            )
    again = any(each.restart and _is_new(fates.get(each.service)) for each in service.dependencies)
    for container in fate.kept:
        name, subject = container.name, f"Container {container.name}"
        stopped = f"stop:{name}" in draft.keys("stop:")
        if container.running and again and not stopped:
            restart = Call("POST", f"/containers/{name}/restart")
            draft.add(f"start:{name}", subject, "Restarting", "Restarted", [restart], ready)
        elif container.running and not stopped:
            draft.add(f"start:{name}", subject, "", "Running")
        else:
            draft.add(f"start:{name}", subject, "Starting", "Started", [steps.start(name)], ready)
    kept = {each.name for each in fate.kept}
    for name in _names(project, service.name, fates):
        if name not in kept:
            draft.add(f"start:{name}", f"Container {name}", "Starting", "Started", [steps.start(name)], ready)


def _ready(
    project: Project, name: str, condition: str, required: bool, fates: Mapping[str, _Fate], draft: Draft
) -> list[str]:
    """The keys of what must be over before something that depends on a service starts."""
    found = []
    for each in _names(project, name, fates):
        started = f"start:{each}"
        if condition == STARTED:
            found.append(started)
            continue
        done = "Exited" if condition == COMPLETED else "Healthy"
        wait = Wait(each, condition, required)
        key = f"wait:{each}:{condition}:{required}"
        found.append(draft.add(key, f"Container {each}", "Waiting", done, (), [started], wait))
    return found


def _wait_for_all(project: Project, names: Iterable[str], fates: Mapping[str, _Fate], draft: Draft) -> None:
    for name in names:
        for each in _names(project, name, fates):
            wait = Wait(each, "running_or_healthy")
            draft.add(f"wait:{each}", f"Container {each}", "Waiting", "Healthy", (), [f"start:{each}"], wait)
