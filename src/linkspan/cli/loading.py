"""Loading the daemon quickly: most of its start is reading six hundred modules."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: where OpenSSL looks for the certificates of this machine's trusted authorities
TRUSTED = ("SSL_CERT_FILE", "SSL_CERT_DIR")
#: new objects between two looks for garbage: publishing a thousand ports makes tens of thousands that stay
COLLECT_AFTER = (50_000, 20, 100)


@contextmanager
def quick() -> Iterator[None]:
    """Import modules inside the `with` block without looking for garbage, which modules never are.

    aiohttp's client, which nothing here uses, reads every certificate of the machine when it is imported,
    and that alone takes 40 ms: meanwhile there are none. Not for a process with threads.
    """
    before = {name: os.environ.get(name) for name in TRUSTED}
    gc.disable()
    os.environ.update(dict.fromkeys(TRUSTED, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        gc.enable()
