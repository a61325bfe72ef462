"""The query of POST /build, translated."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from aiohttp.test_utils import make_mocked_request

from linkspan.api.build import build_request
from linkspan.engine.builds import BuildRequest
from linkspan.model import reference as references
from linkspan.model.errors import InvalidParameter, NotImplementedHere
from linkspan.runtime.images.skopeo import Credentials


def asked(query: str, headers: dict[str, str] | None = None) -> BuildRequest:
    return build_request(make_mocked_request("POST", f"/build?{query}", headers=headers or {}))


def test_everything_that_can_be_asked_for() -> None:
    arguments, labels = quote('{"A":"1","B":null}'), quote('{"l":"x"}')
    found = asked(
        f"t=a&t=b:2&dockerfile=d/F&buildargs={arguments}&labels={labels}&target=last&nocache=1&pull=1&q=1"
        "&networkmode=none&extrahosts=h:1.2.3.4&platform=linux/amd64"
    )
    assert [name.familiar for name in found.names] == ["a:latest", "b:2"]
    assert (found.dockerfile, found.pull, found.quiet) == ("d/F", True, True)
    assert (found.options.arguments, found.options.labels) == ({"A": "1"}, {"l": "x"})
    assert (found.options.target, found.options.network, found.options.fresh) == ("last", "none", True)
    assert (list(found.options.hosts), found.options.platform) == (["h:1.2.3.4"], "linux/amd64")
    assert asked("").dockerfile == "Dockerfile"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("version=2", NotImplementedHere),
        ("remote=http://x/y.tar", NotImplementedHere),
        ("buildargs=x", InvalidParameter),
        ("buildargs=[]", InvalidParameter),
        ("labels=" + quote('{"a":1}'), InvalidParameter),
        ("t=UPPER", InvalidParameter),
    ],
)
def test_what_cannot_be_asked_for(query: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        asked(query)


def test_credentials_of_the_registry_that_an_image_comes_from() -> None:
    known = {
        "https://index.docker.io/v1/": {"username": "hub", "password": "p"},
        "localhost:5000": {"username": "own", "password": "q"},
    }
    header = base64.urlsafe_b64encode(json.dumps(known).encode()).decode()
    login = asked("", {"X-Registry-Config": header}).login
    assert login(references.parse("busybox")) == Credentials("hub", "p")
    assert login(references.parse("localhost:5000/a")) == Credentials("own", "q")
    assert login(references.parse("quay.io/a")) is None
    assert asked("", {"X-Registry-Config": "%"}).login(references.parse("busybox")) is None
