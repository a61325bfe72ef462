"""Clear answers to what Docker can and Linkspan cannot, and registry logins."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("swarm", "init"), "forms no swarm"),
        (("node", "ls"), "This node is not a swarm manager"),
        (("service", "ls"), "This node is not a swarm manager"),
        (("search", "busybox"), "Linkspan does not search registries"),
        (("login", "-u", "me", "-p", "secret", "127.0.0.1:5998"), "127.0.0.1:5998"),
    ],
)
def test_what_is_not_there_is_said(stage, arguments, sentence):
    assert sentence in stage.fails(*arguments).err


def test_there_are_no_plugins(stage):
    assert stage.docker("plugin", "ls", "-q").text == ""


def test_a_registry_without_accounts_takes_every_login(stage):
    lab = stage.lab
    config = lab.directory / "open-registry.yml"
    config.write_text(
        "version: 0.1\nhttp: {addr: '127.0.0.1:5997'}\n"
        f"storage: {{filesystem: {{rootdirectory: {lab.directory / 'open'}}}}}\nlog: {{level: error}}\n"
    )
    lab.start("host", "docker-registry", "serve", str(config))
    try:
        stage.until(lambda: stage.get("host", "http://127.0.0.1:5997/v2/") == "{}")
        told = stage.docker("login", "-u", "me", "--password-stdin", "127.0.0.1:5997", input="secret")
        assert "Login Succeeded" in told.out
    finally:
        stage.host("pkill", "-f", str(config))
