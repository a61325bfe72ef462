"""--cap-add, --cap-drop and --privileged."""

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime import capabilities as caps


def test_docker_s_default_is_its_well_known_mask():
    assert sum(1 << caps.ALL.index(name) for name in caps.DEFAULT) == 0xA80425FB
    assert set(caps.effective()) == set(caps.DEFAULT)


def test_add_and_drop():
    assert set(caps.effective(("net_admin",))) == {*caps.DEFAULT, "CAP_NET_ADMIN"}
    assert set(caps.effective((), ("CAP_CHOWN",))) == set(caps.DEFAULT) - {"CAP_CHOWN"}
    assert caps.effective(("CHOWN",), ("all",)) == ("CAP_CHOWN",)
    assert caps.effective(("ALL",), ("CHOWN",)) == tuple(n for n in caps.ALL if n != "CAP_CHOWN")
    assert caps.effective(("ALL",), ("ALL",)) == caps.ALL


def test_nothing_is_given_that_the_daemon_has_not():
    known = caps.from_mask(0b101)
    assert known == ("CAP_CHOWN", "CAP_DAC_READ_SEARCH")
    assert caps.effective(privileged=True, known=known) == known
    assert caps.effective(("DAC_READ_SEARCH",), known=known) == known


def test_an_unknown_name_is_refused():
    with pytest.raises(InvalidParameter, match='unknown capability: "CAP_NOPE"'):
        caps.effective(("nope",))
