"""/images and /commit: listing, registries, archives, names, removal."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from aiohttp import web

from linkspan.api.context import empty, engine, json_response, streaming, version
from linkspan.api.errors import sentence
from linkspan.api.go_types import CONFIG
from linkspan.api.image_json import history_json, inspect_json, removal_json, summary_json
from linkspan.api.pruning import prune_response
from linkspan.api.query import filters, flag, json_body
from linkspan.engine.images import CommitRequest, ImportRequest
from linkspan.model.errors import InvalidParameter, LinkspanError, NotImplementedHere
from linkspan.runtime.images.buildah import BuildFailure
from linkspan.runtime.images.skopeo import Credentials

_CHUNK = 1024 * 1024


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [
        web.get("/images/json", _list, allow_head=False),
        web.get("/images/search", _search, allow_head=False),
        web.get("/images/get", _save_many, allow_head=False),
        web.post("/images/create", _create),
        web.post("/images/load", _load),
        web.post("/images/prune", _prune),
        web.get("/images/{name:.+}/json", _inspect, allow_head=False),
        web.get("/images/{name:.+}/attestations", _attestations, allow_head=False),
        web.get("/images/{name:.+}/history", _history, allow_head=False),
        web.get("/images/{name:.+}/get", _save_one, allow_head=False),
        web.post("/images/{name:.+}/tag", _tag),
        web.post("/images/{name:.+}/push", _push),
        web.delete("/images/{name:.+}", _remove),
        web.post("/commit", _commit),
    ]


async def _list(request: web.Request) -> web.Response:
    images = engine(request).images
    wanted = filters(request)
    if old := request.query.get("filter"):
        wanted = {**wanted, "reference": [*wanted.get("reference", []), old]}
    found = await images.list(wanted)
    counts = images.container_counts()
    return json_response([summary_json(image, counts.get(image.id, 0), version(request)) for image in found])


async def _search(request: web.Request) -> web.Response:
    raise NotImplementedHere(
        "Linkspan does not search registries: look an image up on its registry's web page, then pull it"
    )


async def _inspect(request: web.Request) -> web.Response:
    details = await engine(request).images.inspect(request.match_info["name"])
    return json_response(inspect_json(details, version(request)))


async def _attestations(request: web.Request) -> web.Response:
    """Answer with an empty list: what is pulled is an image alone, without the statements beside it."""
    await engine(request).images.inspect(request.match_info["name"])
    return json_response([])


async def _history(request: web.Request) -> web.Response:
    lines = await engine(request).images.history(request.match_info["name"])
    return json_response([history_json(line) for line in lines])


@streaming
async def _create(request: web.Request) -> web.StreamResponse:
    images = engine(request).images
    query = request.query
    if name := query.get("fromImage"):
        credentials = registry_credentials(request.headers.get("X-Registry-Auth"))
        stream = images.pull(name, query.get("tag", ""), credentials, query.get("platform", ""))
        return await progress(request, stream)
    if query.get("fromSrc") != "-":
        raise InvalidParameter(
            "importing from a URL is not supported: download the archive and import it from a file"
        )
    wanted = ImportRequest(
        repository=query.get("repo", ""),
        tag=query.get("tag", ""),
        message=query.get("message", ""),
        platform=query.get("platform", ""),
        changes=tuple(query.getall("changes", [])),
    )
    return await progress(request, images.import_archive(request.content.iter_chunked(_CHUNK), wanted))


@streaming
async def _load(request: web.Request) -> web.StreamResponse:
    content = request.content.iter_chunked(_CHUNK)
    return await progress(request, engine(request).images.load(content, flag(request, "quiet")))


@streaming
async def _push(request: web.Request) -> web.StreamResponse:
    credentials = registry_credentials(request.headers.get("X-Registry-Auth"))
    name, tag = request.match_info["name"], request.query.get("tag", "")
    return await progress(request, engine(request).images.push(name, tag, credentials))


@streaming
async def _save_one(request: web.Request) -> web.StreamResponse:
    return await _archive(request, [request.match_info["name"]])


@streaming
async def _save_many(request: web.Request) -> web.StreamResponse:
    names = request.query.getall("names", [])
    if not names:
        raise InvalidParameter("no image names given: names must not be empty")
    return await _archive(request, names)


async def _archive(request: web.Request, names: list[str]) -> web.StreamResponse:
    pieces = await engine(request).images.save(names)
    response = web.StreamResponse(headers={"Content-Type": "application/x-tar"})
    async with contextlib.aclosing(pieces) as stream:
        await response.prepare(request)
        async for piece in stream:
            await response.write(piece)
    await response.write_eof()
    return response


async def _tag(request: web.Request) -> web.Response:
    repository = request.query.get("repo", "")
    await engine(request).images.tag(request.match_info["name"], repository, request.query.get("tag", ""))
    return empty(201)


async def _remove(request: web.Request) -> web.Response:
    removals = await engine(request).images.remove(request.match_info["name"], flag(request, "force"))
    return json_response([removal_json(removal) for removal in removals])


async def _prune(request: web.Request) -> web.Response:
    pruned = await engine(request).images.prune(filters(request))
    gone = [removal_json(removal) for removal in pruned.removals] or None
    names = [removal.untagged or removal.deleted for removal in pruned.removals]
    return prune_response(request, {"ImagesDeleted": gone, "SpaceReclaimed": pruned.reclaimed}, names)


async def _commit(request: web.Request) -> web.Response:
    query = request.query
    wanted = CommitRequest(
        container=query.get("container", ""),
        repository=query.get("repo", ""),
        tag=query.get("tag", ""),
        author=query.get("author", ""),
        comment=query.get("comment", ""),
        pause=flag(request, "pause", default=True),
        changes=tuple(query.getall("changes", [])),
        config=await json_body(request, CONFIG),
    )
    return json_response({"Id": (await engine(request).images.commit(wanted)).id}, 201)


async def progress(
    request: web.Request, messages: AsyncGenerator[Mapping[str, Any], None]
) -> web.StreamResponse:
    """Send messages as lines of JSON; an error before the first one is an ordinary error answer."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    async with contextlib.aclosing(messages) as stream:
        try:
            async for message in stream:
                await _line(request, response, message)
        except LinkspanError as error:
            if not response.prepared:
                raise
            text = sentence(error)
            code = {"code": error.code} if isinstance(error, BuildFailure) else {}
            await _line(request, response, {"errorDetail": {**code, "message": text}, "error": text})
    if not response.prepared:
        await response.prepare(request)
    await response.write_eof()
    return response


async def _line(request: web.Request, response: web.StreamResponse, message: Mapping[str, Any]) -> None:
    if not response.prepared:
        await response.prepare(request)
    await response.write(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\r\n")


def registry_credentials(header: str | None) -> Credentials | None:
    """Read X-Registry-Auth: base64url of JSON with username, password or identitytoken.

    An unreadable header counts as none, as in Docker.
    """
    if not header:
        return None
    try:
        document = json.loads(base64.b64decode(header + "=" * (-len(header) % 4), altchars=b"-_"))
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    username, password = _basic(document)
    token = str(document.get("identitytoken") or "")
    return Credentials(username, password, token) if username or token else None


def _basic(document: Mapping[str, Any]) -> tuple[str, str]:
    if document.get("username"):
        return str(document["username"]), str(document.get("password") or "")
    try:
        pair = base64.b64decode(str(document.get("auth") or "")).decode()
    except ValueError:
        return "", ""
    username, _, password = pair.partition(":")
    return username, password
