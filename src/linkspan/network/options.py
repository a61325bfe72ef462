"""The options of a bridge network, read from its `-o` pairs and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from linkspan.model.addresses import Address
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network
from linkspan.model.numbers import is_number

BRIDGE = "com.docker.network.bridge."
MTU = "com.docker.network.driver.mtu"
IFACE_PREFIX = "com.docker.network.container_iface_prefix"
HOST_SOURCE = {4: "com.docker.network.host_ipv4", 6: "com.docker.network.host_ipv6"}
ADVERTISE_COUNT = "com.docker.network.advertise_addr_nmsgs"
ADVERTISE_INTERVAL = "com.docker.network.advertise_addr_ms"
ENABLE_FAMILY = {4: "com.docker.network.enable_ipv4", 6: "com.docker.network.enable_ipv6"}
DEFAULT_MTU = 1500
GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
ENDPOINT_MAC = "com.docker.network.endpoint.macaddress"
ENDPOINT_IFNAME = "com.docker.network.endpoint.ifname"
ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"

YES = frozenset({"1", "t", "T", "TRUE", "true", "True"})
NO = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """What the `-o` options of a bridge network say; the defaults are Docker's.

    `mtu` is in bytes; `advertise` is how often a new interface tells its addresses, every
    `advertise_interval` seconds.
    """

    icc: bool = True
    masquerade: bool = True
    inhibit_ipv4: bool = False
    host_binding: Address | None = None
    mtu: int = 1500
    modes: tuple[str, str] = ("nat", "nat")
    sources: tuple[Address | None, Address | None] = (None, None)
    trusted: tuple[str, ...] = ()
    interface_prefix: str = "eth"
    advertise: int = 3
    advertise_interval: float = 1.0

    def mode(self, version: int) -> str:
        """Return the gateway mode of one family: nat, nat-unprotected, routed or isolated."""
        return self.modes[0 if version == 4 else 1]

    def source(self, version: int) -> Address | None:
        """Return the address for SNAT of one family, None for masquerading."""
        return self.sources[0 if version == 4 else 1]


def bridge_options(network: Network) -> BridgeOptions:
    """Read the options of a bridge network; raises InvalidParameter for a value that cannot be."""
    return _read(network.options, network.mtu, network.internal)


@lru_cache(256)
def _read(options: tuple[tuple[str, str], ...], mtu: int, internal: bool) -> BridgeOptions:
    """Read options; remembered, since every published port of every container asks for them."""
    given = dict(options)
    trusted = given.get(BRIDGE + "trusted_host_interfaces", "")
    return BridgeOptions(
        icc=_flag(given, BRIDGE + "enable_icc", True),
        masquerade=_flag(given, BRIDGE + "enable_ip_masquerade", True),
        inhibit_ipv4=_flag(given, BRIDGE + "inhibit_ipv4", False),
        host_binding=_address(given, BRIDGE + "host_binding_ipv4"),
        mtu=_mtu(given) or mtu or DEFAULT_MTU,
        modes=(_mode(given, "ipv4", internal), _mode(given, "ipv6", internal)),
        sources=(_address(given, HOST_SOURCE[4]), _address(given, HOST_SOURCE[6])),
        trusted=tuple(name for name in trusted.split(":") if name),
        interface_prefix=given.get(IFACE_PREFIX) or "eth",
        advertise=_number(given, ADVERTISE_COUNT, 3, 0, 3),
        advertise_interval=_number(given, ADVERTISE_INTERVAL, 1000, 100, 2000) / 1000,
    )


def _flag(given: dict[str, str], key: str, default: bool) -> bool:
    text = given.get(key, "")
    if text in YES or text in NO:
        return text in YES
    if text:
        raise InvalidParameter(
            f'failed to parse {key} value: strconv.ParseBool: parsing "{text}": invalid syntax'
        )
    return default


def _mtu(given: dict[str, str]) -> int:
    text = given.get(MTU, "")
    if not text or text == "0":
        return 0
    if not is_number(text):
        reason = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise InvalidParameter(f"failed to parse {MTU} value: {reason}")
    if not 68 <= int(text) <= 65535:
        raise InvalidParameter(f"invalid MTU {text}: it must be between 68 and 65535")
    return int(text)


def _number(given: dict[str, str], key: str, default: int, least: int, most: int) -> int:
    """Return a whole number within its limits. Source of the text: moby, netutils."""
    text = given.get(key, "")
    if not text:
        return default
    if not is_number(text) or not least <= int(text) <= most:
        raise InvalidParameter(f"{key} must be in the range {least} to {most}")
    return int(text)


def _mode(given: dict[str, str], family: str, internal: bool) -> str:
    mode = given.get(f"{BRIDGE}gateway_mode_{family}") or "nat"
    if mode not in GATEWAY_MODES:
        raise InvalidParameter(f"unknown gateway mode {mode}")
    if mode == "isolated" and not internal:
        raise InvalidParameter("gateway mode 'isolated' can only be used for an internal network")
    return mode


def _address(given: dict[str, str], key: str) -> Address | None:
    if not (text := given.get(key, "")):
        return None
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidParameter(f"invalid value {text} for {key}: {error}") from error
