"""What images and volumes need of the store: documents by kind and id, on disk at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Documents(Protocol):
    """The part of the store that this layer uses; `store.database.Store` is one."""

    def put(self, kind: str, id: str, document: Mapping[str, Any]) -> None:
        """Keep `document`, replacing an earlier one."""

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every document of `kind`."""

    def delete(self, kind: str, id: str) -> None:
        """Forget a document; a missing one is no error."""
