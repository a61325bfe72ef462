"""Documents: the nouns as JSON-ready dictionaries and back, by their type annotations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Noun = TypeVar("Noun")
Reader = Callable[[Any], Any]

_PARSERS: tuple[tuple[frozenset[type], Reader], ...] = (
    (frozenset({IPv4Interface, IPv6Interface}), ip_interface),
    (frozenset({IPv4Address, IPv6Address}), ip_address),
    (frozenset({IPv4Network, IPv6Network}), ip_network),
)
_SCALARS = frozenset({str, int, bool, float, NoneType})
_TEXT = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)


def encode(value: Any) -> Any:
    """Return a frozen dataclass (or a tuple, address or scalar inside one) as JSON-ready values."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, _TEXT):
        return _text(value)
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if is_dataclass(kind):
        return _fields(value, _names(cast(Hashable, kind)))
    return value


def _fields(noun: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Encode each field; most are scalars, and a thousand ports have five thousand of them."""
    found = {}
    for name in names:
        item = getattr(noun, name)
        found[name] = item if type(item) in _SCALARS else encode(item)
    return found


@cache
def _names(noun: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(noun))


@lru_cache(256, typed=True)
def _text(value: Any) -> str:
    """A thousand ports have a few addresses, and writing one takes longer than finding it."""
    return str(value)


def decode(noun: type[Noun], document: Mapping[str, Any]) -> Noun:
    """Return the noun that `encode` made `document` from; fields it lacks get their defaults.

    Fields that the noun no longer has are left out, so documents of an older version can be read. Raises
    TypeError when a field without a default is missing and ValueError when an address is none.
    """
    readers = _readers(cast(Hashable, noun))
    return noun(**{name: readers[name](value) for name, value in document.items() if name in readers})


@cache
def _readers(noun: Any) -> dict[str, Reader]:
    """Return how to read each field; one look at the annotations serves all documents of the noun."""
    return {name: _reader(hint) for name, hint in get_type_hints(noun).items()}


def _reader(hint: Any) -> Reader:
    if get_origin(hint) in (Union, UnionType):
        return _union(frozenset(get_args(hint)))
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint))
    if is_dataclass(hint):
        return lambda value: decode(hint, value)  # type: ignore[arg-type]
    return next((parse for types, parse in _PARSERS if hint in types), lambda value: value)


def _union(members: frozenset[Any]) -> Reader:
    present = members - {NoneType}
    read = next((parse for types, parse in _PARSERS if present <= types), None) or _reader(
        min(present, key=str)
    )
    return lambda value: None if value is None else read(value)


def _tuple(items: tuple[Any, ...]) -> Reader:
    if len(items) == 2 and items[1] is Ellipsis:
        read = _reader(items[0])
        return lambda values: tuple(read(value) for value in values)
    readers = [_reader(item) for item in items]
    return lambda values: tuple(read(value) for read, value in zip(readers, values, strict=True))
