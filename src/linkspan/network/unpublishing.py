"""Which published ports a request to take some back means, and what is left without them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from linkspan.model.errors import NotFound
from linkspan.model.ports import PortBinding, PublishRequest
from linkspan.network.bindings import collapse
from linkspan.network.publishing import single


def without(
    publish: Sequence[PublishRequest],
    bindings: Sequence[PortBinding],
    wanted: Iterable[PublishRequest],
    name: str,
) -> tuple[tuple[PublishRequest, ...], tuple[PortBinding, ...]]:
    """Return the requests and the bindings of container `name` that are left without those of `wanted`.

    One that names no host port, or no host address, means every one. Runs of which nothing goes stay whole.
    Raises NotFound with Docker's text for one that fits nothing.
    """
    owned = _owned(publish, bindings)
    leaving: set[PublishRequest] = set()
    for wish in wanted:
        found = [request for request, own in owned.items() if _fits(wish, request, own)]
        if not found:
            where = f" on host port {_range(wish)}" if wish.first else ""
            where += f" of {wish.host_address}" if wish.host_address else ""
            port = f"{wish.container_port}/{wish.protocol}"
            raise NotFound(f"No public port '{port}' published for {name}{where}")
        leaving.update(found)
    gone = {binding for request in leaving for binding in owned[request]}
    kept = tuple(request for request in publish if request not in leaving)
    return kept, tuple(rest for binding in bindings for rest in _rest(binding, gone))


def _range(wish: PublishRequest) -> str:
    return str(wish.first) if wish.first == wish.last else f"{wish.first}-{wish.last}"


def _rest(binding: PortBinding, gone: set[PortBinding]) -> tuple[PortBinding, ...]:
    each = tuple(single((binding,)))
    stays = [port for port in each if port not in gone]
    return (binding,) if len(stays) == len(each) else collapse(stays)


def _owned(
    publish: Iterable[PublishRequest], bindings: Iterable[PortBinding]
) -> dict[PublishRequest, list[PortBinding]]:
    """Return the single ports that each request got; what is fixed is told first, then by its address."""
    owned: dict[PublishRequest, list[PortBinding]] = {request: [] for request in publish}
    by_port: dict[tuple[str, int], list[PublishRequest]] = {}
    for request in sorted(owned, key=lambda each: each.first != each.last or not each.first):
        by_port.setdefault((request.protocol, request.container_port), []).append(request)
    for binding in single(bindings):
        among = by_port.get((binding.protocol, binding.container_port), [])
        exact = [each for each in among if each.host_address == binding.host_address]
        for request in (*exact, *(each for each in among if each.host_address is None)):
            if _could_get(request, binding, owned[request]):
                owned[request].append(binding)
                break
    return owned


def _could_get(request: PublishRequest, binding: PortBinding, own: Sequence[PortBinding]) -> bool:
    """Tell whether `request` may have led to `binding` beside its `own`: one host port on each address."""
    in_range = not (binding.host_port and request.first) or request.first <= binding.host_port <= request.last
    same = all(each.host_port in (0, binding.host_port) or not binding.host_port for each in own)
    return in_range and same and request.sources == binding.sources


def _fits(wish: PublishRequest, request: PublishRequest, own: Iterable[PortBinding]) -> bool:
    if (wish.protocol, wish.container_port) != (request.protocol, request.container_port):
        return False
    if wish.host_address is not None and wish.host_address != request.host_address:
        return False
    asked = (request.first, request.last)
    if wish.first == 0 or asked == (wish.first, wish.last):
        return True
    return any(wish.first <= each.host_port <= wish.last for each in own)
