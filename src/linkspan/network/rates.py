"""The rates of an endpoint: the driver options `linkspan.rate`, `.in` and `.out`, in tc's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from linkspan.blueprint.parts import Part, Shaper
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Endpoint, EndpointConfig, Network

RATE = "linkspan.rate"
RATE_IN, RATE_OUT = f"{RATE}.in", f"{RATE}.out"
LEAST, MOST = 8_000, 1_000_000_000_000
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(bit|bps)", re.IGNORECASE | re.ASCII)
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "t": 1_000_000_000_000}


def parse_rate(text: str) -> int:
    """Return bits per second of "10mbit", "1.5gbit" or "500kbps" (bytes, as in tc); raises ValueError."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is no rate: 10mbit, 1.5gbit, or 500kbps for kilobytes')
    number, scale, unit = match.groups()
    rate = int(float(number) * _SCALE[scale.lower()] * (8 if unit.lower() == "bps" else 1))
    if not LEAST <= rate <= MOST:
        raise ValueError(f'"{text}" is no rate that can be kept: it must be between 8kbit and 1tbit')
    return rate


def rates(config: EndpointConfig) -> tuple[int, int]:
    """Return the bits per second into and out of the container, 0 for no limit; raises ValueError."""
    options = dict(config.driver_opts)
    both = options.get(RATE, "")
    into, out = (options.get(key, both) for key in (RATE_IN, RATE_OUT))
    return parse_rate(into) if into else 0, parse_rate(out) if out else 0


def check_rates(network: Network, config: EndpointConfig) -> None:
    """Raise InvalidParameter for a rate that cannot be read, or not be kept on the network's driver."""
    try:
        into, out = rates(config)
    except ValueError as error:
        raise InvalidParameter(f"invalid endpoint settings:\n{RATE}: {error}") from error
    if (into or out) and network.driver != "bridge":
        raise InvalidParameter(
            f"invalid endpoint settings:\n{RATE} needs a network of the driver bridge, and {network.name} is"
            f" {network.driver}"
        )


def shapers(endpoint: Endpoint) -> Iterator[Part]:
    """Yield the token buckets of an endpoint: into the container at its end on the host, out at its own."""
    into, out = rates(endpoint.config)
    if into and endpoint.host_link:
        yield Shaper(endpoint.host_link, into)
    if out and endpoint.host_link:
        yield Shaper(endpoint.link, out, endpoint.sandbox)
