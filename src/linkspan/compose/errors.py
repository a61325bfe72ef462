"""What can be wrong with a compose project, told with file, line, key and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from linkspan.model.errors import LinkspanError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (key path and place in the file, as far as known), and what."""

    what: str
    path: Path = ()
    mark: Mark | None = None

    def __str__(self) -> str:
        place = [str(self.mark)] if self.mark else []
        key = [dotted(self.path)] if self.path else []
        return ": ".join([*place, *key, self.what])


class ComposeError(LinkspanError):
    """The project cannot be read, or cannot be carried out as it is written; nothing has been touched."""

    status = 400

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ComposeError with all the problems, if there are any."""
    if found := list(problems):
        raise ComposeError(found)


def dotted(path: Path) -> str:
    """A key path as people write it: services.web.ports[0]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
