"""POST /build: a Dockerfile and its context become an image."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from linkspan.api.context import engine, streaming
from linkspan.api.images import progress, registry_credentials
from linkspan.api.query import flag
from linkspan.engine.builds import BuildRequest
from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter, LinkspanError, NotImplementedHere
from linkspan.model.reference import DEFAULT_DOMAIN, Reference
from linkspan.runtime.images.buildah import BuildOptions
from linkspan.runtime.images.skopeo import Credentials

_CHUNK = 1024 * 1024
_HUB = "https://index.docker.io/v1/"


def routes() -> list[web.RouteDef]:
    """Return the routes of this resource."""
    return [web.post("/build", _build)]


@streaming
async def _build(request: web.Request) -> web.StreamResponse:
    content = request.content.iter_chunked(_CHUNK)
    try:
        return await progress(request, engine(request).builds.build(content, build_request(request)))
    except LinkspanError:
        await _drain(request)
        raise


async def _drain(request: web.Request) -> None:
    """Read what is left of the body: a client that is still sending would not read the answer."""
    while not request.content.at_eof() and await request.content.readany():
        pass


def build_request(request: web.Request) -> BuildRequest:
    """Read the query of POST /build; raises InvalidParameter and NotImplementedHere."""
    query = request.query
    if query.get("version", "1") == "2":
        raise NotImplementedHere("Linkspan has no BuildKit: build with DOCKER_BUILDKIT=0")
    if query.get("remote"):
        raise NotImplementedHere(
            "building from a URL is not supported: fetch what it names, and build the directory"
        )
    arguments = _texts(query.get("buildargs", ""), "error reading build args")
    labels = _texts(query.get("labels", ""), "error reading labels")
    return BuildRequest(
        names=[references.with_tag(name, "") for name in query.getall("t", []) if name],
        dockerfile=query.get("dockerfile") or "Dockerfile",
        pull=flag(request, "pull"),
        quiet=flag(request, "q"),
        options=BuildOptions(
            arguments={name: value for name, value in arguments.items() if value is not None},
            labels={name: value or "" for name, value in labels.items()},
            target=query.get("target", ""),
            platform=query.get("platform", ""),
            network=query.get("networkmode", ""),
            hosts=[host for host in query.getall("extrahosts", []) if host],
            fresh=flag(request, "nocache"),
            squash=flag(request, "squash"),
        ),
        login=_login(request.headers.get("X-Registry-Config", "")),
    )


def _texts(raw: str, complaint: str) -> Mapping[str, str | None]:
    try:
        found = json.loads(raw) if raw else {}
    except ValueError as error:
        raise InvalidParameter(f"{complaint}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(v, str | None) for v in found.values()):
        raise InvalidParameter(f"{complaint}: an object of strings is wanted")
    return found


def _login(header: str) -> Callable[[Reference], Credentials | None]:
    """Return who to be at which registry, from X-Registry-Config: base64url of {address: credentials}."""
    try:
        known: Any = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except ValueError:
        known = {}

    def login(reference: Reference) -> Credentials | None:
        names = (_HUB, reference.domain) if reference.domain == DEFAULT_DOMAIN else (reference.domain,)
        given = next((known[name] for name in names if name in known), None) if known else None
        encoded = base64.urlsafe_b64encode(json.dumps(given).encode()).decode()
        return registry_credentials(encoded) if isinstance(given, dict) else None

    return login
