"""The lines that a client of /events accepts."""

from __future__ import annotations

import pytest

from linkspan.api.events import media_type


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/jsonl", "application/jsonl"),
        ("Application/X-NDJSON", "application/x-ndjson"),
        ("text/html, application/json-seq", "application/json-seq"),
        ("application/json-seq, application/jsonl", "application/jsonl"),
        ("application/jsonl;q=0.5, application/json-seq; q=0.9", "application/json-seq"),
        ("application/jsonl;q=0", "application/json"),
        ("application/jsonl;q=x", "application/json"),
    ],
)
def test_media_types(accept: str, kind: str) -> None:
    assert media_type(accept) == kind
