"""The daemon's memory on disk: documents, address leases and intents in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from linkspan.model.addresses import Address
from linkspan.model.errors import Forbidden, LinkspanError
from linkspan.store.schema import MIGRATIONS

Document = dict[str, Any]


class AddressTaken(Forbidden):
    """The address is leased already; the text is Docker's."""

    def __init__(self, address: Address, owner: str) -> None:
        super().__init__("Address already in use")
        self.address = address
        self.owner = owner


class StoreUnusable(LinkspanError):
    """The file cannot be used: torn, not a database, or written by a newer version."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that was begun and, as far as the store knows, not finished."""

    id: int
    kind: str
    document: Document


class Store:
    """Documents by (kind, id), unique leases and intents; every call is durable when it returns.

    SQLite in WAL mode with synchronous=FULL: one commit costs about 0.2 ms. One connection behind a lock, so
    any thread may call. `transaction()` makes several calls of one thread one commit. What a reboot forgets
    anyway (sandboxes, intents) may be written with `durable=False`: it survives a killed daemon, not a power
    failure, and costs a tenth.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises StoreUnusable."""
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(f"the state in {path} cannot be used: {error}") from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StoreUnusable(f"the state in {path} cannot be used: {error}") from error

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA busy_timeout=5000")
        execute("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)")
        version = self.schema_version()
        if version > len(MIGRATIONS):
            self._connection.close()
            raise StoreUnusable(
                f"the state in {self.path} has schema {version}, this Linkspan knows up to {len(MIGRATIONS)}:"
                " it was written by a newer version"
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._migrate(number, script)

    def _migrate(self, number: int, script: str) -> None:
        with self.transaction():
            for statement in filter(str.strip, script.split(";")):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO migrations VALUES (?, datetime('now'))", (number,))

    def schema_version(self) -> int:
        """Return the number of the last migration that was applied."""
        found: int = self._connection.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()[
            0
        ]
        return found

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        """Make the calls inside one commit; an exception takes all of them back. May be nested.

        `durable` False does not wait for the disk; of nested ones the outermost decides.
        """
        with self._lock:
            if self._depth == 0:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def _write(self, sql: str, values: tuple[Any, ...], durable: bool = True) -> sqlite3.Cursor:
        with self.transaction(durable):
            return self._connection.execute(sql, values)

    def _read(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def put(self, kind: str, id: str, document: Mapping[str, Any]) -> None:
        """Write a document, replacing one of the same kind and id."""
        self._write("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, id, _text(document)))

    def get(self, kind: str, id: str) -> Document | None:
        """Return a document, or None."""
        rows = self._read("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, id))
        return json.loads(rows[0][0]) if rows else None

    def all(self, kind: str) -> list[Document]:
        """Return all documents of a kind, by id."""
        rows = self._read("SELECT body FROM documents WHERE kind = ? ORDER BY id", (kind,))
        return [json.loads(body) for (body,) in rows]

    def delete(self, kind: str, id: str) -> None:
        """Forget a document; one that is not there is no error."""
        self._write("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id))

    def lease(self, network_id: str, address: Address, owner: str) -> None:
        """Give an address of a network to `owner`; raises AddressTaken if anybody holds it."""
        try:
            self._write("INSERT INTO leases VALUES (?, ?, ?)", (network_id, str(address), owner))
        except sqlite3.IntegrityError as error:
            raise AddressTaken(address, self.leases(network_id).get(address, "")) from error

    def release(self, network_id: str, address: Address) -> None:
        """Take an address back; one that is free is no error."""
        self._write("DELETE FROM leases WHERE network = ? AND address = ?", (network_id, str(address)))

    def leases(self, network_id: str) -> dict[Address, str]:
        """Return the leased addresses of a network with their owners."""
        rows = self._read("SELECT address, owner FROM leases WHERE network = ?", (network_id,))
        return {ip_address(address): owner for address, owner in rows}

    def begin(self, kind: str, document: Mapping[str, Any]) -> int:
        """Write down what is about to be done, before the kernel is touched; returns the intent's number."""
        number = self._write(
            "INSERT INTO intents (kind, body) VALUES (?, ?)", (kind, _text(document)), durable=False
        ).lastrowid
        assert number is not None
        return number

    def finish(self, intent: int) -> None:
        """Strike out an intent: it is done, or undone."""
        self._write("DELETE FROM intents WHERE id = ?", (intent,), durable=False)

    def intents(self) -> list[Intent]:
        """Return what was begun and not finished, oldest first."""
        rows = self._read("SELECT id, kind, body FROM intents ORDER BY id")
        return [Intent(number, kind, json.loads(body)) for number, kind, body in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
