"""Log lines of the node's processes: plain, one line each, UTC, nothing that names a patient."""

from __future__ import annotations

import logging
import sys
import time
import warnings

# Their messages may quote a data set's values, or repeat what the node says itself in one line.
_QUIET = ("pydicom", "pynetdicom", "highdicom", "uvicorn", "urllib3", "alembic", "monai", "ignite", "PIL")


def set_up_logging() -> None:
    """Write log lines to standard error."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # pydicom's warnings quote values that it cannot read, a birth date among them.
    warnings.simplefilter("ignore")
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
