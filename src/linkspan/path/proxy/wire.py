"""The words that daemon and proxy process exchange: a line per run of ports, at most 64 KiB a message.

Both sides import this module, so it imports nothing: the proxy starts with a bare interpreter.

A request is a verb line and entry lines; descriptors travel beside it (SCM_RIGHTS), in the entries' order:

    add relay            serve these sockets              -> ok
    add hold             keep these sockets, relay nothing -> ok
    close                close these sockets, and what runs through them -> ok
    list OFFSET          -> ok NEXT, then entries (NEXT is 0 at the end)
    pid                  -> ok PID
    quit                 close everything and end         -> ok

Any request may be answered with `error TEXT` instead.
"""

from __future__ import annotations

# protocol, host address, first host port, target address, first target port, number of ports
Entry = tuple[str, str, int, str, int, int]

DESCRIPTORS_PER_MESSAGE = 253  # SCM_MAX_FD of the kernel (include/net/scm.h)
ENTRIES_PER_MESSAGE = 253  # an entry line has at most 110 bytes: 28 KiB
MESSAGE_SIZE = 65536


def encode(verb: str, entries: list[Entry]) -> bytes:
    """Return the message that says `verb` about `entries`."""
    lines = [verb]
    lines += [" ".join(map(str, entry)) for entry in entries]
    return "\n".join(lines).encode("ascii")


def decode(message: bytes) -> tuple[str, list[Entry]]:
    """Return the verb line and the entries of `message`.

    Raises ValueError for what `encode` cannot have written.
    """
    verb, *lines = message.decode("ascii").split("\n")
    return verb, [_entry(line) for line in lines]


def _entry(line: str) -> Entry:
    fields = line.split(" ")
    if len(fields) != 6:
        raise ValueError(f"not an entry of the proxy's protocol: {line!r}")
    protocol, host, port, target, target_port, count = fields
    return protocol, host, int(port), target, int(target_port), int(count)


def batches(entries: list[Entry]) -> list[list[Entry]]:
    """Cut `entries` into messages of at most 253 sockets each, cutting runs of ports where needed."""
    result: list[list[Entry]] = []
    room = 0
    for entry in entries:
        protocol, host, port, target, target_port, count = entry
        done = 0
        while done < count:
            if not room:
                result.append([])
                room = DESCRIPTORS_PER_MESSAGE
            part = min(room, count - done)
            result[-1].append((protocol, host, port + done, target, target_port + done, part))
            done += part
            room -= part
    return result


def merged(entries: list[Entry]) -> list[Entry]:
    """Join entries whose ports follow one another into runs, the reverse of cutting them."""
    result: list[Entry] = []
    for entry in sorted(entries):
        protocol, host, port, target, target_port, count = entry
        if result:
            *_, last_count = last = result[-1]
            follows = (protocol, host, port, target, target_port)
            if follows == (last[0], last[1], last[2] + last_count, last[3], last[4] + last_count):
                result[-1] = (*last[:5], last_count + count)
                continue
        result.append(entry)
    return result
