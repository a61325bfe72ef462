"""What IptablesFirewall refuses before it touches the kernel (the rest is tested against the kernel)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.blueprint.facts import LoopbackOnly
from linkspan.firewall.backend import Firewall
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.model.errors import LinkspanError


def test_a_missing_iptables_names_the_package() -> None:
    firewall: Firewall = IptablesFirewall("iptables-of-nobody")
    with pytest.raises(LinkspanError, match="install the package iptables"):
        firewall.start()


def test_facts_are_refused_before_start() -> None:
    with pytest.raises(LinkspanError, match="iptables has not been started"):
        IptablesFirewall().add([LoopbackOnly("tcp", ip_address("127.0.0.1"), 80)])


def test_without_raw_such_facts_are_true_already() -> None:
    firewall = IptablesFirewall(raw=False)
    firewall.add([LoopbackOnly("tcp", ip_address("127.0.0.1"), 80)])
    firewall.remove([LoopbackOnly("tcp", ip_address("127.0.0.1"), 80)])
