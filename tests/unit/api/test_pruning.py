"""Answers of prune requests."""

from __future__ import annotations

import json

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from linkspan.api.context import VERSION
from linkspan.api.pruning import prune_response

REPORT = {"NetworksDeleted": ["a", "b"]}


def answer(path: str, version: tuple[int, int]) -> web.Response:
    request = make_mocked_request("POST", path)
    request[VERSION] = version
    return prune_response(request, REPORT, ["a", "b"])


def lines(response: web.Response) -> list[object]:
    assert isinstance(response.body, bytes)
    return [json.loads(line) for line in response.body.splitlines()]


def test_one_report() -> None:
    for path, version in (("/networks/prune", (1, 56)), ("/networks/prune?stream=1", (1, 55))):
        response = answer(path, version)
        assert (response.content_type, lines(response)) == ("application/json", [REPORT])


def test_a_stream_ends_with_the_report() -> None:
    response = answer("/networks/prune?stream=true", (1, 56))
    assert response.content_type == "application/jsonl"
    assert lines(response) == [
        {"id": "a", "status": "Deleted"},
        {"id": "b", "status": "Deleted"},
        {"aux": REPORT},
    ]
