"""The lab's cables: which addresses and routes its three places have."""

from dataclasses import dataclass

HOST = "host"
LAN = "lan"
INTERNET = "internet"

HOST_ADDRESS = "10.0.0.5"
LAN_ADDRESS = "10.0.0.9"
HOST_ADDRESS_V6 = "fd00:10::5"
LAN_ADDRESS_V6 = "fd00:10::9"
UPLINK_ADDRESS = "100.64.0.2"
ROUTER_ADDRESS = "100.64.0.1"
INTERNET_ADDRESS = "198.51.100.1"
INTERNET_ADDRESS_V6 = "2001:db8:1::1"
RESOLVER_ADDRESS = "198.51.100.53"


@dataclass(frozen=True, slots=True)
class Cable:
    """A veth pair between the host and another place."""

    host_link: str
    place: str
    place_link: str


CABLES = (Cable("eth0", LAN, "eth0"), Cable("eth1", INTERNET, "eth0"))

#: `ip -batch` lines for each place, run once its cables are there.
ADDRESSES = {
    HOST: f"""\
addr add {HOST_ADDRESS}/24 dev eth0
addr add {HOST_ADDRESS_V6}/64 dev eth0 nodad
addr add {UPLINK_ADDRESS}/24 dev eth1
addr add 2001:db8::2/64 dev eth1 nodad
link set eth0 up
link set eth1 up
route add default via {ROUTER_ADDRESS}
route add default via 2001:db8::1
""",
    LAN: f"""\
addr add {LAN_ADDRESS}/24 dev eth0
addr add {LAN_ADDRESS_V6}/64 dev eth0 nodad
link set eth0 up
""",
    INTERNET: f"""\
addr add {ROUTER_ADDRESS}/24 dev eth0
addr add 2001:db8::1/64 dev eth0 nodad
addr add {INTERNET_ADDRESS}/32 dev lo
addr add 203.0.113.1/32 dev lo
addr add {RESOLVER_ADDRESS}/32 dev lo
addr add {INTERNET_ADDRESS_V6}/128 dev lo nodad
link set eth0 up
""",
}

#: The state of a machine that has never forwarded a packet, whatever the machine below does.
SYSCTLS = "\n".join(
    f"echo 0 > /proc/sys/{key}"
    for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding")
)
