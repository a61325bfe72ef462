"""Which files, directory, name and variables a project has, before any of its files is understood.

Source: Docker Compose CLI reference: -f, --project-directory, -p, --env-file, COMPOSE_FILE and the like.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from linkspan.compose import dotenv
from linkspan.compose.errors import ComposeError, Mark, Problem

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line and the environment say about the project."""

    files: Sequence[str] = ()
    directory: str = ""
    name: str = ""
    env_files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "."


@dataclass(frozen=True, slots=True)
class Location:
    """The files found ("-" is standard input), where relative paths start, and the variables."""

    files: tuple[str, ...]
    directory: str
    env_files: tuple[str, ...]
    variables: Mapping[str, str]
    profiles: tuple[str, ...]


def locate(request: Request) -> Location:
    """Find the project's files; ComposeError when there are none."""
    separator = request.environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    here = Path(request.working_directory)
    given = list(request.files)
    base = Path(request.directory) if request.directory else None
    env_directory = (here / base) if base else (here / given[0]).parent if given and given[0] != "-" else here
    variables = _variables(request, here, env_directory)
    if not given and variables.get("COMPOSE_FILE"):
        given = variables["COMPOSE_FILE"].split(separator)
    found = [_existing(name, here) for name in given] or _search((here / base) if base else here)
    first = here if found[0] == "-" else Path(found[0]).parent
    directory = absolute(here / base if base else first)
    if directory != absolute(env_directory):
        variables = _variables(request, here, Path(directory))
    profiles = [*request.profiles, *variables.get("COMPOSE_PROFILES", "").split(",")]
    env_files = tuple(absolute(here / name) for name in request.env_files)
    return Location(tuple(found), directory, env_files, variables, tuple(filter(None, profiles)))


def _variables(request: Request, here: Path, directory: Path) -> dict[str, str]:
    """The files of variables, then the environment on top."""
    named = list(request.env_files) or request.environment.get("COMPOSE_ENV_FILES", "").split(",")
    paths = [here / name for name in named if name] or [directory / ".env"]
    found: dict[str, str] = {}
    for path in paths:
        if path.is_file():
            found |= dotenv.parse(path.read_text(), str(path), {**found, **request.environment})
        elif request.env_files:
            raise ComposeError(f"--env-file {path}: there is no such file")
    return {**found, **request.environment}


def _existing(name: str, here: Path) -> str:
    if name == "-":
        return name
    path = Path(absolute(here / name))
    if path.is_dir():
        raise ComposeError(
            f"{name} is a directory: give the file with -f, or the directory as --project-directory"
        )
    if not path.is_file():
        raise ComposeError(f"{name}: there is no such file (looked for {path})")
    return str(path)


def _search(start: Path) -> list[str]:
    """The compose file of this directory or the nearest one above it, with its override file."""
    top = Path(absolute(start))
    for directory in (top, *top.parents):
        for name in NAMES:
            if (directory / name).is_file():
                return [str(directory / name), *_overrides(directory, name)]
    raise ComposeError(
        f"no compose file here or above: write {NAMES[0]} in {top}, or name yours with -f FILE"
    )


def _overrides(directory: Path, name: str) -> list[str]:
    stem = name.rpartition(".")[0]
    for suffix in ("yml", "yaml"):
        path = directory / f"{stem}.override.{suffix}"
        if path.is_file():
            return [str(path)]
    return []


def absolute(path: Path | str) -> str:
    """A path made absolute without following links: they are part of what the user calls it."""
    return os.path.normpath(Path.cwd() / path)


def project_name(request: Request, location: Location, written: str, mark: Mark | None) -> str:
    """The project's name: -p, else COMPOSE_PROJECT_NAME, else `name:`, else the directory's."""
    given = request.name or location.variables.get("COMPOSE_PROJECT_NAME", "")
    if given and not _NAME.fullmatch(given):
        raise ComposeError(f'the project name "{given}" {_RULE}')
    if not given and written:
        if not _NAME.fullmatch(written):
            raise ComposeError(Problem(f'"{written}" {_RULE}', ("name",), mark))
        given = written
    if not given:
        base = Path(location.directory).name.lower()
        given = re.sub(r"[^a-z0-9_-]", "", base).lstrip("_-")
    if not given:
        raise ComposeError("the project has no name: give it one with -p NAME or with `name:` in the file")
    return given


_RULE = "must begin with a small letter or digit and go on with small letters, digits, - and _"
