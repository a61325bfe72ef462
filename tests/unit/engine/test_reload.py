"""A reload takes over what the file says and may change, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from linkspan.engine.reload import attributes, reloaded
from linkspan.engine.settings import DaemonSettings
from linkspan.network.settings import NetworkSettings

PRESENT = DaemonSettings(labels=("a=b",), data_root=Path("/d"), shutdown_timeout=20)


def test_only_what_the_file_says_changes():
    wanted = DaemonSettings(
        labels=("a=c",), debug=True, live_restore=True, from_file=frozenset({"label", "live-restore"})
    )
    assert reloaded(PRESENT, wanted) == replace(PRESENT, labels=("a=c",), live_restore=True)


def test_what_needs_a_restart_stays():
    wanted = DaemonSettings(
        hosts=("unix:///other",),
        network=NetworkSettings(mtu=1400),
        shutdown_timeout=7,
        insecure_registries=("r.test",),
        debug=True,
        from_file=frozenset({"host", "mtu", "shutdown-timeout", "insecure-registry", "debug"}),
    )
    changed = reloaded(PRESENT, wanted)
    assert (changed.hosts, changed.network) == (PRESENT.hosts, PRESENT.network)
    assert (changed.shutdown_timeout, changed.insecure_registries, changed.debug) == (7, ("r.test",), True)


def test_the_event_tells_how_it_is_now():
    told = attributes(replace(PRESENT, live_restore=True))
    assert told["labels"] == '["a=b"]'
    assert (told["live-restore"], told["debug"], told["shutdown-timeout"]) == ("true", "false", "20")
    assert told["insecure-registries"] == "[]"
    assert told["name"]
