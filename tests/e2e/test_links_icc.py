"""Legacy links with the docker command: the only way between containers of a default bridge without icc."""

from __future__ import annotations


def asked(stage, name: str, host: str) -> bool:
    url = f"http://{host}/"
    return stage.inside(name, "timeout", "1", "wget", "-qO-", url, check=False).code == 0


def test_linked_containers_talk_where_others_may_not(stage_with):
    stage = stage_with("--icc=false")
    stage.web("db", "--expose", "80")
    stage.sleeper("linked", "--link", "db:store")
    stage.sleeper("other")
    assert asked(stage, "linked", "store")
    assert not asked(stage, "other", stage.address("db"))
    stage.docker("restart", "-t", "0", "db")
    stage.until(lambda: asked(stage, "linked", "store"))
    before = len(stage.rules("filter"))
    stage.docker("rm", "-f", "linked")
    assert len(stage.rules("filter")) < before
