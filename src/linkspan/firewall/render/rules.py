"""A rule of iptables as a value, and the chains that rules live in."""

from __future__ import annotations

from dataclasses import dataclass

APPEND = "append"
INSERT = "insert"

RAW = "raw"
FILTER = "filter"
MANGLE = "mangle"
NAT = "nat"
SETUP_ORDER = (RAW, FILTER, MANGLE, NAT)
"""Fail-closed: what drops is there before what opens, and the address translation comes last."""

TEARDOWN_ORDER = (NAT, MANGLE, FILTER, RAW)

USER_CHAIN = "DOCKER-USER"
EGRESS_CHAIN = "LINKSPAN-EGRESS"
OWN_CHAINS = {
    FILTER: ("DOCKER", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-FORWARD", "DOCKER-INTERNAL", EGRESS_CHAIN),
    NAT: ("DOCKER",),
}
"""Chains whose whole content is ours, table by table. DOCKER-USER is the user's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `arguments` is exactly what iptables-save prints after "-A CHAIN "."""

    family: int
    table: str
    chain: str
    arguments: str
    position: str = APPEND

    @property
    def shared(self) -> bool:
        """Whether the rule lives in a chain where other people's rules live too."""
        return self.chain not in OWN_CHAINS.get(self.table, ())
