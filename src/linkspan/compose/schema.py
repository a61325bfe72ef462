"""Checks a file against the Compose Specification's schema and says in plain words what is wrong where."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from linkspan.compose.errors import Path, Problem
from linkspan.compose.source import Map, Override, Reset, Seq, carry, find

#: so many problems of one file are told at once
MOST = 12
_WORDS = {
    "string": "a text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}
#: keys that people write in the wrong place, with the place where they belong
_ELSEWHERE = {
    "replicas": "write it as deploy.replicas, or use scale",
    "memory": "write it as mem_limit, or as deploy.resources.limits.memory",
    "port": "write ports, a list",
    "env": "write environment",
    "restart_policy": "write restart, or deploy.restart_policy",
    "log_driver": "write logging.driver",
    "log_opt": "write logging.options",
    "cpu": "write cpus",
    "net": "write network_mode",
}


@cache
def validator() -> Draft202012Validator:
    """The validator of the schema that lies beside this module."""
    text = resources.files(__package__).joinpath("compose-spec.json").read_text()
    return Draft202012Validator(json.loads(text))


def plain(tree: Any) -> Any:
    """A tree without `!reset` and `!override`, with the marks it had."""
    if isinstance(tree, Map):
        kept = {key: plain(value) for key, value in tree.items() if not isinstance(value, Reset)}
        return carry(tree, kept)
    if isinstance(tree, Seq):
        return carry(tree, [plain(value) for value in tree if not isinstance(value, Reset)])
    return plain(tree.value) if isinstance(tree, Override) else tree


def problems(tree: Map) -> list[Problem]:
    """What the schema finds wrong in a file's document, in the file's order."""
    document = plain(tree)
    found = [problem for error in validator().iter_errors(document) for problem in _told(error, document)]
    found.sort(key=lambda problem: (problem.mark.line if problem.mark else 0, str(problem)))
    return list(dict.fromkeys(found))[:MOST]


def _told(error: ValidationError, document: Map, above: Path = ()) -> Iterator[Problem]:
    path = (*above, *error.relative_path)
    if error.validator == "oneOf" and error.context:
        yield from _of_branches(error, document, path)
    elif error.validator == "additionalProperties":
        yield from _unknown_keys(error, document, path)
    else:
        yield Problem(_sentence(error), path, find(document, path))


def _of_branches(error: ValidationError, document: Map, path: Path) -> Iterator[Problem]:
    """The errors of the one form that the value was meant to have; all forms, if it is none of them."""
    branches: dict[int, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(int(each.relative_schema_path[0]), []).append(each)
    meant = [errors for errors in branches.values() if not any(_wrong_form(each) for each in errors)]
    if meant:
        best = min(meant, key=len)
        for each in best:
            yield from _told(each, document, path)
        return
    forms = [_WORDS[kind] for errors in branches.values() for kind in _kinds(errors)]
    yield Problem(f"must be {_either(forms)}, not {_shown(error.instance)}", path, find(document, path))


def _wrong_form(error: ValidationError) -> bool:
    return not error.relative_path and error.validator in ("type", "enum")


def _kinds(errors: list[ValidationError]) -> list[str]:
    for error in errors:
        if error.validator == "type" and not error.relative_path:
            wanted: Any = error.validator_value
            return [wanted] if isinstance(wanted, str) else list(wanted)
    return ["string"]


def _unknown_keys(error: ValidationError, document: Map, path: Path) -> Iterator[Problem]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = list(schema.get("properties", {}))
    patterns = schema.get("patternProperties", {})
    for key in instance:
        if key in known or any(_matches(pattern, key) for pattern in patterns):
            continue
        place = (*path, key)
        yield Problem(_unknown(key, known, path), place, find(document, place))


def _matches(pattern: str, key: str) -> bool:
    return re.search(pattern, key) is not None


def _unknown(key: str, known: list[str], path: Path) -> str:
    if not known:
        return f'"{key}" cannot be a name here: use letters, digits, ".", "_" and "-"'
    if key in _ELSEWHERE and len(path) == 2 and path[0] == "services":
        return f'unknown key "{key}": {_ELSEWHERE[key]}'
    if near := nearest(key, known):
        return f'unknown key "{key}": did you mean "{near}"?'
    shown = ", ".join(sorted(known)) if len(known) < 20 else 'see docs/compose.md (own keys begin with "x-")'
    return f'unknown key "{key}": possible here: {shown}'


def nearest(word: str, known: list[str]) -> str:
    """The known word that `word` was meant to be, or ""."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return near[0] if near else ""


def _sentence(error: ValidationError) -> str:
    value: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "type":
        kinds = [value] if isinstance(value, str) else list(value)
        return f"must be {_either([_WORDS[kind] for kind in kinds])}, not {_shown(error.instance)}"
    if error.validator == "enum":
        near = nearest(str(error.instance), [str(each) for each in value])
        hint = f' (did you mean "{near}"?)' if near else ""
        return f'"{error.instance}" is none of {", ".join(str(each) for each in value)}{hint}'
    if error.validator == "required":
        missing = [key for key in value if key not in instance]
        return f'the key "{missing[0]}" is missing'
    if error.validator == "pattern":
        return f'"{error.instance}" is not allowed here'
    return str(error.message)


def _either(words: list[str]) -> str:
    unique = [word for word in dict.fromkeys(words) if word != "nothing"] or ["nothing"]
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} or {unique[-1]}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:56]}…"
