"""What can be changed and watched while containers run: published ports, captures, traffic."""

from __future__ import annotations


def test_a_port_is_published_on_a_running_container_and_taken_back(own_stage):
    stage = own_stage
    stage.web("web", "-p", "8080:80")
    other = stage.sleeper("other")
    linkspan = stage.lab.linkspan
    pid = stage.inspect("web")["State"]["Pid"]
    assert (
        linkspan("port", "add", "web", "8081:80", "127.0.0.1:7000-7002:80-82")
        .lines[0]
        .startswith("80/tcp -> ")
    )
    name = stage.inside("web", "hostname").text
    for port in ("8080", "8081"):
        for where, address in (("host", "127.0.0.1"), ("lan", "10.0.0.5")):
            assert stage.get(where, f"http://{address}:{port}/") == name
    assert stage.get("lan", "http://10.0.0.5:7000/") == ""
    for text in (stage.docker("ps").out, stage.docker("port", "web").out):
        assert "0.0.0.0:8081" in text and "127.0.0.1:7000" in text
    taken = linkspan("port", "add", "other", "8081:80", check=False)
    assert taken.code == 1
    assert "Bind for 0.0.0.0:8081 failed: port is already allocated (by container web)" in taken.err
    assert linkspan("port", "other").out == "" and stage.inspect(other)["HostConfig"]["PortBindings"] == {}

    stage.lab.kill_daemon()
    stage.lab.daemon()
    stage.docker("restart", "-t", "0", "web")
    stage.until(lambda: stage.get("host", "http://127.0.0.1:8081/") == name)
    assert stage.inspect("web")["State"]["Pid"] != pid
    found = stage.inspect("web")
    assert found["HostConfig"]["PortBindings"]["80/tcp"][1] == {"HostIp": "", "HostPort": "8081"}

    linkspan("port", "rm", "web", "8081:80", "7001:81")
    assert stage.get("host", "http://127.0.0.1:8081/") == ""
    assert stage.get("host", "http://127.0.0.1:8080/") == name
    assert "81/tcp" not in stage.inspect("web")["HostConfig"]["PortBindings"]
    refused = linkspan("port", "rm", "web", "8081:80", check=False)
    assert (refused.code, "No public port '80/tcp' published for web on host port 8081" in refused.err) == (
        1,
        True,
    )
    stage.docker("rm", "-f", "web")
    linkspan("port", "add", "other", "8080:80")
