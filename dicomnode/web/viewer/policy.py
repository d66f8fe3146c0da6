"""What the viewer's own pages may load and run: as little as OHIF works with."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def content_security_policy(index: str) -> str:
    """The policy of the viewer's pages.

    WebAssembly decodes images, in workers that are made from blobs; styles are set by scripts; and reading a
    segmentation makes functions from strings (the ndarray package in dcmjs), so that evaluation has to be allowed:
    one more reason for an origin of its own. Inline scripts are those of the page as it was installed, by their
    digests. Nothing is loaded from another origin.

    Args:
        index: The page that loads the viewer.
    """
    scripts = " ".join(f"'sha256-{_digest(script)}'" for script in _INLINE_SCRIPT.findall(index))
    return (
        f"default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' {scripts}; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' blob: data:; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(sha256(script.encode()).digest()).decode("ascii")
