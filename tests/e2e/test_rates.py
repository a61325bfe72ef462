"""Rates of one endpoint: real bytes take their time, both ways, and the bucket goes with the endpoint."""

from __future__ import annotations

import time

RATE = "driver-opt=linkspan.rate.in=8mbit,driver-opt=linkspan.rate.out=16mbit"
BYTES = 1_000_000


def seconds(stage, *argv: str) -> float:
    begun = time.monotonic()
    stage.host(*argv)
    return time.monotonic() - begun


def test_bytes_take_their_time_both_ways(stage):
    stage.docker("network", "create", "slow")
    stage.sleeper("tortoise", "--network", f"name=slow,{RATE}")
    stage.sleeper("hare", "--network", "slow")
    address = stage.address("tortoise", "slow")
    key = stage.inspect("tortoise")["NetworkSettings"]["SandboxKey"]
    host_link = stage.veths()[0]
    receive = f"timeout 9 nc -l -p 9000 | head -c {BYTES} >/dev/null"
    stage.docker("exec", "-d", "tortoise", "sh", "-c", receive)
    send = f"head -c {BYTES} /dev/zero | socat -u - TCP:{address}:9000,retry=20,interval=0.05"
    into = seconds(stage, "bash", "-c", send)
    serve = f"head -c {BYTES} /dev/zero | timeout 9 nc -l -p 9001"
    stage.docker("exec", "-d", "tortoise", "sh", "-c", serve)
    fetch = f"socat -u TCP:{address}:9001,retry=20,interval=0.05 - | wc -c"
    out = seconds(stage, "bash", "-c", fetch)
    # A second and half of one, less what socket buffers hold; without a rate it takes some milliseconds.
    assert 0.4 < into < 5, into
    assert 0.2 < out < 5, out
    assert "tbf" in stage.host("tc", "qdisc", "show", "dev", host_link).out
    assert "rate 16Mbit" in stage.host("nsenter", f"--net={key}", "tc", "qdisc", "show", "dev", "eth0").out
    shown = stage.inspect("tortoise")["NetworkSettings"]["Networks"]["slow"]["DriverOpts"]
    assert shown == {"linkspan.rate.in": "8mbit", "linkspan.rate.out": "16mbit"}


def test_the_rate_comes_and_goes_with_the_endpoint(stage):
    stage.docker("network", "create", "slow")
    stage.sleeper("web")
    stage.docker("network", "connect", "--driver-opt", "linkspan.rate=1mbit", "slow", "web")
    shown = stage.host("tc", "qdisc", "show").out
    assert shown.count("tbf") == 1
    stage.docker("restart", "-t0", "web")
    assert stage.host("tc", "qdisc", "show").out.count("tbf") == 1
    stage.docker("network", "disconnect", "slow", "web")
    assert "tbf" not in stage.host("tc", "qdisc", "show").out


def test_rates_that_cannot_be_are_refused_at_create(stage):
    stage.docker("network", "create", "slow")
    for rate in ("fast", "10", "9tbit"):
        refused = stage.fails("create", "--network", f"name=slow,driver-opt=linkspan.rate={rate}", "busybox")
        assert f'"{rate}" is no rate' in refused.err
    stage.sleeper("web")
    refused = stage.fails("network", "connect", "--driver-opt", "linkspan.rate=fast", "slow", "web")
    assert '"fast" is no rate' in refused.err
