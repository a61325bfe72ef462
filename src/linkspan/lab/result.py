"""What a command that ran in the lab has answered, and how its failure is told."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


class LabError(Exception):
    """A command of the lab failed, or the lab could not be built; the text holds what it printed."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one command: its exit code and what it printed."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Standard output without the newlines around it."""
        return self.out.strip()

    @property
    def lines(self) -> list[str]:
        """Standard output's lines."""
        return self.out.splitlines()

    @property
    def both(self) -> str:
        """Standard output, then standard error."""
        return self.out + self.err

    def checked(self) -> "Result":
        """Return self when the command exited 0, raise LabError with all it printed otherwise."""
        if self.code:
            raise LabError(f"{command_line(self.argv)} exited {self.code}\n{self.both}".rstrip())
        return self


def command_line(argv: Sequence[str]) -> str:
    """The command as a person would type it."""
    return shlex.join(argv)
