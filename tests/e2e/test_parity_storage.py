"""Volumes, binds and tmpfs as the docker command knows them: options, copy-up, refusals, events."""

from __future__ import annotations

import json

import pytest

RUN = ("run", "--rm")


@pytest.fixture
def volumes(stage):
    """The stage; volumes are removed at the end."""
    yield stage
    if ids := stage.docker("ps", "-aq").lines:
        stage.docker("rm", "-f", *ids)
    if names := stage.docker("volume", "ls", "-q").lines:
        stage.docker("volume", "rm", *names)


def shell(stage, *arguments: str, script: str, check: bool = True):
    """Run a script in a fresh busybox."""
    return stage.docker(*RUN, *arguments, "busybox", "sh", "-c", script, check=check)


def test_a_volume_is_made_listed_filtered_and_removed(volumes):
    docker = volumes.docker
    assert docker("volume", "create", "--label", "a=b", "v1").text == "v1"
    assert docker("volume", "create", "v1").text == "v1"
    docker("run", "-d", "--name", "user", "-v", "v2:/data", "busybox", "sleep", "100")
    assert docker("volume", "ls", "-q").lines == ["v1", "v2"]
    assert docker("volume", "ls", "-q", "-f", "dangling=true").lines == ["v1"]
    assert docker("volume", "ls", "-q", "-f", "dangling=false").lines == ["v2"]
    assert docker("volume", "ls", "-q", "-f", "label=a=b").lines == ["v1"]
    assert docker("volume", "ls", "--format", "{{.Name}} {{.Driver}} {{.Labels}}").lines == [
        "v1 local a=b",
        "v2 local ",
    ]
    used = volumes.fails("volume", "rm", "v2")
    assert f"remove v2: volume is in use - [{docker('ps', '-q', '--no-trunc').text}]" in used.err
    assert docker("volume", "rm", "v1").text == "v1"


def test_what_is_refused_has_dockers_words(volumes):
    for arguments, sentence in (
        (("volume", "inspect", "nope"), "get nope: no such volume"),
        (("volume", "rm", "nope"), "get nope: no such volume"),
        (("volume", "create", "a b"), 'create a b: "a b" includes invalid characters'),
        (
            ("volume", "create", "-d", "nope", "x"),
            'create x: error looking up volume plugin nope: plugin "nope" not found',
        ),
        ((*RUN, "-v", "vol:/", "busybox", "true"), "destination can't be '/'"),
        ((*RUN, "-v", "vol:/a:bad", "busybox", "true"), "invalid mode: bad"),
        ((*RUN, "-v", "vol:/a", "-v", "other:/a", "busybox", "true"), "Duplicate mount point: /a"),
        (
            (*RUN, "--mount", "type=bind,src=/no/such,dst=/a", "busybox", "true"),
            'invalid mount config for type "bind": bind source path does not exist: /no/such',
        ),
    ):
        assert sentence in volumes.fails(*arguments).err


def test_a_new_volume_is_filled_from_the_image_unless_told_not_to(volumes):
    assert "passwd" in shell(volumes, "-v", "filled:/etc", script="ls /etc").out
    assert "passwd" not in shell(volumes, "-v", "bare:/etc:nocopy", script="ls /etc").out
    mount = "type=volume,src=empty,dst=/etc,volume-nocopy"
    assert "passwd" not in shell(volumes, "--mount", mount, script="ls /etc").out


def test_read_only_mounts_are_so_also_below(volumes):
    host = volumes.lab.directory / "shared"
    (host / "below").mkdir(parents=True, exist_ok=True)
    (host / "file").write_text("hi\n")
    volumes.host("mount", "-t", "tmpfs", "below", str(host / "below"))
    try:
        for flags in (("-v", f"{host}:/x:ro"), ("--mount", f"type=bind,src={host},dst=/x,readonly")):
            tried = shell(volumes, *flags, script="touch /x/a; touch /x/below/a", check=False)
            assert tried.err.count("Read-only file system") == 2
        shallow = f"type=bind,src={host},dst=/x,readonly,bind-recursive=writable"
        shell(volumes, "--mount", shallow, script="touch /x/below/a")
        one = shell(volumes, "-v", f"{host}/file:/f:ro", script="cat /f; echo x > /f", check=False)
        assert one.out == "hi\n"
        assert "Read-only file system" in one.err
    finally:
        volumes.host("umount", str(host / "below"))


def test_a_part_of_a_volume_and_no_way_out_of_it(volumes):
    shell(volumes, "-v", "vol:/v", script="mkdir -p /v/a/b; echo c > /v/a/b/c; ln -s /etc /v/out")
    mount = "type=volume,src=vol,dst=/part,volume-subpath={}"
    assert shell(volumes, "--mount", mount.format("a/b"), script="ls /part").text == "c"
    assert shell(volumes, "--mount", mount.format("a/b/c"), script="cat /part").text == "c"
    for path in ("out", "nope"):
        refused = volumes.fails(*RUN, "--mount", mount.format(path), "busybox", "true")
        assert "cannot access path" in refused.err
    assert shell(volumes, "-v", "vol:/v", script="ls /v/a/b").text == "c"


def test_tmpfs_options(volumes):
    shown = shell(
        volumes,
        "--mount",
        "type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=1770",
        "--tmpfs",
        "/t:size=2m,mode=700,exec",
        script="stat -c '%n %a' /m /t; grep -E ' /(m|t) ' /proc/mounts",
    ).out
    assert "/m 1770" in shown
    assert "/t 700" in shown
    assert "size=1024k" in shown
    assert "size=2048k" in shown
    options = {line.split()[1]: line.split()[3] for line in shown.splitlines() if line.startswith("tmpfs")}
    assert "noexec" in options["/m"]
    assert "noexec" not in options["/t"]


def test_volumes_of_another_container_and_a_driver_with_options(volumes):
    volumes.docker("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=3m", "small")
    volumes.sleeper("owner", "-v", "small:/small")
    tried = shell(
        volumes, "--volumes-from", "owner:ro", script="df /small | tail -1; touch /small/x", check=False
    )
    assert tried.out.split()[1] == "3072"
    assert "Read-only file system" in tried.err
    (mount,) = volumes.inspect("owner")["Mounts"]
    assert (mount["Type"], mount["Name"], mount["Mode"], mount["RW"]) == ("volume", "small", "z", True)


def test_volume_events_and_prune(volumes):
    now = volumes.host("date", "+%s.%N").text
    shell(volumes, "-v", "named:/n", "-v", "/anonymous", script="true")
    until = volumes.host("date", "+%s.%N").text
    told = volumes.docker(
        *("events", "--since", now, "--until", until, "-f", "type=volume", "--format", "{{json .}}")
    ).lines
    actions = [json.loads(line)["Action"] for line in told]
    assert actions == ["create", "create", "mount", "mount", "unmount", "unmount", "destroy"]
    attributes = [json.loads(line)["Actor"]["Attributes"] for line in told]
    assert {a["destination"] for a in attributes if "destination" in a} == {"/n", "/anonymous"}
    volumes.docker("volume", "create", "--label", "keep", "kept")
    assert "Total reclaimed space: 0B" in volumes.docker("volume", "prune", "-f").out
    pruned = volumes.docker("volume", "prune", "-af", "--filter", "label!=keep").out
    assert "named" in pruned
    assert volumes.docker("volume", "ls", "-q").lines == ["kept"]


def test_disk_usage_and_system_prune(volumes):
    shell(volumes, "-v", "big:/b", script="head -c 50000 /dev/zero > /b/f")
    volumes.docker("run", "--name", "done", "busybox", "sh", "-c", "head -c 3000 /dev/zero > /f")
    rows = [json.loads(line) for line in volumes.docker("system", "df", "--format", "{{json .}}").lines]
    usage = {row["Type"]: row for row in rows}
    assert usage["Containers"]["Size"] == "3kB"
    assert usage["Containers"]["Reclaimable"] == "3kB (100%)"
    assert usage["Local Volumes"]["Reclaimable"] == "50kB (100%)"
    assert usage["Images"]["Active"] == "1"
    detailed = volumes.docker("system", "df", "-v").out
    assert "VOLUME NAME   LINKS     SIZE\nbig           0         50kB" in detailed
    volumes.docker("network", "create", "unused")
    pruned = volumes.docker("system", "prune", "-f").out
    assert "Deleted Networks:\nunused" in pruned
    assert "Total reclaimed space: 3kB" in pruned
    assert volumes.docker("ps", "-aq").text == ""
    assert volumes.docker("volume", "ls", "-q").lines == ["big"]


def test_copying_into_a_stopped_container_follows_its_links_into_volumes(volumes, tmp_path):
    file = tmp_path / "file"
    file.write_text("hello\n")
    volumes.docker("create", "--name", "box", "-v", "vol:/vol", "busybox", "ln", "-s", "/vol", "/link")
    volumes.docker("cp", str(file), "box:/vol/before")
    volumes.docker("start", "-a", "box")
    volumes.docker("cp", str(file), "box:/link/after")
    assert shell(volumes, "-v", "vol:/v", script="cat /v/before /v/after").out == "hello\nhello\n"
    missing = volumes.fails("cp", str(file), "box:/nodir/x")
    assert "Could not find the file /nodir in container box" in missing.err


def test_a_mount_is_never_replaced_by_a_copy(volumes, tmp_path):
    file = tmp_path / "hosts"
    file.write_text("nonsense\n")
    volumes.sleeper("box")
    assert "device or resource busy" in volumes.fails("cp", str(file), "box:/etc/hosts").err
    assert "localhost" in volumes.inside("box", "cat", "/etc/hosts").out
