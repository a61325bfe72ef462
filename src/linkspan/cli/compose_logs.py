"""compose logs: the output of several containers, each line under its container's name."""

from __future__ import annotations

import sys
import threading
import time

from linkspan.cli import streams, tables
from linkspan.cli.compose import Session, Subcommand
from linkspan.cli.flags import Flag, Options
from linkspan.compose.daemon import Refused
from linkspan.compose.prefixes import Prefixes, sorted_lines
from linkspan.compose.state import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: a container that comes back within so many seconds is being restarted
GRACE = 0.7


class Follower:
    """Shows the output of containers as it comes, each in a thread of its own, over restarts."""

    def __init__(
        self,
        session: Session,
        project: str,
        names: Sequence[str],
        *,
        since: float | str = "",
        tail: str = "",
        colours: bool = False,
        prefixes: bool = True,
        timestamps: bool = False,
        endings: bool = True,
    ) -> None:
        """`since` in Unix seconds, or as the API takes it; `endings`: tell when a container ends."""
        self._door = session.door
        self._prefixes = Prefixes(project, names, colours=colours, shown=prefixes)
        self._names = set(names)
        self._query = {
            "stdout": True,
            "stderr": True,
            "timestamps": timestamps or None,
        }
        self._tail = tail
        self._since = f"{since:.9f}" if isinstance(since, float) else since
        self._endings = endings
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._codes: dict[str, int] = {}
        self.on_end: Callable[[], object] | None = None

    def short(self, name: str) -> str:
        """A container's name without the project's."""
        return self._prefixes.short(name)

    def add(self, name: str) -> None:
        """Follow a container from now on (or from `since`)."""
        thread = threading.Thread(target=self._follow, args=(name,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, abort: threading.Event | None = None) -> None:
        """Until all containers have ended, or `abort` is set."""
        while any(thread.is_alive() for thread in self._threads):
            if abort is not None and abort.wait(0.1):
                return
            for thread in list(self._threads):
                thread.join(0.1)

    def exit_code(self, names: Sequence[str]) -> int:
        """The exit code of the first of these that has not ended well."""
        return next((self._codes[name] for name in names if self._codes.get(name)), 0)

    def _follow(self, name: str) -> None:
        since, tail = self._since, self._tail
        while True:
            try:
                self._read(name, since, tail)
                code = self._end(name)
                if code is not None and not self._comes_back(name):
                    self._codes[name] = code
                    break
                since, tail = self._ended(name), ""
            except Refused:
                break  # it has been removed meanwhile
        if self.on_end:
            self.on_end()

    def _read(self, name: str, since: str, tail: str) -> None:
        query = {**self._query, "follow": True, "since": since or None, "tail": tail or None}
        raw = bool(self._door.get(f"/containers/{name}/json")["Config"]["Tty"])
        response = self._door.send("GET", f"/containers/{name}/logs", query=query)
        for stream, line in lines(response.pieces(), raw=raw):
            if name in self._names:
                self._say(name, stream, line)

    def _end(self, name: str) -> int | None:
        """Tell that a container has ended, and how; None when it runs again already."""
        state = self._door.get(f"/containers/{name}/json")["State"]
        if state["Status"] in RUNNING:
            return None
        if self._endings:
            with self._lock:
                print(f"{self.short(name)} exited with code {state['ExitCode']}", flush=True)
        return int(state["ExitCode"])

    def _comes_back(self, name: str) -> bool:
        """Whether somebody is just restarting it."""
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if self._door.get(f"/containers/{name}/json")["State"]["Status"] in RUNNING:
                return True
        return False

    def _ended(self, name: str) -> str:
        """When its last run has ended: what it has printed until then has been shown."""
        text = str(self._door.get(f"/containers/{name}/json")["State"]["FinishedAt"])
        return f"{tables.unix_time(text):.9f}"

    def _say(self, name: str, stream: int, line: bytes) -> None:
        text = self._prefixes.line(name, line)
        with self._lock:
            target = sys.stderr.buffer if stream == streams.STDERR else sys.stdout.buffer
            target.write(text)
            target.flush()


def lines(pieces: Iterator[bytes], *, raw: bool) -> Iterator[tuple[int, bytes]]:
    """(stream, line without its end) of a container's output; 2 is stderr."""
    frames = streams.Demultiplexer()
    open_lines = {1: b"", 2: b""}
    for piece in pieces:
        for stream, data in [(1, piece)] if raw else frames.feed(piece):
            *whole, open_lines[stream] = (open_lines[stream] + data).split(b"\n")
            yield from ((stream, line) for line in whole)
    yield from ((stream, line) for stream, line in open_lines.items() if line)


def _logs(options: Options, session: Session) -> int:
    name, _, found = session.containers(options.arguments)
    if options.given("index"):
        found = [each for each in found if each.number == options.number("index")]
    found.sort(key=lambda each: (each.service, each.number))
    names = [each.name for each in found]
    colours = session.colours and not options.on("no-color")
    if not options.on("follow"):
        _history(
            options, session, Prefixes(name, names, colours=colours, shown=not options.on("no-log-prefix"))
        )
        return 0
    follower = Follower(
        session,
        name,
        names,
        since=streams.moment(options.text("since")) or "",
        tail=_tail(options),
        colours=colours,
        prefixes=not options.on("no-log-prefix"),
        timestamps=options.on("timestamps"),
        endings=False,
    )
    for each in names:
        follower.add(each)
    follower.wait()
    return 0


def _tail(options: Options) -> str:
    text = options.text("tail")
    return "" if text in ("all", "") else text


def _history(options: Options, session: Session, prefixes: Prefixes) -> None:
    """What has been printed so far, of all containers in the order of time."""
    query = {
        "stdout": True,
        "stderr": True,
        "timestamps": True,
        "tail": _tail(options) or None,
        "since": streams.moment(options.text("since")),
        "until": streams.moment(options.text("until")),
    }
    found = []
    for name in prefixes.names:
        raw = bool(session.door.get(f"/containers/{name}/json")["Config"]["Tty"])
        response = session.door.send("GET", f"/containers/{name}/logs", query=query)
        found.append([(name, stream, line) for stream, line in lines(response.pieces(), raw=raw)])
    for name, _, line in sorted_lines(found):
        text = line if options.on("timestamps") else line.partition(b" ")[2]
        sys.stdout.buffer.write(prefixes.line(name, text))
    sys.stdout.buffer.flush()


LOGS = Subcommand(
    "logs",
    "[OPTIONS] [SERVICE...]",
    "Show what the containers of a project print",
    _logs,
    (
        Flag("follow", "Go on as it comes", "bool", short="f"),
        Flag("tail", "Only the last lines of each container", short="n", default="all"),
        Flag("since", "Only what came after this (10m, or a time)"),
        Flag("until", "Only what came before this"),
        Flag("timestamps", "Show times", "bool", short="t"),
        Flag("no-color", "Do not colour output", "bool"),
        Flag("no-log-prefix", "Show output without names", "bool"),
        Flag("index", "Only the container with this number", "number"),
    ),
    examples="linkspan compose logs -f --tail 20 web",
)
