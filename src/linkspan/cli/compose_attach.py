"""The foreground of compose up: output of all containers until they end, or until Ctrl-C stops them."""

from __future__ import annotations

import sys
import threading

from linkspan.cli.compose_logs import Follower
from linkspan.compose import execution, state, teardown
from linkspan.compose.errors import ComposeError
from linkspan.compose.progress import Quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from linkspan.cli.compose import Session
    from linkspan.cli.flags import Options
    from linkspan.compose.project import Project
    from linkspan.compose.steps import Plan, Step


class _Watcher(Quiet):
    """Follows a container's output as soon as it is started."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def end(self, step: Step) -> None:
        if step.key.startswith("start:"):
            self._follower.add(step.key.removeprefix("start:"))


def stay(project: Project, starting: Plan, options: Options, session: Session, begun: float) -> int:
    """Start the containers, show their output, return when all have ended; the exit code is compose's."""
    from linkspan.cli.compose_up import tell

    wanted = _attached(project, options)
    names = [each.key.removeprefix("start:") for each in starting.steps if each.key.startswith("start:")]
    owner = {each.name: each.service for each in state.containers(session.door, project.name)}
    shown = [name for name in names if owner.get(name) in wanted]
    source = options.text("exit-code-from")
    if source and source not in project.services:
        raise ComposeError(f"no such service: {source}")
    follower = Follower(
        session,
        project.name,
        shown,
        since=begun,
        colours=session.colours and not options.on("no-color"),
        prefixes=not options.on("no-log-prefix"),
        timestamps=options.on("timestamps"),
    )
    print(f"Attaching to {', '.join(follower.short(name) for name in shown)}", flush=True)
    abort = threading.Event() if options.on("abort-on-container-exit") or source else None
    follower.on_end = abort.set if abort else None
    try:
        failed = execution.run(starting, session.door, _Watcher(follower))
        if not failed:
            follower.wait(abort)
    except KeyboardInterrupt:
        return _interrupted(project, session)
    if failed:
        return tell(failed)
    if abort:
        _stop(project, session)
        follower.wait()
        return follower.exit_code([name for name in names if not source or owner.get(name) == source])
    return 0


def _attached(project: Project, options: Options) -> set[str]:
    chosen = set(options.list("attach") or project.services)
    hidden = {name for name, each in project.services.items() if each.get("attach") is False}
    return chosen - hidden - set(options.list("no-attach"))


def _interrupted(project: Project, session: Session) -> int:
    """Ctrl-C: stop; once more: kill."""
    print("\nGracefully Stopping... press Ctrl+C again to force", file=sys.stderr, flush=True)
    try:
        _stop(project, session)
    except KeyboardInterrupt:
        progress = session.progress()
        found = state.containers(session.door, project.name)
        execution.run(teardown.kill(found, ""), session.door, progress)
        progress.close()
    return 130


def _stop(project: Project, session: Session) -> None:
    from linkspan.cli.compose_up import finish

    found = [each for each in state.containers(session.door, project.name) if not each.oneoff]
    finish(teardown.stop(found, project, None), session)
