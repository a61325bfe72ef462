"""`linkspan compose`: finds the project and the subcommand, and hands the daemon to both."""

from __future__ import annotations

import os
import sys

from linkspan.cli.client import Client, ClientError
from linkspan.cli.flags import Command, Flag, HelpWanted, Options, UsageError, help_text, parse
from linkspan.compose.daemon import Refused
from linkspan.compose.errors import ComposeError
from linkspan.model.errors import LinkspanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from linkspan.cli.client import Response
    from linkspan.compose.location import Request
    from linkspan.compose.progress import Progress
    from linkspan.compose.project import Project
    from linkspan.compose.state import Container

#: subcommand -> (module of linkspan.cli, name in it, summary)
COMMANDS = {
    "up": ("compose_up", "UP", "Create and start the containers of a project"),
    "down": ("compose_down", "DOWN", "Stop and remove its containers and networks"),
    "ps": ("compose_show", "PS", "List its containers"),
    "logs": ("compose_logs", "LOGS", "Show what its containers print"),
    "exec": ("compose_run", "EXEC", "Execute a command in a running container"),
    "run": ("compose_run", "RUN", "Run a one-off command on a service"),
    "config": ("compose_show", "CONFIG", "Check the files, and print what they come to"),
    "pull": ("compose_up", "PULL", "Download the images of the services"),
    "create": ("compose_up", "CREATE", "Create the containers without starting them"),
    "restart": ("compose_down", "RESTART", "Restart containers"),
    "stop": ("compose_down", "STOP", "Stop containers, and keep them"),
    "start": ("compose_down", "START", "Start stopped containers"),
    "kill": ("compose_down", "KILL", "Send a signal to containers"),
    "rm": ("compose_down", "RM", "Remove stopped containers"),
    "port": ("compose_show", "PORT", "Print the host's side of a published port"),
    "ls": ("compose_show", "LS", "List the projects of the daemon"),
    "build": ("compose_up", "BUILD", "Say how to build the images: compose builds none"),
    "version": ("compose_show", "VERSION", "Show the version"),
}
GLOBAL = Command(
    "compose",
    "[OPTIONS] COMMAND",
    "Run the projects that compose files describe",
    lambda _options, _client: 0,
    (
        Flag("file", "Compose file; later ones change earlier ones (- is standard input)", "list", short="f"),
        Flag("project-name", "Name of the project", short="p"),
        Flag("project-directory", "Where relative paths of the files start"),
        Flag("env-file", "File of variables instead of .env", "list"),
        Flag("profile", "Switch on the services of a profile", "list"),
        Flag("progress", "How progress is shown: auto, tty, plain, quiet", default="auto"),
        Flag("ansi", "When to use colours: auto, never, always", default="auto"),
        Flag("parallel", "Accepted; Linkspan does what can be done at once", "number"),
        Flag("compatibility", "Accepted, means nothing", "bool"),
        Flag("verbose", "Accepted, means nothing", "bool"),
    ),
    interspersed=False,
)


class Door(Client):
    """The client in the words of `linkspan.compose`: what the daemon refuses is Refused."""

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        stream: Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Response:
        try:
            return super().send(method, path, body, stream=stream, headers=headers, query=query)
        except ClientError as error:
            raise Refused(str(error), error.status) from error


class Session:
    """One command line: the project it is about, the daemon, and how to show progress."""

    def __init__(self, options: Options, client: Client) -> None:
        self._options = options
        self.client = client
        self.door = Door(client.host)

    def request(self) -> Request:
        """What the command line and the environment say about the project."""
        from linkspan.compose.location import Request

        options = self._options
        return Request(
            files=options.list("file"),
            directory=options.text("project-directory"),
            name=options.text("project-name"),
            env_files=options.list("env-file"),
            profiles=options.list("profile"),
            environment=dict(os.environ),
        )

    def project(self, wanted: Sequence[str] = (), *, check: bool = True) -> Project:
        """Read the project; warnings go to stderr. Raises ComposeError."""
        from linkspan.compose.loading import load

        found = load(self.request(), wanted=tuple(wanted), check=check)
        self.warn(found.warnings)
        return found

    def known(self) -> tuple[str, Project | None]:
        """The project's name, and the project if there are files: what is there can be managed without."""
        from linkspan.compose.loading import load

        request = self.request()
        given = request.name or request.environment.get("COMPOSE_PROJECT_NAME", "")
        try:
            found = load(request, wanted=("*",), check=False)
        except ComposeError:
            if not given or request.files:
                raise
            return given, None
        return found.name, found

    def warn(self, texts: Sequence[str]) -> None:
        for text in texts:
            print(f"WARNING: {text}", file=sys.stderr)

    def progress(self, title: str = "Running") -> Progress:
        """The way of showing progress that was asked for."""
        from linkspan.compose.progress import progress

        kind = self._options.text("progress")
        return progress(sys.stderr, quiet=kind == "quiet", plain=kind == "plain", title=title)

    @property
    def colours(self) -> bool:
        ansi = self._options.text("ansi")
        return ansi == "always" or (ansi != "never" and sys.stdout.isatty() and "NO_COLOR" not in os.environ)

    def containers(self, services: Sequence[str] = ()) -> tuple[str, Project | None, list[Container]]:
        """The project, and the containers of some services (none named: of all), without one-off ones."""
        from linkspan.compose import ordering, state

        name, project = self.known()
        found = [each for each in state.containers(self.door, name) if not each.oneoff]
        known = {each.service for each in found} | {*(project.services if project else ())}
        for service in services:
            if service not in known:
                raise ComposeError(ordering.unknown(service, sorted(known)))
        return name, project, [each for each in found if not services or each.service in services]


class Subcommand(Command):
    """A command that works on a session."""

    __slots__ = ("act",)

    def __init__(
        self,
        name: str,
        usage: str,
        summary: str,
        act: Callable[[Options, Session], int],
        flags: Sequence[Flag] = (),
        *,
        examples: str = "",
        minimum: int = 0,
        maximum: int | None = None,
        interspersed: bool = True,
    ) -> None:
        super().__init__(
            f"compose {name}",
            usage,
            summary,
            lambda _options, _client: 0,
            flags,
            examples=examples,
            minimum=minimum,
            maximum=maximum,
            interspersed=interspersed,
        )
        self.act = act


def main(words: Sequence[str], host: str = "") -> int:
    """Carry out `linkspan compose` with these words; returns the exit code."""
    try:
        return _dispatch(list(words), host)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 1
    except ComposeError as error:
        print(error, file=sys.stderr)
        return 1
    except (ClientError, Refused) as error:
        prefix = "Error response from daemon: " if error.status else ""
        print(f"{prefix}{error}", file=sys.stderr)
        return 1
    except LinkspanError as error:
        print(error, file=sys.stderr)
        return 1


def _dispatch(words: list[str], host: str) -> int:
    from linkspan.cli.client import default_client

    try:
        given = parse(GLOBAL, words)
    except HelpWanted:
        return _help()
    if not given.arguments or given.arguments[0] == "help":
        return _help()
    name, *rest = given.arguments
    if name not in COMMANDS:
        from linkspan.compose.schema import nearest

        near = nearest(name, list(COMMANDS))
        hint = f'. Did you mean "{near}"?' if near else ""
        raise UsageError(f"linkspan: unknown command: linkspan compose {name}{hint}", 1)
    command = subcommand(name)
    try:
        return command.act(parse(command, rest), Session(given, default_client(host)))
    except HelpWanted:
        print(help_text(command), end="")
        return 0


def subcommand(name: str) -> Subcommand:
    """Import the subcommand called so."""
    module_name, attribute, _ = COMMANDS[name]
    module = __import__(f"linkspan.cli.{module_name}", fromlist=[attribute])
    found: Subcommand = getattr(module, attribute)
    return found


def _help() -> int:
    width = max(len(name) for name in COMMANDS) + 2
    lines = [f"  {name:<{width}}{summary}" for name, (_, _, summary) in COMMANDS.items()]
    text = help_text(GLOBAL)
    print(f"{text}\nCommands:\n" + "\n".join(lines))
    print("\nRun 'linkspan compose COMMAND --help' for the flags of a command.")
    return 0
