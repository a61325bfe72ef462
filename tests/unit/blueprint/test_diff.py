"""The difference between two blueprints, carried out on a model of the kernel, always arrives."""

from ipaddress import ip_interface

from hypothesis import given
from hypothesis import strategies as st

from linkspan.blueprint.diff import diff
from linkspan.blueprint.parts import Address, Bridge, Route, Sysctl, VethPair
from linkspan.blueprint.steps import Add, Remove, links_of, needs

BRIDGE = Bridge("br-1")
WEB = VethPair("veth1", "eth0", "/web", "br-1")
OWN = Address("br-1", ip_interface("10.1.0.1/24"))
INNER = Address("eth0", ip_interface("10.1.0.2/24"), "/web")
FORWARD = Sysctl("net.ipv4.ip_forward", "1")
TUNED = Sysctl("net.ipv4.conf.eth0.forwarding", "1", "/web")
ORDER = [FORWARD, BRIDGE, OWN, WEB, TUNED, INNER]


def test_equal_blueprints_need_no_step():
    assert diff(ORDER, ORDER) == ()


def test_from_nothing_everything_is_added_in_order():
    assert diff((), ORDER) == tuple(map(Add, ORDER))


def test_a_link_takes_along_what_hangs_on_it():
    assert diff(ORDER, [FORWARD, BRIDGE, OWN]) == (Remove(WEB),)


def test_what_hangs_on_a_changed_link_is_made_again():
    changed = VethPair("veth1", "eth0", "/web", "br-1", mtu=1400)
    assert diff([BRIDGE, WEB, INNER], [BRIDGE, changed, INNER]) == (Remove(WEB), Add(changed), Add(INNER))


def test_a_changed_bridge_takes_the_pairs_on_it_along():
    changed = Bridge("br-1", mtu=1400)
    assert diff([BRIDGE, WEB, INNER], [changed, WEB, INNER]) == (
        Remove(WEB), Remove(BRIDGE), Add(changed), Add(WEB), Add(INNER),
    )  # fmt: skip


def carried_out(parts, steps):
    """Do what the kernel would do; fail where it would."""
    kernel = set(parts)
    for step in steps:
        if isinstance(step, Add):
            assert step.part not in kernel
            present = frozenset().union(*map(links_of, kernel))
            assert needs(step.part) <= present
            if isinstance(step.part, VethPair):
                assert ("", step.part.bridge) in present
            assert not links_of(step.part) & present
            kernel.add(step.part)
        else:
            kernel.remove(step.part)
            kernel = {part for part in kernel if not needs(part) & links_of(step.part)}
    return kernel


@st.composite
def blueprints(draw):
    """A blueprint that makes sense: what is plugged in has its bridge, what hangs on a link has the link."""
    parts = []
    for bridge in draw(st.sets(st.sampled_from(["br-1", "br-2"]))):
        parts.append(Bridge(bridge, draw(st.sampled_from([1400, 1500]))))
        parts += draw(st.lists(st.sampled_from([Address(bridge, ip_interface("10.1.0.1/24"))]), max_size=1))
        for number in draw(st.sets(st.integers(1, 2))):
            sandbox = f"/{bridge}-{number}"
            parts.append(VethPair(f"{bridge}v{number}", "eth0", sandbox, bridge))
            inner = [Address("eth0", ip_interface(f"10.1.0.{n}/24"), sandbox) for n in (8, 9)]
            parts += draw(st.lists(st.sampled_from([*inner, Route("eth0", sandbox=sandbox)]), unique=True))
    return parts


@given(blueprints(), blueprints())
def test_the_steps_lead_from_any_blueprint_to_any_other(actual, wanted):
    assert carried_out(actual, diff(actual, wanted)) == set(wanted)
