"""Log lines of the node's processes: one line each, UTC, nothing that names a patient."""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from logging.handlers import WatchedFileHandler

from dicomnode.errors import SettingsError
from dicomnode.settings import LogSettings

# Their messages may quote a data set's values, or repeat what the node says itself in one line.
_QUIET = ("pydicom", "pynetdicom", "highdicom", "uvicorn", "urllib3", "alembic", "monai", "ignite", "PIL")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time in UTC, level, logger, process id, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        content = {
            "at": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)


def set_up_logging(settings: LogSettings) -> None:
    """Write log lines to the file that the settings name, or to standard error.

    Every process of the node appends whole lines to the same file. When it was renamed away (logrotate),
    each opens it anew by its name; no process renames it itself, for the others would go on in the old one.

    Raises:
        SettingsError: The file cannot be written.
    """
    handler = _handler(settings)
    handler.setFormatter(_formatter(settings.format))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    # pydicom's warnings quote values that it cannot read, a birth date among them.
    warnings.simplefilter("ignore")
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _handler(settings: LogSettings) -> logging.Handler:
    if settings.file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        return WatchedFileHandler(settings.file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SettingsError(f"log.file {settings.file} cannot be written ({error.strerror})") from error


def _formatter(kind: str) -> logging.Formatter:
    text = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter = JsonFormatter() if kind == "json" else text
    formatter.converter = time.gmtime
    return formatter
