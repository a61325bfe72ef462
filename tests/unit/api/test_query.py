"""Query parameters and bodies of requests, read by Docker's rules."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from linkspan.api import query
from linkspan.api.go_types import CREATE_NETWORK
from linkspan.model.errors import InvalidParameter


def request(**parameters: str) -> web.Request:
    text = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    return make_mocked_request("GET", f"/x?{text}")


@pytest.mark.parametrize(
    ("value", "is_true"),
    [("", False), ("0", False), ("no", False), ("False", False), ("none", False), ("1", True), ("x", True)],
)
def test_flags(value: str, is_true: bool) -> None:
    assert query.flag(request(all=value), "all") is is_true


def test_flags_and_numbers_that_are_not_given() -> None:
    assert query.flag(request(), "all", default=True)
    assert query.number(request(), "t", 5) == 5
    assert query.number(request(t=""), "t") is None
    assert query.number(request(t="-1"), "t") == -1
    with pytest.raises(InvalidParameter, match=r"^strconv\.Atoi: parsing \"x\": invalid syntax$"):
        query.number(request(t="x"), "t")


@pytest.mark.parametrize("text", ["x", "1_0", " 1", "1.5", "٣"])
def test_what_only_python_takes_for_a_number(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid syntax"):
        query.number(request(t=text), "t")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'invalid resize height "": invalid syntax'),
        ("a", 'invalid resize height "a": invalid syntax'),
        ("+1", 'invalid resize height "+1": invalid syntax'),
        ("-1", 'invalid resize height "-1": value out of range'),
        ("4294967296", 'invalid resize height "4294967296": value out of range'),
        ("9" * 5000, "value out of range"),
    ],
)
def test_sizes_that_are_none(text: str, said: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        query.size(request(h=text), "h", "height")
    assert said in str(caught.value)


def test_sizes() -> None:
    assert query.size(request(h="24"), "h", "height") == 24
    assert query.size(request(h="4294967295"), "h", "height") == 65535


@pytest.mark.parametrize("text", ["9223372036854775808", "9" * 5000, "-9223372036854775809"])
def test_numbers_of_more_than_64_bits(text: str) -> None:
    with pytest.raises(InvalidParameter, match="value out of range"):
        query.number(request(t=text), "t")


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("", {}),
        ("{}", {}),
        ('{"label":["a","b=c"]}', {"label": ["a", "b=c"]}),
        ('{"label":{"a":true,"b":false}}', {"label": ["a", "b"]}),
        ('{"label":null}', {"label": []}),
    ],
)
def test_both_grammars_of_filters(raw: str, found: dict[str, list[str]]) -> None:
    assert query.filters(request(filters=raw)) == found


@pytest.mark.parametrize(
    "raw", ["x", "[]", "7", '{"label":"a"}', '{"label":[1]}', '{"label":{"a":"b"}}', "{", "[" * 100_000]
)
def test_filters_that_are_none(raw: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid filter: "):
        query.filters(request(filters=raw))


def test_filters_that_are_not_known() -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid filter 'x'$"):
        query.filters(request(filters='{"x":["y"]}'), frozenset({"label"}))


async def _echo(received: web.Request) -> web.Response:
    try:
        optional = received.query.get("required") is None
        body = await query.json_body(received, CREATE_NETWORK, optional=optional)
    except InvalidParameter as error:
        return web.Response(status=400, text=str(error))
    return web.json_response(body)


@pytest.mark.parametrize(
    ("body", "kind", "answer"),
    [
        (b'{"name":"n"}', "application/json", {"Name": "n"}),
        (b'{"Name":"n"}', "Application/JSON; charset=utf-8", {"Name": "n"}),
        (b"", "application/json", {}),
        (b"null", "application/json", {}),
        (b"{}", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'"),
        (b"", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'"),
        (b"[]", "application/json", "network.CreateRequest"),
        (b"{} x", "application/json", "unexpected content after JSON"),
    ],
)
async def test_bodies(body: bytes, kind: str, answer: object) -> None:
    app = web.Application()
    app.router.add_post("/x", _echo)
    async with TestClient(TestServer(app)) as client:
        response = await client.post("/x", data=body, headers={"Content-Type": kind})
        text = await response.text()
    if isinstance(answer, dict):
        assert json.loads(text) == answer
    else:
        assert response.status == 400
        assert str(answer) in text


async def test_bodies_without_a_type_and_required_ones() -> None:
    app = web.Application()
    app.router.add_post("/x", _echo)
    async with TestClient(TestServer(app)) as client:
        nameless = {"skip_auto_headers": ["Content-Type"]}
        response = await client.post("/x", data=b"{}", **nameless)  # type: ignore[arg-type]
        assert await response.text() == "malformed Content-Type header (): mime: no media type"
        response = await client.post("/x", **nameless)  # type: ignore[arg-type]
        assert await response.json() == {}
        response = await client.post("/x?required", **nameless)  # type: ignore[arg-type]
        assert await response.text() == "invalid JSON: got EOF while reading request body"


async def test_a_body_that_never_comes_whole_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Half:
        can_read_body = True

        async def read(self) -> bytes:
            await asyncio.sleep(60)
            return b""

    monkeypatch.setattr(query, "BODY_PATIENCE", 0.01)
    with pytest.raises(InvalidParameter, match=r"did not arrive within 0\.01 s") as caught:
        await query.json_body(Half())  # type: ignore[arg-type]
    assert caught.value.status == 408
