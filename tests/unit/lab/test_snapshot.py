"""Snapshots: what is compared, and what changes by itself."""

from __future__ import annotations

from linkspan.lab.snapshot import MARK, Snapshot, script


def taken(title, *lines):
    return Snapshot.parse(f"{MARK}{title}\n" + "\n".join(lines) + "\n")


def test_the_script_names_every_section_and_directory():
    text = script(["/a", "/b"])
    assert text.count(MARK) == 11
    assert "find /a -xdev" in text and "find /b -xdev" in text


def test_carrier_and_index_do_not_count():
    before = taken("links", "3: docker0: <NO-CARRIER,BROADCAST,UP> mtu 1500 state DOWN mode DEFAULT")
    after = taken("links", "7: docker0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP mode DEFAULT")
    assert before == after


def test_a_new_link_shows_in_the_difference():
    before = taken("links", "1: lo: <UP>")
    after = taken("links", "1: lo: <UP>", "5: veth1234567@if4: <UP> master docker0")
    assert before.difference(after) == "links:\n  +veth1234567@if: <UP> master docker0"
    assert after.difference(before).startswith("links:\n  -veth")
    assert before.difference(before) == ""


def test_counters_do_not_count_but_order_does():
    one = taken("iptables", "# comment", ":FORWARD ACCEPT [0:0]", "-A FORWARD -j A", "-A FORWARD -j B")
    two = taken("iptables", "# other", ":FORWARD ACCEPT [9:900]", "-A FORWARD -j A", "-A FORWARD -j B")
    turned = taken("iptables", ":FORWARD ACCEPT [0:0]", "-A FORWARD -j B", "-A FORWARD -j A")
    assert one == two
    assert one != turned


def test_link_local_addresses_do_not_count():
    line = "4: docker0    inet6 fe80::42:1/64 scope link"
    assert taken("addresses", line) == taken("addresses")


def test_sockets_without_process_ids():
    one = taken("sockets", 'tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:* users:(("linkspan-proxy",pid=7,fd=4))')
    assert one["sockets"] == ('tcp 0.0.0.0:8080 users:(("linkspan-proxy"))',)


def test_the_labs_own_processes_do_not_count():
    lines = [
        "1 0 bash -c x",
        "9 1 cat",
        "10 0 bash -s",
        "11 10 ps -wweo pid=,ppid=,args=",
        "12 1 conmon -b x",
    ]
    assert taken("processes", *lines)["processes"] == ("conmon -b x",)


def test_empty_tables_and_what_the_engine_keeps_do_not_count():
    empty = ["*raw", ":PREROUTING ACCEPT [1:2]", "COMMIT"]
    full = ["*nat", ":DOCKER - [0:0]", "COMMIT", "*filter", ":FORWARD DROP [0:0]", "COMMIT"]
    assert taken("iptables", *empty)["iptables"] == ()
    assert taken("iptables", *empty, *full)["iptables"] == ("*nat", ":DOCKER -", "*filter", ":FORWARD DROP")
    kept = ["/tmp/lab/exec/netns", "/tmp/lab/exec/proxy.sock", "/tmp/lab/data/containers"]
    assert taken("files", *kept, "/tmp/lab/exec/netns/0123456789ab")["files"] == (
        "/tmp/lab/exec/netns/0123456789ab",
    )
    assert taken("cgroups", "/sys/fs/cgroup/cpu/linkspan", "/sys/fs/cgroup/cpu/linkspan/x")["cgroups"] == (
        "/sys/fs/cgroup/cpu/linkspan/x",
    )
