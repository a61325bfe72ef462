"""Containers that live in another one's network namespace, and keep it while that one is down."""

from __future__ import annotations

from linkspan.engine.house import House


def shared_namespace(house: House, id: str) -> str:
    """Return the path of the namespace in which containers wait for `id` to come back, "" if none do.

    They cannot be moved to another one, so that the next life of `id` begins in the one that they have.
    (Docker makes a new one, and leaves them without a network.) Blocking; for a worker thread.
    """
    for managed in house.registry.select(lambda container: container.network_mode == f"container:{id}"):
        if managed.alive and (created := house.runtime.created(managed.id)) is not None:
            return f"/proc/{created.pid}/ns/net"
        if kept := shared_namespace(house, managed.id):
            return kept
    return ""
