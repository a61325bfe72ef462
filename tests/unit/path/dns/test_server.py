"""The orders of an answer with several addresses: whoever asks again finds another one first."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import pytest

from linkspan.path.dns.server import VARIANTS, _orders


def addresses(count):
    return [ip_address("172.18.0.2") + number for number in range(count)]


@pytest.mark.parametrize("count", [2, 3, 5, 12, 13, 40])
def test_each_address_is_first_equally_often(count):
    orders = _orders(addresses(count))
    leading = Counter(order[0] for order in orders)
    assert len(orders) >= VARIANTS
    assert set(leading) == set(addresses(count))
    assert len(set(leading.values())) == 1
    assert all(sorted(order) == addresses(count) for order in orders)


@pytest.mark.parametrize("count", [0, 1])
def test_one_address_or_none_has_one_order(count):
    assert _orders(addresses(count)) == [addresses(count)]
