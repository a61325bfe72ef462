"""From files on disk to a checked `Project`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from linkspan.compose import canonical, checks, dotenv, extends, finishing, merging, schema, source
from linkspan.compose.canonical import SECTIONS, Document, Place
from linkspan.compose.errors import ComposeError, Problem, refuse
from linkspan.compose.interpolation import interpolate, substitute
from linkspan.compose.location import Location, Request, locate, project_name
from linkspan.compose.project import Project
from linkspan.compose.source import Map


@dataclass(slots=True)
class _Session:
    """One loading: its variables, and the names of variables that were missing."""

    variables: Mapping[str, str]
    directory: str
    interpolate: bool = True
    missing: dict[str, None] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        return self.variables.get("HOME") or str(Path.home())

    def unset(self, name: str) -> None:
        self.missing[name] = None


def load(request: Request, *, wanted: tuple[str, ...] = (), check: bool = True) -> Project:
    """Read, merge and check a project.

    `wanted` are services asked for by name: their profiles count as active. With `check` false, references
    between services and networks are not looked at. Raises ComposeError.
    """
    location = locate(request)
    trees = [(file, tree) for file in location.files for tree in _trees(file)]
    written = next((tree for _, tree in reversed(trees) if tree.get("name")), Map())
    text = substitute(str(written.get("name") or ""), location.variables)
    name = project_name(request, location, text, written.marks.get("name"))
    variables = {**location.variables, "COMPOSE_PROJECT_NAME": name}
    session = _Session(variables, location.directory)
    merged = Document()
    for file, tree in trees:
        merged = merging.documents(merged, _document(file, tree, session))
    project = _project(name, merged, location, session, wanted)
    notes = [f'The "{each}" variable is not set. Defaulting to a blank string.' for each in session.missing]
    notes += _obsolete(trees)
    project = replace(project, warnings=(*notes, *project.warnings))
    if check:
        refuse(checks.problems(project))
    return project


def _obsolete(trees: list[tuple[str, Map]]) -> list[str]:
    found = [file for file, tree in trees if "version" in tree]
    return [
        f"{shown(file)}: the attribute `version` is obsolete, it is ignored" for file in dict.fromkeys(found)
    ]


def _trees(file: str) -> list[Map]:
    """The documents of one file; its name in messages is relative to where we are, when it lies below."""
    if file == "-":
        return source.read(sys.stdin.read(), "<stdin>")
    path = Path(file)
    try:
        text = path.read_text()
    except OSError as error:
        raise ComposeError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ComposeError(f"cannot read {file}: it is not UTF-8 text") from None
    return source.read(text, shown(file))


def shown(file: str) -> str:
    """A path as short as it can be said from here."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def _document(file: str, tree: Map, session: _Session) -> Document:
    """One file, canonical, with its includes and its services' `extends` carried out."""
    tree = interpolate(tree, session.variables, session.unset)
    refuse(schema.problems(tree))
    document, problems = canonical.document(tree, Place(session.directory, session.home))
    refuse(problems)

    def other(extending: str, named: str) -> tuple[str, Document]:
        path = os.path.join(session.directory if extending == file else Path(extending).parent, named)
        nested = _Session(session.variables, str(Path(path).parent), missing=session.missing)
        return path, _plain(path, nested)

    document = extends.resolve(file, document, other)
    for entry in tree.get("include") or ():
        _include(document, entry, file, session)
    return document


def _plain(path: str, session: _Session) -> Document:
    """Another file that services are copied from: its own includes and extends stay as they are."""
    if not Path(path).is_file():
        raise FileNotFoundError(2, f"there is no such file (looked for {path})")
    result = Document()
    for tree in _trees(path):
        tree = interpolate(tree, session.variables, session.unset)
        refuse(schema.problems(tree))
        document, problems = canonical.document(tree, Place(session.directory, session.home))
        refuse(problems)
        result = merging.documents(result, document)
    return result


def _include(into: Document, entry: object, file: str, session: _Session) -> None:
    """Add another project's files to this one; what both define must be the same."""
    given = dict(entry) if isinstance(entry, Mapping) else {"path": entry}
    paths = given["path"] if isinstance(given["path"], list) else [given["path"]]
    found = [os.path.normpath(os.path.join(session.directory, str(each))) for each in paths]
    if circle := [each for each in found if each in (*session.open, file)]:
        raise ComposeError(f"{shown(file)}: include: {circle[0]} includes itself")
    directory = os.path.join(session.directory, str(given.get("project_directory") or Path(found[0]).parent))
    variables = {**_included_variables(given, directory, session), **session.variables}
    nested = _Session(variables, directory, missing=session.missing, open=(*session.open, file))
    merged = Document()
    for path in found:
        for tree in _trees(path):
            merged = merging.documents(merged, _document(path, tree, nested))
    for section in SECTIONS:
        _import(into.sections[section], merged.sections[section], section, found[0])


def _included_variables(given: Mapping[str, object], directory: str, session: _Session) -> dict[str, str]:
    named = given.get("env_file") or ".env"
    found: dict[str, str] = {}
    for each in named if isinstance(named, list) else [named]:
        path = Path(session.directory if given.get("env_file") else directory) / str(each)
        if path.is_file():
            found |= dotenv.parse(path.read_text(), shown(str(path)), session.variables)
    return found


def _import(into: Map, other: Map, section: str, path: str) -> None:
    for name, value in other.items():
        if name in into and into[name] != value:
            what = f"is also defined, differently, in the included {shown(path)}: rename one of them"
            raise ComposeError(Problem(what, (section, name), into.marks.get(name)))
        into[name] = value
        if mark := other.marks.get(name):
            into.marks.setdefault(name, mark)


def _project(
    name: str, merged: Document, location: Location, session: _Session, wanted: tuple[str, ...]
) -> Project:
    read: Callable[[str], str] = lambda path: Path(path).read_text()  # noqa: E731  one expression
    return finishing.project(name, merged, location, session.variables, wanted, read)
