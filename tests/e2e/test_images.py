"""Images: the embedded one, import, load, save, tag, rmi, and pull from a registry on loopback."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def rootfs(stage) -> str:
    """A tar archive of the embedded image's files."""
    path = stage.lab.directory / "images-rootfs.tar"
    if not path.exists():
        stage.docker("create", "--name", "source", "busybox")
        stage.docker("export", "-o", str(path), "source")
        stage.docker("rm", "source")
    return str(path)


def test_busybox_is_there_without_any_registry(stage):
    lines = [line.split() for line in stage.docker("images").lines]
    assert lines[0][:3] == ["REPOSITORY", "TAG", "IMAGE"]
    assert ["busybox", "latest"] in [line[:2] for line in lines]
    assert "BusyBox" in stage.docker("run", "--rm", "busybox", "busybox").both


def test_image_inspect(stage):
    shown = json.loads(stage.docker("image", "inspect", "busybox").out)[0]
    assert re.fullmatch("sha256:[0-9a-f]{64}", shown["Id"])
    assert shown["RepoTags"] == ["busybox:latest"]
    assert (shown["Os"], shown["RootFS"]["Type"]) == ("linux", "layers")


def test_import_run_and_remove(stage, rootfs):
    id = stage.docker(
        "import", "-c", 'CMD ["echo","from the import"]', "-c", "ENV A=b", rootfs, "mine:1"
    ).text
    assert re.fullmatch("sha256:[0-9a-f]{64}", id)
    assert stage.docker("run", "--rm", "mine:1").text == "from the import"
    assert stage.docker("run", "--rm", "mine:1", "sh", "-c", "echo $A").text == "b"
    removed = stage.docker("rmi", "mine:1").out
    assert "Untagged: mine:1" in removed
    assert f"Deleted: {id}" in removed
    assert "No such image: mine:1" in stage.fails("image", "inspect", "mine:1").err


def test_import_from_stdin(stage, rootfs):
    script = f"docker import - piped:1 < {rootfs}"
    import subprocess

    environment = {**__import__("os").environ, **stage.lab.client_env}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sha256:")
    stage.docker("rmi", "piped:1")


def test_tag_and_untag(stage):
    stage.docker("tag", "busybox", "other/name:2")
    assert "other/name" in stage.docker("images", "--format", "{{.Repository}}").lines
    assert stage.docker("run", "--rm", "other/name:2", "echo", "ok").text == "ok"
    assert stage.docker("rmi", "other/name:2").text == "Untagged: other/name:2"
    assert stage.docker("run", "--rm", "busybox", "echo", "ok").text == "ok"


def test_save_and_load(stage):
    path = stage.lab.directory / "saved.tar"
    stage.docker("tag", "busybox", "saved:1")
    stage.docker("save", "-o", str(path), "saved:1")
    stage.docker("rmi", "saved:1")
    assert stage.docker("load", "-i", str(path)).text == "Loaded image: saved:1"
    assert stage.docker("run", "--rm", "saved:1", "echo", "ok").text == "ok"
    stage.docker("rmi", "saved:1")


def test_an_image_in_use_stays(stage):
    stage.docker("tag", "busybox", "used:1")
    stage.docker("create", "--name", "c1", "used:1")
    stage.docker("rmi", "busybox")
    try:
        result = stage.fails("rmi", "used:1")
        assert "conflict: unable to remove repository reference" in result.err
        assert "container" in result.err
    finally:
        stage.docker("tag", "used:1", "busybox:latest")
        stage.docker("rm", "c1")
        stage.docker("rmi", "used:1")


def test_pull_from_a_registry_on_loopback(stage):
    lab = stage.lab
    config = lab.directory / "registry.yml"
    config.write_text(
        "version: 0.1\nhttp: {addr: '127.0.0.1:5000'}\n"
        f"storage: {{filesystem: {{rootdirectory: {lab.directory / 'registry'}}}}}\nlog: {{level: error}}\n"
    )
    lab.start("host", "docker-registry", "serve", str(config))
    stage.until(lambda: stage.get("host", "http://127.0.0.1:5000/v2/") == "{}")
    archive = lab.directory / "push.tar"
    stage.docker("save", "-o", str(archive), "busybox")
    target = "docker://127.0.0.1:5000/team/box:1"
    lab.run("host", "skopeo", "copy", "--dest-tls-verify=false", f"docker-archive:{archive}", target)
    pulled = stage.docker("pull", "127.0.0.1:5000/team/box:1").out
    assert "1: Pulling from team/box" in pulled
    assert re.search(r"Digest: sha256:[0-9a-f]{64}", pulled)
    assert "Status: Downloaded newer image for 127.0.0.1:5000/team/box:1" in pulled
    assert stage.docker("run", "--rm", "127.0.0.1:5000/team/box:1", "echo", "pulled").text == "pulled"
    assert "Image is up to date" in stage.docker("pull", "127.0.0.1:5000/team/box:1").out
    result = stage.fails("pull", "127.0.0.1:5000/team/none:1")
    assert "manifest unknown" in result.err or "not found" in result.err
    stage.docker("rmi", "127.0.0.1:5000/team/box:1")
    stage.host("pkill", "docker-registry")


def test_run_pulls_what_is_missing_and_says_so(stage):
    result = stage.fails("run", "--rm", "127.0.0.1:5999/no/such:1", timeout=120)
    assert "Unable to find image '127.0.0.1:5999/no/such:1' locally" in result.err
    assert result.code == 125
