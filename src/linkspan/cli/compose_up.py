"""compose up, create, pull, build: what a project needs is made, and started."""

from __future__ import annotations

import sys
import time

from linkspan.cli.compose import Session, Subcommand
from linkspan.cli.flags import Flag, Options, UsageError
from linkspan.compose import execution, images, planning, state
from linkspan.compose.errors import ComposeError
from linkspan.compose.execution import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkspan.compose.project import Project
    from linkspan.compose.state import State
    from linkspan.compose.steps import Plan


def _up(options: Options, session: Session) -> int:
    from linkspan.cli import compose_attach

    detached = options.on("detach") or options.on("wait") or options.on("no-start")
    if options.on("detach") and (options.on("abort-on-container-exit") or options.given("exit-code-from")):
        raise UsageError("--abort-on-container-exit and --exit-code-from need the foreground: drop -d", 1)
    project = _project(options, session)
    begun = time.time()
    plan = prepare(project, session, _wish(options), pull=options.text("pull"))
    if detached:
        return finish(plan, session)
    making, starting = plan.split("start:", "wait:")
    if code := finish(making, session):
        return code
    return compose_attach.stay(project, starting, options, session, begun)


def _project(options: Options, session: Session) -> Project:
    """The project, with --scale applied; what is wrong with it then, too, is told before anything is done."""
    from linkspan.compose import checks
    from linkspan.compose.errors import refuse
    from linkspan.compose.scaling import scaled

    project = session.project(options.arguments)
    if sizes := _sizes(options.list("scale")):
        project = scaled(project, sizes)
        refuse(checks.problems(project))
    return project


def _sizes(texts: Sequence[str]) -> dict[str, int]:
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdigit():
            raise UsageError(f'invalid --scale "{text}": write SERVICE=NUMBER', 1)
        found[name] = int(number)
    return found


def _wish(options: Options) -> planning.Wish:
    if options.on("force-recreate") and options.on("no-recreate"):
        raise UsageError("--force-recreate and --no-recreate are incompatible", 1)
    recreate = planning.DIVERGED
    if options.on("force-recreate"):
        recreate = planning.FORCE
    elif options.on("no-recreate"):
        recreate = planning.NEVER
    return planning.Wish(
        services=tuple(options.arguments),
        recreate=recreate,
        recreate_dependencies=options.on("always-recreate-deps"),
        dependencies=not options.on("no-deps"),
        remove_orphans=options.on("remove-orphans"),
        start=not options.on("no-start"),
        timeout=options.number("timeout"),
        wait=options.on("wait"),
    )


def prepare(project: Project, session: Session, wish: planning.Wish, *, pull: str = "") -> Plan:
    """Download what is missing, look at what is there, and plan; nothing else has been touched then."""
    from linkspan.compose import ordering

    names = ordering.selected(project, wish.services, dependencies=wish.dependencies)
    seen = observe(project, session)
    wanted = images.to_pull(project, names, seen, pull)
    images.refuse_unbuilt(project, names, seen, wanted)
    planning.up(project, seen, wish)
    if wanted:
        download(wanted, session)
        seen = observe(project, session)
    plan = planning.up(project, seen, wish)
    session.warn(plan.notices)
    return plan


def observe(project: Project, session: Session) -> State:
    wanted = [each.image(project.name) for each in project.services.values()]
    return state.observe(session.door, project.name, wanted)


def download(wanted: Sequence[str], session: Session, *, tolerant: bool = False) -> None:
    """Download images at the same time; ComposeError names those that could not be had."""
    progress = session.progress("Pulling")
    try:
        failed = images.pull(wanted, session.door, progress)
    finally:
        progress.close()
    if failed and not tolerant:
        raise ComposeError("\n".join(f"{each.step.subject}: {each.reason}" for each in failed))


def finish(plan: Plan, session: Session, title: str = "Running") -> int:
    """Carry a plan out and show how it goes; 1 when something failed."""
    progress = session.progress(title)
    try:
        failed = execution.run(plan, session.door, progress)
    finally:
        progress.close()
    return tell(failed)


def tell(failed: Sequence[Failure]) -> int:
    """Say what failed; 1 when something has."""
    for each in failed:
        name = each.step.subject.partition(" ")[2]
        if each.step.wait:
            print(f"dependency failed to start: container {name} {each.reason}", file=sys.stderr)
        else:
            print(f"Error response from daemon: {name}: {each.reason}", file=sys.stderr)
    return 1 if failed else 0


def _create(options: Options, session: Session) -> int:
    options.add("no-start", "true")
    return _up(options, session)


def _pull(options: Options, session: Session) -> int:
    from linkspan.compose import ordering

    project = session.project(options.arguments)
    names = ordering.selected(project, options.arguments, dependencies=options.on("include-deps"))
    wanted = images.all_of(project, names)
    download(wanted, session, tolerant=options.on("ignore-pull-failures"))
    return 0


def _build(options: Options, session: Session) -> int:
    project = session.project(options.arguments)
    texts = images.how_to_build(project, options.arguments or list(project.services))
    if not texts:
        print("No services to build", file=sys.stderr)
        return 0
    raise ComposeError("\n".join(texts))


CREATION = (
    Flag("scale", "Number of containers of a service (SERVICE=NUMBER)", "list"),
    Flag("remove-orphans", "Remove containers of services that the file does not have", "bool"),
    Flag("force-recreate", "Replace containers even if nothing has changed", "bool"),
    Flag("no-recreate", "Leave existing containers as they are", "bool"),
    Flag("always-recreate-deps", "Replace dependencies too", "bool"),
    Flag("pull", "When to download images: always, missing, never"),
    Flag("quiet-pull", "Download without a word", "bool"),
    Flag("build", "Accepted: compose builds no images", "bool"),
    Flag("no-build", "Accepted: compose builds no images", "bool"),
    Flag("timeout", "Seconds until a stopping container is killed", "number", short="t"),
    Flag("renew-anon-volumes", "Accepted, means nothing", "bool", short="V"),
    Flag("yes", "Accepted: nothing is asked", "bool", short="y"),
)
UP = Subcommand(
    "up",
    "[OPTIONS] [SERVICE...]",
    "Create and start the containers of a project",
    _up,
    (
        *CREATION,
        Flag("detach", "Leave them running and return", "bool", short="d"),
        Flag("wait", "Return when all are running or healthy", "bool"),
        Flag("no-deps", "Leave alone what the services depend on", "bool"),
        Flag("no-start", "Create only", "bool"),
        Flag("abort-on-container-exit", "Stop all when one of them ends", "bool"),
        Flag("exit-code-from", "Stop all when one ends, and exit as this service does"),
        Flag("attach", "Show the output of these services only", "list"),
        Flag("no-attach", "Do not show the output of these", "list"),
        Flag("no-color", "Do not colour output", "bool"),
        Flag("no-log-prefix", "Show output without names", "bool"),
        Flag("timestamps", "Show times", "bool"),
    ),
    examples="""\
linkspan compose up -d
linkspan compose -f compose.yaml -f compose.test.yaml up --scale web=3
linkspan compose up --remove-orphans""",
)
CREATE = Subcommand(
    "create",
    "[OPTIONS] [SERVICE...]",
    "Create the containers without starting them",
    _create,
    (*CREATION, *UP.flags[len(CREATION) :]),
)
PULL = Subcommand(
    "pull",
    "[OPTIONS] [SERVICE...]",
    "Download the images of the services",
    _pull,
    (
        Flag("ignore-pull-failures", "Go on when one cannot be had", "bool"),
        Flag("include-deps", "Those of dependencies, too", "bool"),
        Flag("quiet", "Without a word", "bool", short="q"),
        Flag("policy", "Accepted: missing or always"),
    ),
)
BUILD = Subcommand("build", "[SERVICE...]", "Say how to build the images: compose builds none", _build)
