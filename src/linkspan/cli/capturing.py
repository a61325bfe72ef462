"""capture: the packets of a container, a network or a published port, to a file or to Wireshark."""

from __future__ import annotations

import os
import sys

from linkspan.cli.client import ClientError
from linkspan.cli.flags import Command, Flag, Options, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkspan.cli.client import Client


def _capture(options: Options, client: Client) -> int:
    name, target = options.arguments[0], options.text("write")
    count = options.text("count")
    if count and not (count.isdigit() and int(count)):
        raise UsageError(f'invalid count "{count}": it is the number of packets, at least 1', 1)
    if target == "-" and sys.stdout.isatty():
        raise UsageError(
            f"packets are no text for a terminal: linkspan capture {name} -w {name}.pcap,"
            f" or linkspan capture {name} | wireshark -k -i -",
            1,
        )
    query = {"name": name, "count": count or None, "filter": options.text("filter") or None}
    pieces = client.send("GET", "/linkspan/capture", query=query).pieces()
    if target == "-":
        _copy(pieces, sys.stdout.fileno())
        return 0
    try:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ClientError(f"{target} cannot be written: {error.strerror}") from error
    print(f"capturing {name} to {target}, Ctrl-C ends", file=sys.stderr)
    size = _copy(pieces, file)
    os.close(file)
    print(f"{size} bytes written to {target}", file=sys.stderr)
    return 0


def _copy(pieces: Iterator[bytes], file: int) -> int:
    """Copy until the end or Ctrl-C, which is how a capture ends; the bytes written.

    Ctrl-C is heard between two pieces: what is written ends where a piece does.
    """
    size = 0
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(file, rest) :]
            size += len(piece)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    except BrokenPipeError:
        return size
    except OSError as error:
        raise ClientError(f"the packets cannot be written: {error.strerror}") from error
    return size


CAPTURE = Command(
    "capture",
    "[OPTIONS] CONTAINER|NETWORK|PORT[/udp]",
    "Write the packets of a container, a network or a published port as a pcap, until Ctrl-C",
    _capture,
    (
        Flag("write", "The file to write, - for the output", short="w", value="file", default="-"),
        Flag("count", "End after so many packets", short="c"),
        Flag("filter", "Only packets that pass this filter of pcap-filter(7)", value="expr"),
    ),
    examples="""\
linkspan capture web -w web.pcap
linkspan capture 8080 | wireshark -k -i -     before and after the translation
linkspan capture shop_default --filter 'udp port 53' --count 10 -w dns.pcap
linkspan capture network:web -w web.pcap      where a container and a network have one name""",
    minimum=1,
    maximum=1,
)
