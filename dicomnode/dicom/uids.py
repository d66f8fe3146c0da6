"""UIDs: checked, derived from content, and the node's own (PS3.5 chapter 9 and B.2)."""

from __future__ import annotations

import hashlib
import re

from dicomnode import __version__

NODE_MANUFACTURER = "dicomnode"
IMPLEMENTATION_CLASS_UID = "2.25.148115715814258239154278530623085815794"
IMPLEMENTATION_VERSION_NAME = f"DICOMNODE_{__version__.replace('.', '_')}"[:16]

_MAXIMUM_LENGTH = 64
_COMPONENTS = re.compile(r"[0-9]+(\.[0-9]+)*")
_VERSION_MASK = ~((0xF << 76) | (0x3 << 62))
_VERSION_8 = (0x8 << 76) | (0x2 << 62)


def valid_uid(uid: str) -> bool:
    """Whether a UID may be stored and sent: 1 to 64 digits and dots, no empty component (PS3.5 9.1).

    Components with leading zeros are let pass: the Standard forbids them, devices write them, and
    they harm nobody.
    """
    return len(uid) <= _MAXIMUM_LENGTH and _COMPONENTS.fullmatch(uid) is not None


def derive_uid(*parts: str) -> str:
    """Make the UID that belongs to these parts: same parts, same UID, on every machine.

    The parts are hashed with their lengths, so that ("ab", "c") and ("a", "bc") differ. The first
    128 bits of the SHA-256 become a UUID of version 8 (RFC 9562 5.8) under the root 2.25 (PS3.5 B.2).
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8")
        digest.update(len(content).to_bytes(8, "big") + content)
    number = int.from_bytes(digest.digest()[:16], "big") & _VERSION_MASK | _VERSION_8
    return f"2.25.{number}"
