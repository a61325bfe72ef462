"""Which registries need TLS, what goes into the credentials file, and what failures mean."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from linkspan.model.errors import LinkspanError
from linkspan.model.reference import parse
from linkspan.runtime.images.skopeo import (
    Credentials,
    Registries,
    RegistryFailure,
    Skopeo,
    last_message,
    translate_pull,
    translate_push,
)


@pytest.mark.parametrize(
    ("domain", "verify"),
    [
        ("docker.io", True),
        ("registry.example:5000", True),
        ("localhost:5000", False),
        ("localhost", False),
        ("127.0.0.1:5000", False),
        ("127.3.4.5", False),
        ("[::1]:5000", False),
        ("10.0.0.1:5000", True),
        ("10.1.0.1:5000", False),
        ("plain.example", False),
        ("plain.example:5000", False),
        ("one.example:5000", False),
        ("one.example:5001", True),
    ],
)
def test_only_loopback_and_listed_registries_go_without_tls(domain: str, verify: bool) -> None:
    listed = Registries(("10.1.0.0/16", "plain.example", "one.example:5000"))
    assert listed.verify(domain) is verify


def test_credentials_go_to_a_file_that_only_root_reads(tmp_path: Path) -> None:
    Skopeo(tmp_path, True, "registry.example", Credentials("me", "secret"))
    file = tmp_path / "auth.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"auths": {"registry.example": {"auth": "bWU6c2VjcmV0"}}}
    assert "secret" not in repr(Credentials("me", "secret"))


def test_an_identity_token_is_passed_on(tmp_path: Path) -> None:
    Skopeo(tmp_path, True, "r.example", Credentials("<token>", "", "abc"))
    assert json.loads((tmp_path / "auth.json").read_text())["auths"]["r.example"]["identitytoken"] == "abc"


def test_without_credentials_nobody_elses_are_used(tmp_path: Path) -> None:
    Skopeo(tmp_path, True, "r.example", None)
    assert json.loads((tmp_path / "auth.json").read_text()) == {"auths": {}}


REFUSED = 'pinging container registry 127.0.0.1:1: Get "http://127.0.0.1:1/v2/": dial tcp: refused'


@pytest.mark.parametrize(
    ("name", "text", "status", "sentence"),
    [
        (
            "x:1",
            "reading manifest 1: manifest unknown: manifest unknown",
            404,
            "manifest for x:1 not found: ",
        ),
        ("x:1", "name unknown: repository name not known to registry", 404, "repository x not found: "),
        ("x:1", "requested access to the resource is denied", 404, "pull access denied for x, repository"),
        ("x:1", "unauthorized: authentication required", 404, "pull access denied for x, repository"),
        (
            "r.example/x",
            "unauthorized: authentication required",
            401,
            "unauthorized: authentication required",
        ),
        ("127.0.0.1:1/x", REFUSED, 500, 'Get "http://127.0.0.1:1/v2/": dial tcp: refused'),
        ("r.example/x", "something else", 500, "something else"),
    ],
)
def test_failures_become_dockers_sentences(name: str, text: str, status: int, sentence: str) -> None:
    error = translate_pull(RegistryFailure(text), parse(name))
    assert isinstance(error, LinkspanError) and error.status == status
    assert str(error).startswith(sentence)


def test_failures_of_a_push() -> None:
    assert str(translate_push(RegistryFailure("x denied y"))).startswith("denied: requested access")
    assert translate_push(RegistryFailure("unauthorized: x")).status == 401


def test_the_last_message_of_the_log_counts() -> None:
    log = 'time="a" level=info msg="one"\ntime="b" level=fatal msg="two \\"quoted\\" text"\n'
    assert last_message(log) == 'two "quoted" text'
    assert last_message("plain\nlast line\n") == "last line"
    assert last_message("") == "skopeo failed"
