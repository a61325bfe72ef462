"""`extends`: a service that begins as a copy of another one, of the same file or another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from linkspan.compose import merging
from linkspan.compose.canonical import Document
from linkspan.compose.errors import ComposeError, Problem
from linkspan.compose.schema import nearest
from linkspan.compose.source import Map, Override, Reset

#: reads another file, named as the extending one names it
Load = Callable[[str, str], tuple[str, Document]]


@dataclass(frozen=True, slots=True)
class _Origin:
    """A document and the file it was read from."""

    file: str
    document: Document


def resolve(file: str, document: Document, load: Load) -> Document:
    """Return the document with every `extends` carried out.

    `load` takes the extending file and the named one, and gives the named one's path and document.
    Raises ComposeError for unknown services and circles.
    """
    result = Document()
    result.name, result.extensions = document.name, document.extensions
    result.sections = dict(document.sections)
    services = document.sections["services"]
    origin = _Origin(file, document)
    resolved = {name: _service(origin, name, load, ()) for name in services}
    result.sections["services"] = Map(resolved, services.marks, services.mark)
    return result


def _service(
    origin: _Origin, name: str, load: Load, seen: tuple[tuple[str, str], ...]
) -> Map | Reset | Override:
    own: Map | Reset | Override = origin.document.sections["services"][name]
    if isinstance(own, (Reset, Override)) or "extends" not in own:
        return own
    wanted = own["extends"]
    path, mark = ("services", name, "extends"), own.marks.get("extends")
    step = (origin.file, name)
    if step in seen:
        circle = " -> ".join(each for _, each in (*seen[seen.index(step) :], step))
        raise ComposeError(Problem(f"services extend each other in a circle: {circle}", path, mark))
    base_origin = origin
    if wanted.get("file"):
        try:
            base_origin = _Origin(*load(origin.file, wanted["file"]))
        except OSError as error:
            reason = error.strerror or error
            raise ComposeError(Problem(f"cannot read {wanted['file']}: {reason}", path, mark)) from None
    known = base_origin.document.sections["services"]
    if wanted["service"] not in known:
        near = nearest(wanted["service"], list(known))
        hint = f' (did you mean "{near}"?)' if near else ""
        where = f" in {wanted['file']}" if wanted.get("file") else ""
        what = f'there is no service "{wanted["service"]}"{where} to extend{hint}'
        raise ComposeError(Problem(what, path, mark))
    base = _service(base_origin, wanted["service"], load, (*seen, step))
    if isinstance(base, (Reset, Override)):
        base = Map()
    rest = {key: value for key, value in own.items() if key != "extends"}
    return merging.services(base, Map(rest, own.marks, own.mark))
