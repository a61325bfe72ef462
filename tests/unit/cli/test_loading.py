"""Loading quickly: the collector rests, nothing is trusted meanwhile, and all is as before after it."""

import gc
import os

import pytest

from linkspan.cli import loading


@pytest.fixture(autouse=True)
def collector():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_meanwhile_nothing_is_collected_and_nothing_trusted(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/own.pem")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with loading.quick():
        assert not gc.isenabled()
        assert os.environ["SSL_CERT_FILE"] == os.environ["SSL_CERT_DIR"] == os.devnull
    assert gc.isenabled() and gc.get_freeze_count() > 0
    assert os.environ["SSL_CERT_FILE"] == "/etc/own.pem" and "SSL_CERT_DIR" not in os.environ


def test_an_import_that_fails_leaves_all_as_it_was(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(ImportError), loading.quick():
        raise ImportError
    assert gc.isenabled() and "SSL_CERT_FILE" not in os.environ
