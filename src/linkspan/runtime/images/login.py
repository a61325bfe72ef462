"""`docker login`: asks a registry whether it takes a name and password; nothing is kept here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkspan.model.errors import InvalidParameter, LinkspanError, Unauthorized
from linkspan.runtime.images.skopeo import Credentials, RegistryFailure, Skopeo

if TYPE_CHECKING:
    from linkspan.runtime.images.library import Images

_REFUSALS = ("unauthorized", "authentication required", "invalid username/password", "incorrect username")
_HUB = ("", "docker.io", "index.docker.io", "registry-1.docker.io")


def domain_of(address: str) -> str:
    """Return the registry's domain of what clients send: "https://index.docker.io/v1/", "host:5000/v2/"."""
    bare = address.partition("://")[2] if "://" in address else address
    domain = bare.partition("/")[0]
    return "docker.io" if domain in _HUB else domain


async def log_in(library: Images, address: str, credentials: Credentials) -> None:
    """Check `credentials` with the registry at `address`.

    Raises Unauthorized when the registry refuses them, LinkspanError when it cannot be asked.
    """
    if not credentials.username or not (credentials.password or credentials.identity_token):
        raise InvalidParameter("username and password are required to log in to a registry")
    domain = domain_of(address)
    verify = library.registries.verify(domain)
    with library.blobs.workspace() as workspace:
        skopeo = Skopeo(workspace, verify, domain, None)
        try:
            await skopeo.log_in(domain, credentials)
        except RegistryFailure as error:
            raise _translated(domain, verify, str(error)) from error


def _translated(domain: str, verify: bool, text: str) -> LinkspanError:
    if not any(word in text for word in _REFUSALS):
        return LinkspanError(text)
    if domain == "docker.io":
        return Unauthorized("unauthorized: incorrect username or password")
    scheme = "https" if verify else "http"
    return Unauthorized(f"login attempt to {scheme}://{domain}/v2/ failed with status: 401 Unauthorized")
