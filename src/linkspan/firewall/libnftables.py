"""libnftables by ctypes: nft's own language, without starting nft."""

from __future__ import annotations

import ctypes
import os

from linkspan.model.errors import LinkspanError

LIBRARY = "libnftables.so.1"
_SELECTABLE = 1000


class NftRefused(Exception):
    """The text was refused as a whole; the message is libnftables' own."""


class Libnftables:
    """A context of the network namespace that the calling thread is in. Not for two threads at once.

    Its socket is opened here and kept: libnftables waits with select(), which cannot take a descriptor
    above 1,023, so the context must be made while low ones are free. Raises LinkspanError when the library
    is missing or no low descriptor is free.
    """

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise LinkspanError(
                f"{LIBRARY} is not installed: install the package libnftables1 (apt-get install nftables), "
                "or start the daemon with --firewall-backend=iptables"
            ) from error
        for name, result, arguments in (
            ("nft_ctx_new", ctypes.c_void_p, [ctypes.c_uint32]),
            ("nft_ctx_free", None, [ctypes.c_void_p]),
            ("nft_ctx_buffer_error", ctypes.c_int, [ctypes.c_void_p]),
            ("nft_ctx_buffer_output", ctypes.c_int, [ctypes.c_void_p]),
            ("nft_ctx_get_error_buffer", ctypes.c_char_p, [ctypes.c_void_p]),
            ("nft_ctx_get_output_buffer", ctypes.c_char_p, [ctypes.c_void_p]),
            ("nft_run_cmd_from_filename", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        _require_low_descriptor()
        self._library = library
        self._context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_buffer_output(self._context)

    def run(self, text: str) -> str:
        """Run `text` as one transaction and return what it prints; NftRefused, and nothing done, else.

        It is given as a file in memory, because only of a file libnftables tells the line that failed.
        """
        with os.fdopen(os.memfd_create("nft"), "wb") as file:
            file.write(text.encode())
            file.flush()
            name = f"/proc/self/fd/{file.fileno()}"
            refused = self._library.nft_run_cmd_from_filename(self._context, name.encode())
        complaint = (self._library.nft_ctx_get_error_buffer(self._context) or b"").decode(errors="replace")
        printed = (self._library.nft_ctx_get_output_buffer(self._context) or b"").decode(errors="replace")
        if refused:
            raise NftRefused(_first(complaint))
        return printed

    def close(self) -> None:
        """Give the context and its socket back."""
        self._library.nft_ctx_free(self._context)


def _first(complaint: str) -> str:
    """The first error and the line that it is about."""
    head, *rest = complaint.strip().splitlines() or ["no reason given"]
    reason = head.partition("Error: ")[2] or head
    return f"{reason} (at: {rest[0].strip()})" if rest else reason


def _require_low_descriptor() -> None:
    lowest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.close(lowest)
    if lowest > _SELECTABLE:
        raise LinkspanError(
            f"libnftables needs a descriptor below 1024, and all are in use (the next is {lowest})"
        )
