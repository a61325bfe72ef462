"""What can be changed and watched while containers run: published ports, captures, traffic."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path


class Capturing:
    """`linkspan capture` while it runs; Ctrl-C ends it."""

    def __init__(self, stage, name, *flags):
        self.stage, self.file = stage, flags[1]
        Path(self.file).unlink(missing_ok=True)
        command = [str(Path(sys.executable).parent / "linkspan"), "capture", name, *flags]
        environment = {**os.environ, **stage.lab.client_env}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        self.code = None

    def __enter__(self):
        self.stage.until(lambda: Path(self.file).exists() and Path(self.file).stat().st_size >= 24)
        return self

    def read(self):
        """The packets so far, read where the numbers of the links are those of the capture."""
        return self.stage.host("tcpdump", "-n", "-r", self.file, check=False).out

    def until(self, condition):
        self.stage.until(lambda: condition(self.read()))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=10)
        self.code = self.process.returncode


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
    stage.lab.daemon("--metrics-addr=127.0.0.1:9323")
    assert 'container="web",container_port="80",host_ip="0.0.0.0",host_port="8081"' in stage.get(
        "host", "http://127.0.0.1:9323/metrics"
    )
    strange = stage.host("curl", "-s", "-H", "Host: page.example", "http://127.0.0.1:9323/metrics").out
    assert strange == "metrics are told to this host alone: ask localhost\n"
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


def test_a_capture_has_exactly_the_packets_of_what_is_named(stage, tmp_path):
    stage.web("web", "-p", "8080:80")
    address = stage.address("web")
    linkspan, file = stage.lab.linkspan, tmp_path / "web.pcap"

    def captured(name, *flags, asks=("http://10.0.0.5:8080/",)):
        """What tcpdump reads out of a capture that Ctrl-C ends after somebody of the LAN has asked."""
        with Capturing(stage, name, "-w", str(file), *flags) as capture:
            for each in asks:
                assert stage.get("lan", each) == stage.inside("web", "hostname").text
            capture.until(lambda text: "Flags [F.]" in text)
        assert capture.code == 0
        return capture.read()

    inside = captured("web")
    assert f"> {address}.80: Flags [S]" in inside
    assert not re.search(r"\.8080[ :]", inside), "the digits alone may stand in a time or a sequence number"
    assert f"> {address}.80: Flags [S]" in captured("bridge")
    both = captured("8080")
    assert len(re.findall(r"eth0 +In .*> 10\.0\.0\.5\.8080: Flags \[S\]", both)) == 1
    assert len(re.findall(rf"docker0 Out .*> {re.escape(address)}\.80: Flags \[S\]", both)) == 1
    for arguments, code, text in (
        (("nobody",), 1, 'published port is called "nobody"'),
        (("web", "--filter", "nonsense ("), 1, "tcpdump refuses the filter"),
        (("web", "-w", "/nowhere/x.pcap"), 1, "/nowhere/x.pcap cannot be written"),
        (("web", "--count", "0"), 1, 'invalid count "0"'),
    ):
        refused = linkspan("capture", *arguments, check=False)
        assert (refused.code, text in refused.err) == (code, True), refused.both
    stage.docker("stop", "-t", "0", "web")
    assert "not running: linkspan start web" in linkspan("capture", "web", check=False).err


def api(stage, path):
    """What the daemon answers to a GET."""
    socket = stage.lab.docker_host.removeprefix("unix://")
    return stage.host("curl", "-s", "--unix-socket", socket, f"http://localhost{path}").out


def test_top_and_metrics_have_the_figures_of_docker_stats(stage):
    stage.web("web", "-p", "8080:80")
    for _ in range(3):
        assert stage.get("lan", "http://10.0.0.5:8080/")
    assert stage.get("host", "http://127.0.0.1:8080/")
    linkspan = stage.lab.linkspan

    def same():
        """Whether all three tell the same: a late packet (a router solicitation) may come in between."""
        sent = json.loads(api(stage, "/containers/web/stats?stream=false&one-shot=true"))["networks"]["eth0"]
        (found,) = json.loads(linkspan("top", "--json").out)["Containers"]
        (line,) = re.findall(r'receive_bytes_total\{container="web",id="\w+"\} (.*)', api(stage, "/metrics"))
        return (
            sent["rx_bytes"] == found["RxBytes"] == float(line) and sent["tx_packets"] == found["TxPackets"]
        )

    stage.until(same)
    (port,) = [
        each for each in json.loads(linkspan("top", "--json").out)["Ports"] if each["HostIp"] == "0.0.0.0"
    ]
    assert port["Connections"] >= 4, "one that just ends may be counted with its successor"
    shown = linkspan("top", "--once").out
    assert re.search(r"^web +[\d.]+kB ", shown, re.MULTILINE)
    assert re.search(r"^0\.0\.0\.0:8080/tcp +web +[4-9]", shown, re.MULTILINE)
    assert "httpd" in linkspan("top", "web").out
