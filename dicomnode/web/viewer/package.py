"""Which OHIF it is: one version of one npm package, known by its digest."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from hashlib import sha512
from urllib.parse import urlsplit

from dicomnode.errors import UsageError

NAME, VERSION, LICENCE = "@ohif/app", "3.13.2", "MIT"
INTEGRITY = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
"""As npm writes it (Subresource Integrity); the digest of the whole tarball, whichever registry it comes from."""

REGISTRY = "https://registry.npmjs.org"
_VARIABLE = "npm_config_registry"  # npm's own; it reads it in any case of letters


def choose_registry(named: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The registry to ask: the one that was named, npm's environment variable, or npm's own default.

    Raises:
        UsageError: It is no http address.
    """
    set_for_npm = next((value for name, value in environment.items() if name.lower() == _VARIABLE and value), None)
    registry = named or set_for_npm or REGISTRY
    parts = urlsplit(registry)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"registry {registry!r} is no http or https address")
    return registry.rstrip("/")


def tarball_address(registry: str) -> str:
    """Where a registry keeps the package's tarball; mirrors and caches of npm keep it in the same place."""
    return f"{registry}/{NAME}/-/{NAME.partition('/')[2]}-{VERSION}.tgz"


class Digest:
    """Adds up what was read, and says whether it is the pinned package."""

    def __init__(self) -> None:
        self._hash = sha512(usedforsecurity=True)

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(data)

    @property
    def integrity(self) -> str:
        """The digest so far, as npm writes it."""
        return f"sha512-{base64.b64encode(self._hash.digest()).decode('ascii')}"
