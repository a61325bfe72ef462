"""What health checks are read as, and what their results make of a container's health."""

from __future__ import annotations

from linkspan.engine.health import LOG_LENGTH, Check, after, health_check
from linkspan.model.container import Health, Probe

GOOD, BAD = Probe("s", "e", 0, ""), Probe("s", "e", 1, "no")


def test_reading() -> None:
    assert health_check({}) is None
    assert health_check({"Healthcheck": {"Test": ["NONE"]}}) is None
    assert health_check({"Healthcheck": {"Test": ["CMD", "a", "b"]}}) == Check(("a", "b"))
    shell = health_check(
        {"Healthcheck": {"Test": ["CMD-SHELL", "a && b"], "Interval": 5 * 10**8, "Retries": 1}}
    )
    assert shell == Check(("/bin/sh", "-c", "a && b"), interval=0.5, retries=1)
    other = health_check({"Shell": ["/bin/ash", "-c"], "Healthcheck": {"Test": ["CMD-SHELL", "a"]}})
    assert other is not None
    assert other.args == ("/bin/ash", "-c", "a")


def test_unhealthy_after_so_many_failures_in_a_row() -> None:
    health = Health()
    for expected in ("starting", "starting", "unhealthy"):
        health = after(health, BAD, 3, starting_period=False)
        assert health.status == expected
    assert health.failing_streak == 3
    assert after(health, GOOD, 3, False) == Health("healthy", 0, (*health.log, GOOD))


def test_a_healthy_one_stays_so_until_then() -> None:
    health = after(Health("healthy"), BAD, 2, False)
    assert (health.status, health.failing_streak) == ("healthy", 1)


def test_failures_in_the_start_period_do_not_count() -> None:
    health = after(Health(), BAD, 1, starting_period=True)
    assert (health.status, health.failing_streak, health.log) == ("starting", 0, (BAD,))
    assert after(Health("healthy"), BAD, 1, starting_period=True).status == "unhealthy"


def test_the_log_is_short() -> None:
    health = Health()
    for _ in range(9):
        health = after(health, GOOD, 3, False)
    assert len(health.log) == LOG_LENGTH
