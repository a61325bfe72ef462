"""Lead 127.0.0.11:53 of a sandbox to the resolver's sockets: Docker's rules, or nft's without iptables."""

from __future__ import annotations

import errno
import subprocess

from linkspan.model.errors import KernelError
from linkspan.path.dns.server import ADDRESS

PROGRAM = "iptables-restore"
ATTEMPT = f"leading {ADDRESS}:53 to the resolver"


def rules(datagram_port: int, stream_port: int, again: bool = False) -> str:
    """Return the input of iptables-restore --noflush for the two ports.

    Without `again` the chains are made, which fails as a whole if they are there; with it those that an
    earlier daemon made are emptied and filled anew.
    """
    ports = (("udp", datagram_port), ("tcp", stream_port))
    lines = ["*nat"]
    if again:
        lines += [":DOCKER_OUTPUT - [0:0]", ":DOCKER_POSTROUTING - [0:0]"]
    else:
        lines += ["-N DOCKER_OUTPUT", "-N DOCKER_POSTROUTING"]
        lines += [
            f"-A OUTPUT -d {ADDRESS} -j DOCKER_OUTPUT",
            f"-A POSTROUTING -d {ADDRESS} -j DOCKER_POSTROUTING",
        ]
    for protocol, port in ports:
        match = f"-d {ADDRESS} -p {protocol} --dport 53"
        lines.append(f"-A DOCKER_OUTPUT {match} -j DNAT --to-destination {ADDRESS}:{port}")
    for protocol, port in ports:
        lines.append(
            f"-A DOCKER_POSTROUTING -s {ADDRESS} -p {protocol} --sport {port} -j SNAT --to-source :53"
        )
    return "\n".join([*lines, "COMMIT", ""])


def nft_rules(datagram_port: int, stream_port: int) -> str:
    """Return the same for `nft -f -`: a table of our own, replaced as a whole if it is there."""
    table = "ip linkspan_dns"
    lines = [
        f"add table {table}",
        f"delete table {table}",
        f"add table {table}",
        f"add chain {table} output {{ type nat hook output priority -100; }}",
        f"add chain {table} postrouting {{ type nat hook postrouting priority 100; }}",
    ]
    for protocol, port in (("udp", datagram_port), ("tcp", stream_port)):
        lines += [
            f"add rule {table} output ip daddr {ADDRESS} {protocol} dport 53 dnat to {ADDRESS}:{port}",
            f"add rule {table} postrouting ip saddr {ADDRESS} {protocol} sport {port} snat to :53",
        ]
    return "\n".join([*lines, ""])


def install(datagram_port: int, stream_port: int) -> None:
    """Write the rules into the calling thread's namespace, replacing those of an earlier daemon.

    With iptables if it is installed, else with nft. Raises KernelError with what the program says.
    """
    refusal = ""
    try:
        for again in (False, True):
            said = _said([PROGRAM, "--noflush", "--wait"], rules(datagram_port, stream_port, again))
            if said is None:
                return
            refusal = refusal or said
    except (FileNotFoundError, PermissionError):
        refusal = _with_nft(datagram_port, stream_port)
    if refusal:
        raise KernelError(ATTEMPT, errno.EINVAL, refusal)


def _with_nft(datagram_port: int, stream_port: int) -> str:
    try:
        return _said(["nft", "-f", "-"], nft_rules(datagram_port, stream_port)) or ""
    except OSError as error:
        raise KernelError(
            ATTEMPT, error.errno or 0, f"neither {PROGRAM} nor nft is installed (apt-get install nftables)"
        ) from error


def _said(command: list[str], text: str) -> str | None:
    """What the program complains of; None when it did what it was told."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip()
