"""Image references: the grammar of names, tags and digests, and their familiar short forms.

Source: the distribution project's reference package, which Docker uses (docker.io and library/ are implied).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from linkspan.model.errors import InvalidParameter

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_LONGEST_NAME = 255

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[(?:[a-fA-F0-9:]+)\])"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"\w[\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<domain>{_HOST}(?::[0-9]+)?)/(?P<path>{_PATH_PART}(?:/{_PATH_PART})*)"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_SHA256 = re.compile(r"sha256:[a-f0-9]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A full image name: `domain`/`path`, with a `tag`, a `digest`, both or neither ("" means none)."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The full repository name, as docker.io/library/busybox."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as a person writes it: without docker.io/ and library/."""
        if self.domain != DEFAULT_DOMAIN:
            return self.repository
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path

    @property
    def suffix(self) -> str:
        """The tag and digest with their separators."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """The whole reference in its familiar form, as Docker prints it."""
        return self.familiar_name + self.suffix

    def __str__(self) -> str:
        """The whole reference in its full form, which is also the key under which it is stored."""
        return self.repository + self.suffix

    def with_default_tag(self) -> Reference:
        """This reference, with the tag `latest` if it had neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)


def parse(text: str) -> Reference:
    """Parse an image name as a user writes it, e.g. "busybox", "localhost:5000/a/b:1", "x@sha256:…".

    Raises InvalidParameter with Docker's sentences ("invalid reference format", …).
    """
    if _IDENTIFIER.fullmatch(text):
        raise InvalidParameter(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    domain, remainder = _split_domain(text)
    name = remainder.partition(":")[0].partition("@")[0]
    if name != name.lower():
        raise InvalidParameter(f"invalid reference format: repository name ({name}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise InvalidParameter("invalid reference format")
    digest = match["digest"] or ""
    if digest and not is_digest(digest):
        raise InvalidParameter("invalid reference format")
    reference = Reference(match["domain"], match["path"], match["tag"] or "", digest)
    if len(reference.repository) > _LONGEST_NAME:
        raise InvalidParameter(f"repository name must not be more than {_LONGEST_NAME} characters")
    return reference


def with_tag(repository: str, tag: str) -> Reference:
    """Combine the `repo` and `tag` parameters of the API (tag "" means latest, or a tag already in the name).

    A `tag` may also be a digest ("sha256:…"), as in a pull by digest.
    Raises InvalidParameter for a bad name or tag.
    """
    if not tag:
        return parse(repository).with_default_tag()
    named = parse(repository)
    if named.digest:
        raise InvalidParameter("invalid reference format")
    if is_digest(tag):
        return replace(named, tag="", digest=tag)
    if not re.fullmatch(_TAG, tag, re.ASCII):
        raise InvalidParameter("invalid tag format")
    return replace(named, tag=tag)


def is_digest(text: str) -> bool:
    """Whether `text` is a sha256 digest ("sha256:" and 64 lower-case hex digits)."""
    return _SHA256.fullmatch(text) is not None


def matches(pattern: str, reference: Reference) -> bool:
    """Whether the shell pattern of a `reference=` filter matches the familiar name, with or without tag."""
    compiled = re.compile(_glob(pattern))
    return any(compiled.fullmatch(text) for text in (reference.familiar, reference.familiar_name))


def short(identifier: str) -> str:
    """The 12 hex digits that Docker shows for an id, without its algorithm."""
    return identifier.partition(":")[2][:12] if ":" in identifier else identifier[:12]


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    has_domain = slash and (any(c in first for c in ".:") or first == "localhost" or first != first.lower())
    domain, remainder = (first, rest) if has_domain else (DEFAULT_DOMAIN, text)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = f"library/{remainder}"
    return domain, remainder


def _glob(pattern: str) -> str:
    """Translate a pattern of Go's path.Match: `*` and `?` stop at a slash, [a-z] and [^a] are classes."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        closing = pattern.find("]", at + 1) if char == "[" else -1
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            out += re.escape(pattern[at])
        elif closing > at + 1:
            negated = pattern[at + 1] == "^"
            body = pattern[at + 2 : closing] if negated else pattern[at + 1 : closing]
            out += (
                f"[{'^' if negated else ''}{body.replace(chr(92), chr(92) * 2).replace('[', chr(92) + '[')}]"
            )
            at = closing
        else:
            out += re.escape(char)
        at += 1
    return out
