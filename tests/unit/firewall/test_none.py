"""No firewall does nothing."""

from __future__ import annotations

from linkspan.blueprint.facts import SkipOwnBridge
from linkspan.firewall.backend import Firewall
from linkspan.firewall.none import NoFirewall


def test_every_call_is_accepted() -> None:
    firewall: Firewall = NoFirewall()
    firewall.start()
    firewall.add([SkipOwnBridge("docker0")])
    firewall.remove([SkipOwnBridge("docker0")])
    assert firewall.heal() is False
    firewall.stop()
    assert firewall.name == "none"
