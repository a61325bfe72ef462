"""A library in a temporary directory with documents in memory: what needs no root."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from linkspan.runtime.images.library import Images


class Memory:
    """Documents that are kept in memory, but copied as a store on disk would."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, str]] = {}

    def put(self, kind: str, id: str, document: Mapping[str, Any]) -> None:
        self.kinds.setdefault(kind, {})[id] = json.dumps(document)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.kinds.get(kind, {}).values()]

    def delete(self, kind: str, id: str) -> None:
        self.kinds.get(kind, {}).pop(id, None)


@pytest.fixture
def documents() -> Memory:
    return Memory()


@pytest.fixture
def library(documents: Memory, tmp_path: Path) -> Images:
    return Images(documents, tmp_path / "data")
