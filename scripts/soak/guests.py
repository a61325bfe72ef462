"""Slow and dead clients: they connect, stop reading or writing, and hold up nobody."""

from __future__ import annotations

import socket
from pathlib import Path

HEAD = "POST {} HTTP/1.1\r\nHost: lab\r\n{}\r\n"
STALLED = 5


class Guests:
    """Connections that do nothing good, kept open until `leave`."""

    def __init__(self, control: Path, loud: str, idle: int) -> None:
        """`loud` is a container that writes without end."""
        self._control = str(control)
        self._connections = [self._dialled() for _ in range(idle)]
        upgrade = "Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 0\r\n"
        half = "Content-Type: application/json\r\nContent-Length: 1000\r\n"
        for number in range(STALLED):
            self._say(HEAD.format(f"/containers/{loud}/attach?stream=1&stdout=1&logs=1", upgrade))
            self._say(f"GET /containers/{loud}/logs?follow=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: lab\r\n\r\n")
            self._say(HEAD.format(f"/containers/create?name=half{number}", half) + '{"Image":')
            self._say(f"GET /containers/{loud}/js")
            self._say("GET /events HTTP/1.1\r\nHost: lab\r\n\r\n")

    def _dialled(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        connection.connect(self._control)
        return connection

    def _say(self, words: str) -> None:
        connection = self._dialled()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(words.encode())
        self._connections.append(connection)

    def __len__(self) -> int:
        return len(self._connections)

    def leave(self) -> None:
        """Close them all, without a word."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
