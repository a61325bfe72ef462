"""Lead 127.0.0.11:53 of a sandbox to the resolver's sockets, with the rules that Docker writes."""

from __future__ import annotations

import errno
import subprocess

from linkspan.model.errors import KernelError
from linkspan.path.dns.server import ADDRESS

PROGRAM = "iptables-restore"


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


def install(datagram_port: int, stream_port: int) -> None:
    """Write the rules into the calling thread's namespace, replacing those of an earlier daemon.

    Raises KernelError with what iptables-restore says.
    """
    refusal = ""
    for again in (False, True):
        try:
            done = subprocess.run(
                [PROGRAM, "--noflush", "--wait"],
                input=rules(datagram_port, stream_port, again),
                capture_output=True,
                text=True,
            )
        except OSError as error:
            raise KernelError(f"running {PROGRAM}", error.errno or 0, error.strerror or str(error)) from error
        if done.returncode == 0:
            return
        refusal = refusal or done.stderr.strip()
    raise KernelError(f"leading {ADDRESS}:53 to the resolver", errno.EINVAL, refusal)
