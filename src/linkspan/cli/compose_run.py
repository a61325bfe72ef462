"""compose exec and run: another command in a service's container, or in a new one of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from linkspan.cli import creation, execute, publish, running
from linkspan.cli.compose import Session, Subcommand
from linkspan.cli.flags import Flag, Options
from linkspan.compose import oneoff
from linkspan.compose.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


def _exec(options: Options, session: Session) -> int:
    service, *command = options.arguments
    _, _, found = session.containers([service])
    number = options.number("index")
    alive = sorted((each for each in found if each.running), key=lambda each: each.number)
    chosen = [each for each in alive if number in (None, each.number)]
    if not chosen:
        which = f"service {service}" if number is None else f"container {service}-{number}"
        raise ComposeError(f'{which} is not running: start it with "linkspan compose up -d {service}"')
    given = Options(execute.EXEC)
    for name in ("env", "user", "workdir"):
        for value in options.list(name):
            given.add(name, value)
    terminal = sys.stdin.isatty() and sys.stdout.isatty() and not options.on("no-tty")
    switches = {
        "tty": terminal,
        "interactive": not options.on("detach"),
        "detach": options.on("detach"),
        "privileged": options.on("privileged"),
    }
    for name, on in switches.items():
        given.add(name, "true" if on else "false")
    given.arguments = [chosen[0].id, *command]
    return execute.EXEC.run(given, session.client)


def _run(options: Options, session: Session) -> int:
    from linkspan.cli.compose_up import finish, observe, prepare

    name, *command = options.arguments
    project = session.project([name])
    if name not in project.services:
        from linkspan.compose import ordering

        raise ComposeError(ordering.unknown(name, [*project.services]))
    wish = oneoff.surroundings(name, dependencies=not options.on("no-deps"))
    if code := finish(prepare(project, session, wish), session):
        return code
    image = observe(project, session).images.get(project.services[name].image(project.name), "")
    terminal = sys.stdin.isatty() and sys.stdout.isatty() and not options.on("no-TTY")
    body = oneoff.body(project, name, _changes(options, command, terminal), image)
    title = options.text("name") or oneoff.name(project, name)
    id = session.client.post("/containers/create", body, name=title)["Id"]
    oneoff.upload(session.door, project, name, id)
    if options.on("detach"):
        session.client.post(f"/containers/{id}/start")
        print(title)
        return 0
    return running.attach_and_start(
        session.client, id, with_input=not options.on("no-input"), removed=options.on("rm")
    )


def _changes(options: Options, command: list[str], terminal: bool) -> oneoff.Changes:
    return oneoff.Changes(
        command=tuple(command),
        entrypoint=options.text("entrypoint"),
        environment=tuple(creation.environment(options.list("env"), options.list("env-from-file"))),
        user=options.text("user"),
        working_directory=options.text("workdir"),
        labels=creation.pairs(options.list("label")),
        binds=tuple(_absolute(text) for text in options.list("volume")),
        bindings=publish.published(options.list("publish")),
        service_ports=options.on("service-ports"),
        aliases=options.on("use-aliases"),
        remove=options.on("rm"),
        terminal=terminal,
        attached=not options.on("detach"),
    )


def _absolute(text: str) -> str:
    source, colon, rest = text.partition(":")
    if not source.startswith((".", "~")):
        return text
    return f"{os.path.normpath(Path.cwd() / Path(source).expanduser())}{colon}{rest}"


EXEC = Subcommand(
    "exec",
    "[OPTIONS] SERVICE COMMAND [ARG...]",
    "Execute a command in a running container of a service",
    _exec,
    (
        Flag("detach", "Leave it running", "bool", short="d"),
        Flag("env", "Environment variable", "list", short="e"),
        Flag("index", "Number of the container", "number"),
        Flag("no-tty", "Without a terminal", "bool", short="T"),
        Flag("interactive", "Accepted: input is passed on", "bool", short="i"),
        Flag("tty", "Accepted: a terminal is given when we have one", "bool", short="t"),
        Flag("privileged", "All capabilities", "bool"),
        Flag("user", "User it runs as", short="u"),
        Flag("workdir", "Directory it starts in", short="w"),
    ),
    examples="linkspan compose exec web sh",
    minimum=2,
    interspersed=False,
)
RUN = Subcommand(
    "run",
    "[OPTIONS] SERVICE [COMMAND] [ARG...]",
    "Run a one-off command on a service",
    _run,
    (
        Flag("rm", "Remove it when it ends", "bool"),
        Flag("detach", "Leave it running and print its name", "bool", short="d"),
        Flag("no-deps", "Do not start what the service depends on", "bool"),
        Flag("no-TTY", "Without a terminal", "bool", short="T"),
        Flag("interactive", "Accepted: input is passed on", "bool", short="i"),
        Flag("no-input", "Do not pass input on", "bool"),
        Flag("entrypoint", "Command instead of the image's entry point"),
        Flag("env", "Environment variable", "list", short="e"),
        Flag("env-from-file", "File of environment variables", "list"),
        Flag("label", "Label (key=value)", "list", short="l"),
        Flag("name", "Name of the container"),
        Flag("publish", "Publish a port", "list", short="p"),
        Flag("service-ports", "Publish the service's ports", "bool", short="P"),
        Flag("use-aliases", "Answer to the service's names, too", "bool"),
        Flag("user", "User it runs as", short="u"),
        Flag("volume", "Mount a directory or volume", "list", short="v"),
        Flag("workdir", "Directory it starts in", short="w"),
        Flag("build", "Accepted: compose builds no images", "bool"),
        Flag("quiet-pull", "Accepted", "bool"),
    ),
    examples="linkspan compose run --rm web sh -c 'echo hello'",
    minimum=1,
    interspersed=False,
)
