"""docker build: Dockerfiles become images, by buildah and without a network."""

from __future__ import annotations

import io
import tarfile

import docker
import pytest

DOCKERFILE = """\
ARG TAG=latest
FROM busybox:${TAG} AS base
ARG WORD=world
RUN echo hello $WORD > /greeting
COPY sub/data /data
FROM base AS last
CMD ["cat", "/greeting", "/data"]
LABEL made=here
"""


@pytest.fixture
def context(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/data").write_text("data\n")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


@pytest.fixture
def building(stage):
    """The shared stage; the images that a test makes go with it."""
    before = set(stage.docker("images", "-aq", "--no-trunc").lines)
    yield stage
    stage.docker("ps", "-aq")
    for id in dict.fromkeys(stage.docker("images", "-aq", "--no-trunc").lines):
        if id not in before:
            stage.docker("rmi", "-f", id)
    stage.docker("builder", "prune", "-f")


def test_stages_arguments_labels_and_names(building, context):
    arguments = ("-t", "mine:1", "-t", "mine:2", "--build-arg", "WORD=there", "--label", "l=x y")
    result = building.docker("build", *arguments, str(context))
    assert "Step 1/4 : FROM busybox:latest AS base" in result.out
    assert result.lines[-2:] == ["Successfully tagged mine:1", "Successfully tagged mine:2"]
    assert building.docker("run", "--rm", "mine:1").lines == ["hello there", "data"]
    labels = building.docker("inspect", "mine:2", "--format", "{{json .Config.Labels}}").text
    assert '"l":"x y"' in labels
    assert '"made":"here"' in labels


def test_a_second_build_uses_what_the_first_has_made(building, context):
    building.docker("build", "-t", "mine", str(context))
    assert " ---> Using cache" in building.docker("build", "-t", "mine", str(context)).out
    assert "Using cache" not in building.docker("build", "--no-cache", "-t", "mine", str(context)).out
    building.docker("builder", "prune", "-f")
    assert "Using cache" not in building.docker("build", "-t", "mine", str(context)).out


def test_an_image_of_ours_is_built_on(building, context):
    building.docker("build", "-t", "mine", "--target", "base", str(context))
    (context / "Second").write_text("FROM mine\nRUN cat /greeting\n")
    assert "hello world" in building.docker("build", "-f", str(context / "Second"), str(context)).out


def test_quietly_only_the_id_is_told(building, context):
    id = building.docker("build", "-q", "-t", "mine", str(context)).text
    assert id == building.docker("inspect", "mine", "--format", "{{.Id}}").text


def test_a_failing_step_has_dockers_words_and_its_code(building, context):
    (context / "Bad").write_text("FROM busybox\nRUN echo oops >&2; exit 3\n")
    result = building.fails("build", "-f", str(context / "Bad"), str(context))
    assert result.code == 3
    assert "oops" in result.out
    assert "The command '/bin/sh -c echo oops >&2; exit 3' returned a non-zero code: 3" in result.err
    assert "mine" not in building.docker("images").out


def test_commands_can_be_cut_off_the_network(building):
    dockerfile = "FROM busybox\nRUN ip -o link | wc -l > /links\nRUN grep -qx 1 /links\n"
    building.docker("build", "--network", "none", "-", input=dockerfile)
    result = building.fails("build", "--network", "front", "-", input=dockerfile)
    assert "building on the network front is not supported" in result.err


def test_the_sdk_builds_from_an_archive(building):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        content = b"FROM busybox\nRUN true\n"
        member = tarfile.TarInfo("dir/Dockerfile")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    file.seek(0)
    client = docker.DockerClient(base_url=building.lab.docker_host)
    try:
        image, log = client.images.build(
            fileobj=file, custom_context=True, encoding="gzip", dockerfile="dir/Dockerfile", tag="mine:7"
        )
        assert image.tags == ["mine:7"]
        assert any("Step 2/2" in line.get("stream", "") for line in log)
    finally:
        client.close()


def test_a_client_that_goes_away_ends_the_build(building, context):
    before = building.snapshot()
    (context / "Slow").write_text("FROM busybox\nRUN sleep 1000\n")
    path = f"cd {context} && tar c . | curl -s --max-time 2 --unix-socket {building.lab.socket} -T - "
    url = "'http://d/build?dockerfile=Slow'"
    building.host("bash", "-c", f"{path} -X POST -H 'Content-Type: application/x-tar' {url}", check=False)
    building.unchanged_since(before)


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("RUN true\n", "no build stage in current context"),
        ("FROM busybox\nFOO bar\n", "dockerfile parse error on line 2: unknown instruction: FOO"),
        (
            "FROM busybox\nCOPY missing /\n",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat missing",
        ),
        ("FROM UPPER\n", "repository name (library/UPPER) must be lowercase"),
    ],
)
def test_dockerfiles_that_cannot_be_built(building, context, dockerfile, said):
    (context / "Bad").write_text(dockerfile)
    result = building.fails("build", "-f", str(context / "Bad"), str(context))
    assert said in result.both


def test_without_buildah_its_package_is_named(lab, context, tmp_path):
    """The daemon's PATH has everything but buildah."""
    from linkspan.lab.lab import installed

    bare = tmp_path / "bin"
    bare.mkdir()
    for directory in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        listing = lab.run("host", "ls", directory).lines
        for name in listing:
            if name != "buildah" and not (bare / name).exists():
                (bare / name).symlink_to(f"{directory}/{name}")
    own = installed("linkspand").rpartition("/")[0]
    lab.daemon(env={"PATH": f"{own}:{bare}"})
    result = lab.docker("build", str(context), check=False)
    assert result.code == 1
    assert "install the Debian package 'buildah'" in result.err
