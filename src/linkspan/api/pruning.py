"""Answers of prune requests: one report, or since API 1.56 a stream of what has been removed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from linkspan.api.context import json_response, version
from linkspan.api.query import flag
from linkspan.api.versions import has


def prune_response(request: web.Request, report: Mapping[str, Any], removed: Sequence[str]) -> web.Response:
    """Answer with `report`, and with stream=true by lines: one for each of `removed`, the report as the last.

    Source: Docker Engine API, version history of 1.56.
    """
    if not (has(version(request), "prune as a stream") and flag(request, "stream")):
        return json_response(report)
    messages: list[Mapping[str, Any]] = [{"id": id, "status": "Deleted"} for id in removed]
    lines = "".join(json.dumps(message) + "\n" for message in [*messages, {"aux": report}])
    return web.Response(body=lines.encode(), content_type="application/jsonl")
