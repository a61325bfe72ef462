"""A container's /etc/hosts: loopback, --add-host, links, and the container's own names; pure text.

Source: moby's libnetwork/etchosts and sandbox_dns_unix.go (28).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from linkspan.model.addresses import Address
from linkspan.model.errors import InvalidParameter

HOST_GATEWAY = "host-gateway"
LOOPBACK4 = "127.0.0.1\tlocalhost\n"
LOOPBACK6 = (
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)

Line = tuple[Address, str]  # an address and its names, separated by blanks


def hosts_file(
    own: Iterable[Address],
    hostname: str,
    domainname: str = "",
    extra: Iterable[Line] = (),
    ipv6: bool = False,
) -> str:
    """Return the file of a container with the addresses `own`; `ipv6` says whether its lo has ::1.

    `extra` are the lines of --add-host (see `extra_hosts`) and of links, in their order.
    """
    names = own_names(hostname, domainname)
    lines = [*extra, *((address, names) for address in own)]
    return (
        LOOPBACK4 + (LOOPBACK6 if ipv6 else "") + "".join(f"{address}\t{name}\n" for address, name in lines)
    )


def host_mode_file(host_text: str, extra: Iterable[Line]) -> str:
    """Return the file of a container in the host's namespace: the host's, and the lines of --add-host."""
    text = host_text if not host_text or host_text.endswith("\n") else host_text + "\n"
    return text + "".join(f"{address}\t{name}\n" for address, name in extra)


def own_names(hostname: str, domainname: str = "") -> str:
    """Return the full name and the short one, or the only one."""
    full = f"{hostname}.{domainname}" if domainname else hostname
    short, dot, _ = full.partition(".")
    return f"{full} {short}" if dot else full


def link_line(address: Address, alias: str, container_id: str, container_name: str) -> Line:
    """Return the line of a legacy link: alias, short id and name of the other container."""
    names = (alias, container_id[:12], *((container_name,) if container_name != alias else ()))
    return address, " ".join(names)


def extra_hosts(entries: Sequence[str], host_gateway: Sequence[Address]) -> list[Line]:
    """Return the lines of --add-host entries `name:address`; host-gateway stands for all of `host_gateway`.

    Raises InvalidParameter with Docker's text.
    """
    lines: list[Line] = []
    for entry in entries:
        name, colon, value = entry.partition(":")
        if not colon or not name:
            raise InvalidParameter(f'bad format for add-host: "{entry}"')
        if value == HOST_GATEWAY:
            if not host_gateway:
                raise InvalidParameter("unable to derive the IP value for host-gateway")
            lines += [(address, name) for address in host_gateway]
        else:
            lines.append((_address(value), name))
    return lines


def _address(value: str) -> Address:
    try:
        return ip_address(value.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise InvalidParameter(f'invalid IP address in add-host: "{value}"') from error
