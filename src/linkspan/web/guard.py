"""Who may see the page: the token, the names it may be asked for by, and what browsers are told to forbid."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from linkspan.model.errors import InvalidParameter

#: what browsers are told with every answer: nothing from elsewhere, nothing inline, nobody may frame it
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: values of Sec-Fetch-Site (Fetch Metadata) of requests that the page itself or a person has made
OWN_SITES = ("", "same-origin", "none")


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server: `address` is where it listens, `token` "" lets everybody in who reaches it."""

    address: str
    port: int
    token: str

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers keep cookies by host and not by port, so the port is in it."""
        return f"linkspan-{self.port}"

    def admits(self, cookies: Mapping[str, str]) -> bool:
        """Whether a request with these cookies may see the page."""
        return not self.token or self.knows(cookies.get(self.cookie, ""))

    def knows(self, token: str) -> bool:
        """Whether this is the token; takes equally long for every wrong one."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def refusal(self, host: str, site: str) -> str:
        """Say why a request is not even looked at ("" when it is), by its Host and Sec-Fetch-Site headers.

        A page elsewhere may have its own name lead to this address (DNS rebinding) and would then be read
        as ours: so only names that nobody can give away are served. Ports may differ (an ssh tunnel).
        """
        if not self._serves(host):
            return f'not served as "{host}": open the page by its address, {self.address}, or as localhost'
        if site not in OWN_SITES:
            return "this was asked by a page of another site"
        return ""

    def _serves(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost":
            return True
        try:
            asked = ip_address(name)
        except ValueError:
            return False
        own = ip_address(self.address)
        return asked.is_loopback or own.is_unspecified or asked == own


def new_token() -> str:
    """Return 128 random bits as text that needs no quoting in a URL."""
    return secrets.token_urlsafe(16)


def check_place(address: str, remote: bool, token: bool) -> str:
    """Return a warning ("" when there is none) about listening at `address`; raises InvalidParameter.

    Addresses that other machines reach need `remote`, and a token.
    """
    try:
        own = ip_address(address)
    except ValueError:
        raise InvalidParameter(f'"{address}" is no address: write one, as --address 127.0.0.1') from None
    if own.is_loopback:
        return ""
    if not remote:
        raise InvalidParameter(
            f"{address} can be reached from other machines, and the page goes there as plain HTTP:"
            " add --remote if that is meant, or keep to 127.0.0.1 and come by `ssh -L 8089:127.0.0.1:8089`"
        )
    if not token:
        raise InvalidParameter(f"--no-token is for loopback addresses only: others can reach {address}")
    return (
        f"warning: {address} can be reached from other machines, and the page, with its token, goes over the"
        " network as plain HTTP: everybody on the way can read it"
    )


def url(guard: Guard) -> str:
    """Return the address to open."""
    name = f"[{guard.address}]" if ":" in guard.address else guard.address
    return f"http://{name}:{guard.port}/" + (f"?token={guard.token}" if guard.token else "")
