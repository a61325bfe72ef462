"""What comes back: shared networks after a restart, publishes on addresses that the host gets later."""

from __future__ import annotations

LATER = "10.9.9.9"


def test_peers_of_a_shared_network_get_it_back_when_its_owner_restarts(stage):
    stage.docker("network", "create", "front")
    stage.web("other", "--network", "front")
    stage.sleeper("owner", "--network", "front", "-p", "8085:8000")
    stage.docker(
        "run", "-d", "--name", "peer", "--network", "container:owner", "busybox", "httpd", "-f", "-p", "8000"
    )
    for end in (("restart", "-t0", "owner"), ("stop", "-t0", "owner"), ("start", "owner")):
        stage.docker(*end)
    assert stage.inside("peer", "wget", "-qO-", "http://other/").text == stage.inspect("other")["Id"][:12]
    assert "404" in stage.host("curl", "-s", "http://10.0.0.5:8085/").out
    stage.docker("rm", "-f", "peer")
    stage.docker("restart", "-t0", "owner")
    assert stage.inside("owner", "wget", "-qO-", "http://other/").text


def test_a_publish_on_an_address_that_comes_later_is_refused_by_hand_and_kept_at_a_boot(own_stage):
    stage = own_stage
    refused = stage.fails("run", "-d", "-p", f"{LATER}:8086:80", "busybox", "true")
    assert f"{LATER}:8086/tcp: cannot assign requested address" in refused.err
    stage.host("ip", "address", "add", f"{LATER}/32", "dev", "lo")
    stage.docker(
        "run",
        "-d",
        "--name",
        "web",
        "--restart",
        "always",
        "-p",
        f"{LATER}:8086:80",
        "busybox",
        "httpd",
        "-f",
    )
    stage.lab.stop_daemon()
    stage.host("ip", "address", "del", f"{LATER}/32", "dev", "lo")
    stage.lab.daemon()
    stage.until(lambda: stage.inspect("web")["State"]["Running"])
    assert f"this host has no address {LATER}" in stage.lab.daemon_log()
    stage.host("ip", "address", "add", f"{LATER}/32", "dev", "lo")
    assert "404" in stage.host("curl", "-s", "--max-time", "2", f"http://{LATER}:8086/").out
