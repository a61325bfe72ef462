"""A name server for tests, run as a program: the first label of a name says how it answers.

    python name_server.py ADDRESS

"slow" takes a second, "big" does not fit a datagram, "lie" sends a forged answer first, "nx" does not exist.
Each query is printed as one line: who asks, how, and for what.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

from dnslib import QTYPE, RCODE, RR, TXT, A, DNSRecord

ADDRESS = "203.0.113.77"
PIECES = 100


def reply(data: bytes, server: str, tcp: bool) -> tuple[str, DNSRecord]:
    query = DNSRecord.parse(data)
    answer, name, kind = query.reply(), query.q.qname, QTYPE[query.q.qtype]
    first = str(name).split(".")[0]
    if first == "nx":
        answer.header.rcode = RCODE.NXDOMAIN
    elif first == "big" and not tcp:
        answer.header.tc = 1
    elif first == "big":
        for number in range(PIECES):
            answer.add_answer(RR(name, QTYPE.TXT, rdata=TXT(f"piece {number} {'x' * 40}"), ttl=60))
    elif kind == "A":
        answer.add_answer(RR(name, QTYPE.A, rdata=A(ADDRESS), ttl=60))
    elif kind == "TXT":
        answer.add_answer(RR(name, QTYPE.TXT, rdata=TXT(server), ttl=60))
    if first == "slow":
        time.sleep(1)
    return first, answer


def datagrams(server: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((server, 53))
        while True:
            data, peer = sock.recvfrom(4096)
            log(peer[0], "udp", data)
            send: Callable[[bytes], object] = lambda answer, peer=peer: sock.sendto(answer, peer)  # noqa: E731
            threading.Thread(target=answer_datagram, args=(data, server, send), daemon=True).start()


def answer_datagram(data: bytes, server: str, send: Callable[[bytes], object]) -> None:
    first, answer = reply(data, server, tcp=False)
    if first == "lie":
        forged = DNSRecord.parse(answer.pack())
        forged.header.id ^= 1
        forged.rr[0].rdata = A("6.6.6.6")
        send(forged.pack())
    send(answer.pack())


def streams(server: str) -> None:
    with socket.create_server((server, 53)) as listener:
        while True:
            connection, peer = listener.accept()
            with connection:
                data = connection.recv(4096)[2:]
                log(peer[0], "tcp", data)
                answer = reply(data, server, tcp=True)[1].pack()
                connection.sendall(len(answer).to_bytes(2, "big") + answer)


def log(peer: str, how: str, data: bytes) -> None:
    print(peer, how, DNSRecord.parse(data).q.qname, flush=True)


if __name__ == "__main__":
    threading.Thread(target=streams, args=(sys.argv[1],), daemon=True).start()
    datagrams(sys.argv[1])
