"""Start and stop write only the difference to the shared chains."""

from __future__ import annotations

from linkspan.firewall.render import ground
from linkspan.firewall.render.iptables import base_jumps, base_rules
from linkspan.firewall.render.restore import document, parse
from linkspan.firewall.render.rules import INSERT, Rule

BARE = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
MASQUERADE = Rule(4, "nat", "POSTROUTING", "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", INSERT)
NOTED = Rule(4, "nat", "POSTROUTING", MASQUERADE.arguments)


def start(
    saved: str, *, noted: tuple[Rule, ...] = (), wanted: tuple[Rule, ...] = (), proxy: bool = True
) -> str:
    jumps = base_jumps(4, proxy)
    return document(ground.start(parse(saved), noted, jumps, [*base_rules(4), *wanted]).sections)


def test_start_on_a_bare_host() -> None:
    assert start(BARE) == (
        "*filter\n"
        ":DOCKER - [0:0]\n:DOCKER-BRIDGE - [0:0]\n:DOCKER-CT - [0:0]\n:DOCKER-FORWARD - [0:0]\n"
        ":DOCKER-INTERNAL - [0:0]\n:LINKSPAN-EGRESS - [0:0]\n:DOCKER-USER - [0:0]\n"
        "-I FORWARD 1 -j DOCKER-USER\n-I FORWARD 2 -j DOCKER-FORWARD\n"
        "-A DOCKER-FORWARD -j DOCKER-CT\n-A DOCKER-FORWARD -j DOCKER-INTERNAL\n"
        "-A DOCKER-FORWARD -j DOCKER-BRIDGE\nCOMMIT\n"
        "*nat\n:DOCKER - [0:0]\n"
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n"
    )


def test_start_moves_the_jumps_to_the_head_of_forward() -> None:
    saved = (
        "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n"
        "-A FORWARD -i eth0 -j ACCEPT\n-A FORWARD -j DOCKER-USER\nCOMMIT\n"
    )
    text = start(saved)
    assert "-D FORWARD -j DOCKER-USER\n-I FORWARD 1 -j DOCKER-USER\n-I FORWARD 2 -j DOCKER-FORWARD\n" in text
    assert ":DOCKER-USER" not in text


def test_start_leaves_jumps_that_stand_right() -> None:
    saved = (
        "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n"
        "-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\nCOMMIT\n"
        "*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n"
    )
    text = start(saved)
    assert "FORWARD 1" not in text
    assert "PREROUTING" not in text
    assert "OUTPUT" not in text


def test_start_exchanges_the_jump_of_the_other_proxy_setting() -> None:
    saved = "*nat\n-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n"
    noted = (base_jumps(4)[-1],)
    text = start(saved, noted=noted, proxy=False)
    assert text.count("-D OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n") == 1
    assert "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER\n" in text


def test_start_removes_what_an_earlier_run_noted_and_nobody_wants() -> None:
    saved = f"*nat\n-A POSTROUTING {MASQUERADE.arguments}\n-A POSTROUTING {MASQUERADE.arguments}\nCOMMIT\n"
    assert start(saved, noted=(NOTED,)).count(f"-D POSTROUTING {MASQUERADE.arguments}\n") == 1
    assert "-D POSTROUTING" not in start(saved)


def test_start_does_not_touch_what_is_wanted_again() -> None:
    saved = f"*nat\n-A POSTROUTING {MASQUERADE.arguments}\nCOMMIT\n"
    assert "POSTROUTING" not in start(saved, noted=(NOTED,), wanted=(MASQUERADE,))
    assert f"-I POSTROUTING {MASQUERADE.arguments}" in start(saved, wanted=(MASQUERADE,))


def test_start_tells_what_to_note() -> None:
    plan = ground.start(parse(BARE), [], base_jumps(4), [MASQUERADE])
    assert plan.shared == [*base_jumps(4), ground.user_chain(4), NOTED]
    theirs = "*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT\n"
    assert ground.start(parse(theirs), [], base_jumps(4), []).shared == base_jumps(4)[1:]


STANDING = (
    "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-FORWARD - [0:0]\n:DOCKER-USER - [0:0]\n"
    "-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n{extra}-A DOCKER-FORWARD -j ACCEPT\nCOMMIT\n"
)


def stop(saved: str, *noted: Rule) -> str:
    return document(ground.stop(parse(saved), noted, 4).sections)


def test_stop_takes_away_what_is_ours() -> None:
    saved = STANDING.format(extra="") + f"*nat\n:DOCKER - [0:0]\n-A POSTROUTING {NOTED.arguments}\nCOMMIT\n"
    assert stop(saved, NOTED, ground.user_chain(4), *base_jumps(4)) == (
        f"*nat\n-D POSTROUTING {NOTED.arguments}\n-F DOCKER\n-X DOCKER\nCOMMIT\n"
        "*filter\n-D FORWARD -j DOCKER-FORWARD\n-D FORWARD -j DOCKER-USER\n"
        "-F DOCKER\n-F DOCKER-FORWARD\n-X DOCKER\n-X DOCKER-FORWARD\n-X DOCKER-USER\nCOMMIT\n"
    )


def test_stop_keeps_the_users_chain_and_lookalikes() -> None:
    saved = STANDING.format(extra="-A DOCKER-USER -s 10.0.0.0/8 -j DROP\n")
    text = stop(
        saved + f"*nat\n-A POSTROUTING {NOTED.arguments}\nCOMMIT\n", ground.user_chain(4), *base_jumps(4)
    )
    assert "USER" not in text
    assert "POSTROUTING" not in text


def test_stop_leaves_a_chain_that_somebody_else_uses() -> None:
    text = stop(STANDING.format(extra="-A FORWARD -i tun0 -g DOCKER\n"), ground.user_chain(4))
    assert "-F DOCKER\n" in text
    assert "-X DOCKER\n" not in text
    assert "-X DOCKER-FORWARD\n" in text


def test_stop_of_a_bare_host_writes_nothing() -> None:
    assert stop(BARE) == ""
