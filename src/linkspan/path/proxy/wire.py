"""The words that daemon and proxy process exchange: a line per run of ports, at most 64 KiB a message.

Both sides import this module, so it imports nothing: the proxy starts with a bare interpreter.

A request is a verb line and entry lines; descriptors travel beside it (SCM_RIGHTS), in the entries' order:

    add relay            serve these sockets              -> ok
    add hold             keep these sockets, relay nothing -> ok
    close                close these sockets, and what runs through them -> ok
    list OFFSET          -> ok NEXT, then entries (NEXT is 0 at the end)
    lend relay OFFSET    -> ok NEXT, then entries of `add relay`, duplicates of their sockets beside them
    lend hold OFFSET     -> the same of `add hold`
    pid                  -> ok PID
    quit                 close everything and end         -> ok

Any request may be answered with `error TEXT` instead.
"""

from __future__ import annotations

# protocol, host address, first host port, target address, first target port, number of ports, and who may
# come: subnets with commas between them, "" for everybody
Entry = tuple[str, str, int, str, int, int, str]

DESCRIPTORS_PER_MESSAGE = 253  # SCM_MAX_FD of the kernel (include/net/scm.h)
ENTRIES_PER_MESSAGE = 253  # an entry line without sources has at most 110 bytes: 28 KiB
LINES_SIZE = 60_000  # bytes of entry lines in one message
MESSAGE_SIZE = 65536


def encode(verb: str, entries: list[Entry]) -> bytes:
    """Return the message that says `verb` about `entries`."""
    lines = [verb]
    lines += [_line(entry) for entry in entries]
    return "\n".join(lines).encode("ascii")


def _line(entry: Entry) -> str:
    return " ".join(map(str, entry)).rstrip()


def decode(message: bytes) -> tuple[str, list[Entry]]:
    """Return the verb line and the entries of `message`.

    Raises ValueError for what `encode` cannot have written.
    """
    verb, *lines = message.decode("ascii").split("\n")
    return verb, [_entry(line) for line in lines]


def _entry(line: str) -> Entry:
    fields = line.split(" ")
    if len(fields) not in (6, 7):
        raise ValueError(f"not an entry of the proxy's protocol: {line!r}")
    protocol, host, port, target, target_port, count = fields[:6]
    sources = fields[6] if len(fields) == 7 else ""
    return protocol, host, int(port), target, int(target_port), int(count), sources


def batches(entries: list[Entry]) -> list[list[Entry]]:
    """Cut `entries` into messages of at most 253 sockets each, cutting runs of ports where needed."""
    result: list[list[Entry]] = []
    room = size = 0
    for entry in entries:
        protocol, host, port, target, target_port, count, sources = entry
        done, length = 0, len(_line(entry)) + 20
        while done < count:
            if not room or size + length > LINES_SIZE:
                result.append([])
                room, size = DESCRIPTORS_PER_MESSAGE, 0
            part = min(room, count - done)
            result[-1].append((protocol, host, port + done, target, target_port + done, part, sources))
            done += part
            room -= part
            size += length
    return result


def page(entries: list[Entry], offset: int) -> list[Entry]:
    """Return the entries from `offset` that fit into one message, at least one if there is any."""
    found: list[Entry] = []
    size = 0
    for entry in entries[offset : offset + ENTRIES_PER_MESSAGE]:
        size += len(_line(entry)) + 1
        if found and size > LINES_SIZE:
            break
        found.append(entry)
    return found


def merged(entries: list[Entry]) -> list[Entry]:
    """Join entries whose ports follow one another into runs, the reverse of cutting them."""
    result: list[Entry] = []
    for entry in sorted(entries):
        protocol, host, port, target, target_port, count, sources = entry
        if result:
            last = result[-1]
            follows = (protocol, host, port, target, target_port, sources)
            if follows == (last[0], last[1], last[2] + last[5], last[3], last[4] + last[5], last[6]):
                result[-1] = (*last[:5], last[5] + count, sources)
                continue
        result.append(entry)
    return result


def singles(entry: Entry) -> list[Entry]:
    """Return an entry for each port of a run."""
    if entry[5] == 1:
        return [entry]
    protocol, host, port, target, target_port, count, sources = entry
    return [
        (protocol, host, port + offset, target, target_port + offset, 1, sources) for offset in range(count)
    ]
