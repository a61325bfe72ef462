"""Repairs are counted by what was repaired, and more than a few in half a minute do not last."""

from linkspan.network.patience import TIMES, WITHIN, Patience


def test_a_few_repairs_last_and_one_more_does_not():
    now = [0.0]
    patience = Patience(lambda: now[0])
    assert all(patience.lasts("rules") for _ in range(TIMES))
    assert not patience.lasts("rules")
    assert patience.lasts("links")
    now[0] = WITHIN
    assert patience.lasts("rules")
