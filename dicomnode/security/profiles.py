"""The Secure Transport Connection Profiles of PS3.15 Annex B as settings of OpenSSL.

All of them rest on BCP 195, which today is RFC 8996 (no TLS below 1.2) and RFC 9325 (4.2: which cipher suites).
Editions of PS3.15 since 2023 list B.9 to B.11 as retired and name their successors B.12 and B.13.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

_TLS_1_2, _TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# RFC 7919; DHE needs at least 2048 bits in B.11 and B.13
_DH_PARAMETERS = Path(__file__).parent / "ffdhe3072.pem"

_ECDHE = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
_DHE = ("DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256")
_CHACHA20 = ("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305")


@dataclass(frozen=True, slots=True)
class Profile:
    """What may be negotiated.

    Attributes:
        cipher_suites: Of TLS 1.2, by OpenSSL's names, the preferred one first.
        maximum_version: The newest TLS.
    """

    cipher_suites: tuple[str, ...]
    maximum_version: ssl.TLSVersion

    def apply(self, context: ssl.SSLContext) -> None:
        """Restrict a context to the profile."""
        context.minimum_version = _TLS_1_2
        context.maximum_version = self.maximum_version
        context.set_ciphers(":".join(self.cipher_suites))
        context.load_dh_params(str(_DH_PARAMETERS))
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE


PROFILES = {
    # B.9 by the BCP as it stands (B.12): RFC 9325 4.2 recommends these four and no finite-field Diffie-Hellman
    "bcp195": Profile(_ECDHE, _TLS_1_3),
    # B.10: the two ECDHE-RSA and the two DHE-RSA suites shall be supported, others of the same strength may
    "non-downgrading": Profile((*_ECDHE, *_CHACHA20, *_DHE), _TLS_1_3),
    # B.11: ECDHE and DHE with AES-GCM and nothing else, which leaves out the suites of TLS 1.3 (as DCMTK reads it)
    "extended": Profile((*_ECDHE, *_DHE), _TLS_1_2),
}
