"""Bodies of one-off containers."""

from __future__ import annotations

from linkspan.compose import labels, oneoff
from linkspan.compose.oneoff import Changes

TEXT = """\
    services:
      a:
        image: busybox
        command: own
        restart: always
        ports: ["80:80"]
        environment: {A: 1, B: 1}
        networks: {n: {ipv4_address: 172.30.0.9, aliases: [q]}}
    networks: {n: {ipam: {config: [{subnet: 172.30.0.0/24}]}}}
    """


def test_as_it_is(desk):
    found = oneoff.body(desk.load(TEXT), "a", Changes(), "sha256:1")
    assert found["Cmd"] == ["own"]
    assert "RestartPolicy" not in found["HostConfig"]
    assert "PortBindings" not in found["HostConfig"]
    assert found["Labels"][labels.ONEOFF] == "True"
    assert labels.CONFIG_HASH not in found["Labels"]
    assert found["NetworkingConfig"]["EndpointsConfig"] == {"shop_n": {}}


def test_with_changes(desk):
    changes = Changes(
        command=("x", "y"),
        entrypoint="sh -c",
        environment=("B=2",),
        user="u",
        working_directory="/w",
        labels={"l": "1"},
        binds=("/a:/b",),
        bindings={"81/tcp": [{"HostIp": "", "HostPort": "81"}]},
        service_ports=True,
        aliases=True,
        remove=True,
        terminal=True,
    )
    found = oneoff.body(desk.load(TEXT), "a", changes, "")
    assert (found["Cmd"], found["Entrypoint"]) == (["x", "y"], ["sh", "-c"])
    assert found["Env"] == ["A=1", "B=2"]
    assert (found["User"], found["WorkingDir"], found["Tty"]) == ("u", "/w", True)
    assert found["Labels"]["l"] == "1"
    host = found["HostConfig"]
    assert (host["AutoRemove"], host["Binds"], set(host["PortBindings"])) == (
        True,
        ["/a:/b"],
        {"80/tcp", "81/tcp"},
    )
    assert "q" in found["NetworkingConfig"]["EndpointsConfig"]["shop_n"]["Aliases"]


def test_names_are_fresh(desk):
    project = desk.load(TEXT)
    one, two = oneoff.name(project, "a"), oneoff.name(project, "a")
    assert one != two
    assert one.startswith("shop-a-run-")


def test_the_surroundings(desk):
    wish = oneoff.surroundings("a", dependencies=False)
    assert (wish.services, wish.surroundings_of, wish.dependencies) == (("a",), "a", False)
