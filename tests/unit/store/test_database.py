"""The store: what was written survives a crash, an address has one owner, a bad file is told clearly."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest

from linkspan.store.database import AddressTaken, Intent, Store, StoreFailed, StoreUnusable
from linkspan.store.schema import MIGRATIONS

ONE = ip_address("10.0.0.1")


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "deep" / "state.db")
    yield opened
    opened.close()


def test_root_alone_reads_it(tmp_path):
    path = tmp_path / "state.db"
    for suffix in ("", "-wal"):
        Path(f"{path}{suffix}").touch(mode=0o644)
    with closing(Store(path)) as store:
        store.put("thing", "a", {"n": 1})
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_documents(store):
    store.put("network", "b", {"name": "ß", "n": [1, None]})
    store.put("network", "a", {"n": 1})
    store.put("network", "a", {"n": 2})
    assert store.get("network", "a") == {"n": 2}
    assert store.all("network") == [{"n": 2}, {"name": "ß", "n": [1, None]}]
    store.delete("network", "a")
    store.delete("network", "a")
    assert store.get("network", "a") is None and store.all("container") == []


def test_an_address_has_one_owner_on_each_network(store):
    store.lease("n1", ONE, "web")
    store.lease("n2", ONE, "db")
    with pytest.raises(AddressTaken, match=r"^Address already in use$") as caught:
        store.lease("n1", ONE, "db")
    assert (caught.value.owner, caught.value.status) == ("web", 403)
    assert store.leases("n1") == {ONE: "web"}
    store.release("n1", ONE)
    store.release("n1", ONE)
    store.lease("n1", ONE, "db")


def test_intents_stay_until_they_are_finished(store):
    first = store.begin("join", {"container": "c"})
    second = store.begin("leave", {})
    assert store.intents() == [Intent(first, "join", {"container": "c"}), Intent(second, "leave", {})]
    store.finish(first)
    store.finish(first)
    assert [intent.id for intent in store.intents()] == [second]


def test_a_transaction_is_all_or_nothing_and_may_be_nested(store):
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.put("network", "a", {})
        with store.transaction():
            store.lease("n", ONE, "x")
        raise ZeroDivisionError
    assert store.all("network") == [] and store.leases("n") == {}
    with store.transaction():
        store.lease("n", ONE, "x")
        with pytest.raises(AddressTaken):
            store.lease("n", ONE, "y")
        store.put("network", "a", {})
    assert store.leases("n") == {ONE: "x"} and store.all("network") == [{}]


def test_everything_is_there_for_the_next_daemon(tmp_path):
    path = tmp_path / "state.db"
    first = Store(path)
    first.put("network", "a", {"n": 1})
    first.close()
    second = Store(path)
    assert second.get("network", "a") == {"n": 1}
    assert second.schema_version() == len(MIGRATIONS)
    second.close()


def test_many_threads_may_write(store):
    def write(number):
        for n in range(20):
            store.put("x", f"{number}-{n}", {"n": n})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.all("x")) == 160


WRITER = """
import sys
from pathlib import Path
from linkspan.store.database import Store
store = Store(Path(sys.argv[1]))
for n in range(10**6):
    store.put("x", str(n).zfill(7), {"n": n})
    print(n, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    path = tmp_path / "state.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        acknowledged = [writer.stdout.readline() for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    last = int([line for line in acknowledged if line.endswith(b"\n")][-1])
    store = Store(path)
    assert [document["n"] for document in store.all("x")][: last + 1] == list(range(last + 1))
    store.close()


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StoreUnusable, match=r"state.db cannot be used"):
        Store(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnusable, match=r"cannot be used"):
        Store(path)


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "state.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES (999, 'later')")
    connection.close()
    with pytest.raises(StoreUnusable, match=r"schema 999, this Linkspan knows up to"):
        Store(path)


def test_a_copy_is_kept_and_named_when_the_file_is_torn(tmp_path):
    path = tmp_path / "state.db"
    with closing(Store(path)) as store:
        store.put("network", "a", {"n": 1})
    torn = b"SQLite format 3\0" + os.urandom(8000)
    path.write_bytes(torn)
    with pytest.raises(StoreUnusable, match=r"Nothing has been changed[\s\S]*There is a copy of"):
        Store(path)
    assert path.read_bytes() == torn
    shutil.copy(tmp_path / "state.db.backup", path)
    with closing(Store(path)) as store:
        assert store.all("network") == [{"n": 1}]


def test_a_file_that_is_gone_is_not_taken_for_a_first_start(tmp_path):
    path = tmp_path / "state.db"
    Store(path).close()
    path.unlink()
    with pytest.raises(StoreUnusable, match="is gone, and its copy"):
        Store(path)
    assert not path.exists()


def test_a_record_that_cannot_be_read_is_named(store):
    store.put("network", "a", {"name": "front"})
    with pytest.raises(StoreUnusable, match=r"the record network a cannot be read \(KeyError\('id'\)\)"):
        store.read("network", lambda document: document["id"])
    assert store.check() == []
    store._connection.execute("UPDATE documents SET body = '{\"name\":'")
    assert store.check() == ["the record network a is torn"]


def test_an_older_schema_is_migrated_and_kept_beside(tmp_path):
    path = tmp_path / "state.db"
    with closing(Store(path)) as store:
        store.put("network", "a", {"n": 1})
    second = "UPDATE documents SET body = json_set(body, '$.m', 2); CREATE TABLE more (id INTEGER)"
    with closing(Store(path, (*MIGRATIONS, second))) as store:
        assert store.schema_version() == len(MIGRATIONS) + 1
        assert store.all("network") == [{"n": 1, "m": 2}]
    with pytest.raises(StoreUnusable, match=r"written by a newer version[\s\S]*state\.db\.schema-1"):
        Store(path)
    shutil.copy(tmp_path / "state.db.schema-1", path)
    with closing(Store(path)) as store:
        assert store.all("network") == [{"n": 1}]


def test_a_migration_that_fails_leaves_the_older_schema(tmp_path):
    path = tmp_path / "state.db"
    Store(path).close()
    with pytest.raises(StoreUnusable):
        Store(path, (*MIGRATIONS, "CREATE TABLE more (id INTEGER); THIS IS NO SQL"))
    with closing(Store(path)) as store:
        assert store.schema_version() == len(MIGRATIONS)


def test_a_full_disk_is_a_clear_error_and_no_half_change(store):
    store.put("network", "a", {"n": 1})
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    full = r"cannot be written: database or disk is full: make room in"
    with pytest.raises(StoreFailed, match=full), store.transaction():
        store.put("network", "b", {"n": 1})
        store.put("network", "c", {"text": "x" * 100_000})
    assert store.get("network", "b") is None
    store._connection.execute("PRAGMA max_page_count=100000")
    store.put("network", "c", {"text": "x" * 100_000})
