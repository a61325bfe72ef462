"""The daemon's memory on disk: documents, address leases and intents in one SQLite file."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from linkspan.model.addresses import Address
from linkspan.model.errors import Forbidden, LinkspanError
from linkspan.store.schema import MIGRATIONS

Document = dict[str, Any]
T = TypeVar("T")

log = logging.getLogger(__name__)


class AddressTaken(Forbidden):
    """The address is leased already; the text is Docker's."""

    def __init__(self, address: Address, owner: str) -> None:
        super().__init__("Address already in use")
        self.address = address
        self.owner = owner


class StoreUnusable(LinkspanError):
    """The file cannot be used: torn, not a database, lost, or written by a newer version."""


class StoreFailed(LinkspanError):
    """A change could not be written (the disk is full, say); nothing of it is in the store."""


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

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open or create the file, and keep a copy beside it; raises StoreUnusable, leaving it as it is."""
        self.path = path
        self.backup = path.with_name(f"{path.name}.backup")
        self._migrations = migrations
        self._lock = threading.RLock()
        self._depth = 0
        self._kept = -1
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and self.backup.exists():
            raise StoreUnusable(self._lost())
        self._close_to_others()
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(self._torn(str(error))) from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StoreUnusable(self._torn(str(error))) from error
        except StoreFailed as error:
            self._connection.close()
            raise StoreUnusable(self._torn(str(error.__cause__ or error))) from error
        except StoreUnusable:
            self._connection.close()
            raise
        self._keep_backup()

    def _close_to_others(self) -> None:
        """Let root alone read the file and what SQLite makes beside it: environments are in it."""
        self.path.touch(mode=0o600)
        for file in (self.path, *self.path.parent.glob(f"{self.path.name}-*")):
            file.chmod(0o600)

    def _keep_backup(self) -> None:
        try:
            self.keep_backup()
        except StoreFailed as error:
            log.error("no copy of the state is kept: %s", error)

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA busy_timeout=5000")
        if problems := [text for (text,) in execute("PRAGMA quick_check(3)") if text != "ok"]:
            raise StoreUnusable(self._torn("; ".join(problems)))
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)")
        version = self.schema_version()
        if version > len(self._migrations):
            raise StoreUnusable(
                f"the state in {self.path} has schema {version}, this Linkspan knows up to"
                f" {len(self._migrations)}: it was written by a newer version. Start that version again;"
                " containers that run go on running. Before a migration the older state was kept in"
                f" {self._before(len(self._migrations))}"
            )
        if 0 < version < len(self._migrations):
            self._copy_to(self._before(version))
        for number, script in enumerate(self._migrations[version:], start=version + 1):
            self._migrate(number, script)

    def _before(self, version: int) -> Path:
        return self.path.with_name(f"{self.path.name}.schema-{version}")

    def _torn(self, problem: str) -> str:
        start = (
            f"the state in {self.path} cannot be used: {problem}. Nothing has been changed, and containers"
        )
        if not self.backup.exists():
            return f"{start} that run go on running. There is no copy: move the file away to begin anew"
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.backup.stat().st_mtime))
        return (
            f"{start} that run go on running. There is a copy of {when}: to go on with it,\n"
            f"  mv {self.path} {self.path}.torn && rm -f {self.path}-wal {self.path}-shm\n"
            f"  cp {self.backup} {self.path}\n"
            "What was made since then is not in the copy, and is removed from the host at the next start"
        )

    def _lost(self) -> str:
        return (
            f"the state in {self.path} is gone, and its copy {self.backup} is there. Containers that run go"
            f" on running. To go on with the copy: cp {self.backup} {self.path}; to begin anew, which removes"
            " all containers: move the copy away"
        )

    def keep_backup(self) -> None:
        """Copy the state to `backup` if it has changed since the last time; raises StoreFailed."""
        with self._lock:
            changes = self._connection.total_changes
            if changes != self._kept:
                self._copy_to(self.backup)
                self._kept = changes

    def _copy_to(self, place: Path) -> None:
        fresh = place.with_name(f"{place.name}.new")
        try:
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            with closing(sqlite3.connect(fresh)) as copy:
                self._connection.backup(copy)
            fresh.replace(place)
        except (sqlite3.Error, OSError) as error:
            fresh.unlink(missing_ok=True)
            raise StoreFailed(self._refusal(error)) from error

    def check(self) -> list[str]:
        """Return what is wrong with the file, one line each."""
        with self._lock:
            found = self._connection.execute("PRAGMA quick_check(10)").fetchall()
            records = self._connection.execute("SELECT kind, id, body FROM documents").fetchall()
        problems = [text for (text,) in found if text != "ok"]
        return problems + [
            f"the record {kind} {id} is torn" for kind, id, body in records if not _is_json(body)
        ]

    def _refusal(self, error: Exception) -> str:
        return (
            f"the state in {self.path} cannot be written: {error}: make room in {self.path.parent}, or repair"
            " what the disk says, and try again"
        )

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

        `durable` False does not wait for the disk; of nested ones the outermost decides. Raises StoreFailed
        when the file cannot be written.
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
            except BaseException as error:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
                    raise StoreFailed(self._refusal(error)) from error
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
        return self._decoded(kind, id, rows[0][0]) if rows else None

    def all(self, kind: str) -> list[Document]:
        """Return all documents of a kind, by id."""
        return self.read(kind, lambda document: document)

    def read(self, kind: str, decode: Callable[[Document], T]) -> list[T]:
        """Return all documents of a kind as `decode` makes them; raises StoreUnusable for a torn one."""
        rows = self._read("SELECT id, body FROM documents WHERE kind = ? ORDER BY id", (kind,))
        return [self._decoded(kind, id, body, decode) for id, body in rows]

    def _decoded(
        self, kind: str, id: str, body: str, decode: Callable[[Document], Any] = lambda found: found
    ) -> Any:
        try:
            return decode(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreUnusable(self._torn(f"the record {kind} {id} cannot be read ({error!r})")) from error

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
        """Close the file, with a copy of its last state beside it."""
        with self._lock:
            self._keep_backup()
            self._connection.close()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
