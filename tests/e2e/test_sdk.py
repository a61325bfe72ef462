"""The docker SDK from PyPI against our socket."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import docker.errors
import pytest

#: The SDK leaves sockets of streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def sdk(stage, sdk_streams) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=stage.lab.docker_host, timeout=20)
    yield client
    client.close()


def test_ping_version_info(sdk):
    assert sdk.ping()
    assert sdk.version()["ApiVersion"]
    assert sdk.info()["OSType"] == "linux"


def test_run_returns_the_output(sdk):
    assert sdk.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"


def test_run_raises_the_exit_code(sdk):
    with pytest.raises(docker.errors.ContainerError) as caught:
        sdk.containers.run("busybox", ["sh", "-c", "echo no >&2; exit 3"], remove=True)
    assert caught.value.exit_status == 3
    assert b"no" in caught.value.stderr


def test_detached_with_ports(sdk, stage):
    container = sdk.containers.run(
        "busybox", ["httpd", "-f", "-p", "80"], detach=True, ports={"80/tcp": 8080}, name="c1"
    )
    container.reload()
    assert container.status == "running"
    assert container.ports["80/tcp"] == [
        {"HostIp": "0.0.0.0", "HostPort": "8080"},
        {"HostIp": "::", "HostPort": "8080"},
    ]
    assert stage.lab.run("lan", "curl", "-s", "-o", "/dev/null", "http://10.0.0.5:8080/").code == 0
    container.remove(force=True)


def test_exec_and_logs(sdk):
    container = sdk.containers.run("busybox", ["sh", "-c", "echo logged; sleep 1000"], detach=True)
    code, output = container.exec_run(["sh", "-c", "echo inside; exit 4"])
    assert (code, output) == (4, b"inside\n")
    stream = container.logs(stream=True, follow=True)
    assert next(iter(stream)) == b"logged\n"
    stream.close()
    assert container.logs() == b"logged\n"


def test_demultiplexed_exec(sdk):
    container = sdk.containers.run("busybox", ["sleep", "1000"], detach=True)
    result = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert result.output == (b"out\n", b"err\n")


def test_networks(sdk):
    pool = docker.types.IPAMPool(subnet="10.5.0.0/24", gateway="10.5.0.254")
    network = sdk.networks.create(
        "front", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={"a": "b"}
    )
    container = sdk.containers.run("busybox", ["sleep", "1000"], detach=True, network="front")
    container.reload()
    assert container.attrs["NetworkSettings"]["Networks"]["front"]["IPAddress"].startswith("10.5.0.")
    network.reload()
    assert network.containers == [container]
    other = sdk.containers.run("busybox", ["sleep", "1000"], detach=True)
    network.connect(other, ipv4_address="10.5.0.77", aliases=["x"])
    other.reload()
    assert other.attrs["NetworkSettings"]["Networks"]["front"]["IPAddress"] == "10.5.0.77"
    network.disconnect(other)
    with pytest.raises(docker.errors.APIError) as caught:
        network.remove()
    assert caught.value.status_code == 403
    assert sdk.networks.list(filters={"label": "a=b"}) == [network]


def test_not_found(sdk):
    with pytest.raises(docker.errors.NotFound):
        sdk.containers.get("nobody")
    with pytest.raises(docker.errors.ImageNotFound):
        sdk.images.get("nothing")
    with pytest.raises(docker.errors.NotFound):
        sdk.networks.get("nowhere")


def test_wait_and_stop(sdk):
    container = sdk.containers.run("busybox", ["sh", "-c", "sleep 0.2; exit 5"], detach=True)
    assert container.wait()["StatusCode"] == 5
    other = sdk.containers.run("busybox", ["sleep", "1000"], detach=True)
    other.stop(timeout=0)
    other.reload()
    assert other.status == "exited"


def test_events(sdk):
    events = sdk.events(decode=True, filters={"type": "container"})
    sdk.containers.run("busybox", ["true"], remove=True)
    seen = []
    for event in events:
        seen.append(event["Action"])
        if event["Action"] == "destroy":
            break
    events.close()
    assert [each for each in seen if each in ("create", "start", "die", "destroy")] == [
        *("create", "start", "die", "destroy")
    ]


def test_images(sdk):
    image = sdk.images.get("busybox")
    assert image.tags == ["busybox:latest"]
    assert image.tag("other", "1")
    assert "other:1" in sdk.images.get("other:1").tags
    sdk.images.remove("other:1")


def test_stats_once(sdk):
    container = sdk.containers.run("busybox", ["sleep", "1000"], detach=True)
    figures = container.stats(stream=False)
    assert figures["networks"]["eth0"]["rx_bytes"] >= 0
    assert figures["memory_stats"]["usage"] > 0


def test_top_and_diff(sdk):
    container = sdk.containers.run("busybox", ["sh", "-c", "touch /made; sleep 1000"], detach=True)
    assert container.top()["Processes"]
    assert {"Path": "/made", "Kind": 1} in container.diff()
