"""compose down, stop, start, restart, kill, rm: what is there is stopped, started or removed."""

from __future__ import annotations

from linkspan.cli.compose import Session, Subcommand
from linkspan.cli.compose_up import finish
from linkspan.cli.flags import Flag, Options, UsageError
from linkspan.compose import state, teardown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.compose.steps import Plan


def _down(options: Options, session: Session) -> int:
    if options.text("rmi") not in ("", "local", "all"):
        raise UsageError(f'invalid value for --rmi: "{options.text("rmi")}" is neither local nor all', 1)
    name, project = session.known()
    ruin = teardown.Ruin(
        services=tuple(options.arguments),
        volumes=options.on("volumes"),
        remove_orphans=options.on("remove-orphans"),
        images=options.text("rmi"),
        timeout=options.number("timeout"),
    )
    seen = state.observe(session.door, name)
    plan = teardown.down(name, project, seen, ruin)
    session.warn(plan.notices)
    return finish(plan, session)


def _stop(options: Options, session: Session) -> int:
    _, project, found = session.containers(options.arguments)
    return finish(teardown.stop(found, project, options.number("timeout")), session)


def _start(options: Options, session: Session) -> int:
    _, project, found = session.containers(options.arguments)
    if not found:
        which = f"service {options.arguments[0]}" if options.arguments else "the project"
        raise UsageError(f"{which} has no container to start: create it with up", 1)
    return finish(teardown.start(found, project), session)


def _restart(options: Options, session: Session) -> int:
    _, project, found = session.containers(options.arguments)
    return finish(teardown.restart(found, project, options.number("timeout")), session)


def _kill(options: Options, session: Session) -> int:
    _, _, found = session.containers(options.arguments)
    plan: Plan = teardown.kill(found, options.text("signal"))
    return finish(plan, session)


def _rm(options: Options, session: Session) -> int:
    _, _, found = session.containers(options.arguments)
    plan = teardown.remove(found, volumes=options.on("volumes"), stop_first=options.on("stop"))
    if not plan.steps:
        print("No stopped containers")
        return 0
    if not options.on("force"):
        names = ", ".join(dict.fromkeys(step.subject.partition(" ")[2] for step in plan.steps))
        if input(f"Going to remove {names}\nAre you sure? [yN] ").strip().lower() not in ("y", "yes"):
            return 0
    return finish(plan, session)


TIMEOUT = Flag("timeout", "Seconds until a stopping container is killed", "number", short="t")
DOWN = Subcommand(
    "down",
    "[OPTIONS] [SERVICE...]",
    "Stop and remove the containers and networks of a project",
    _down,
    (
        Flag("volumes", "Remove its volumes, and what is in them, too", "bool", short="v"),
        Flag("remove-orphans", "Remove containers of services that the file does not have", "bool"),
        Flag("rmi", "Remove images, too: all, or local (those without a name of their own)"),
        TIMEOUT,
    ),
    examples="linkspan compose down\nlinkspan compose -p shop down -v --remove-orphans",
)
STOP = Subcommand("stop", "[OPTIONS] [SERVICE...]", "Stop containers, and keep them", _stop, (TIMEOUT,))
START = Subcommand("start", "[SERVICE...]", "Start stopped containers", _start)
RESTART = Subcommand(
    "restart",
    "[OPTIONS] [SERVICE...]",
    "Restart containers",
    _restart,
    (TIMEOUT, Flag("no-deps", "Accepted: only the services named are restarted", "bool")),
)
KILL = Subcommand(
    "kill",
    "[OPTIONS] [SERVICE...]",
    "Send a signal to containers",
    _kill,
    (
        Flag("signal", "Signal to send (default SIGKILL)", short="s"),
        Flag("remove-orphans", "Accepted, means nothing", "bool"),
    ),
)
RM = Subcommand(
    "rm",
    "[OPTIONS] [SERVICE...]",
    "Remove stopped containers",
    _rm,
    (
        Flag("force", "Do not ask", "bool", short="f"),
        Flag("stop", "Stop them first", "bool", short="s"),
        Flag("volumes", "Remove anonymous volumes, too", "bool", short="v"),
    ),
)
