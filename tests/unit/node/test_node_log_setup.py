"""What reaches the log of a node's process, and where it goes."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomnode.errors import SettingsError
from dicomnode.node.log_setup import set_up_logging
from dicomnode.settings import LogSettings

_SCRIPT = """
import logging, warnings
from dicomnode.node.log_setup import set_up_logging
from dicomnode.settings import LogSettings
set_up_logging(LogSettings())
warnings.warn("Invalid value for VR DA: '19SECRET'")
logging.getLogger("pydicom").error("Invalid value '19SECRET'")
logging.getLogger("dicomnode.test").info("said")
"""


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    logger.handlers.clear()
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_words_of_libraries_that_may_quote_a_patient_stay_out() -> None:
    ran = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert "SECRET" not in ran.stderr
    assert ran.stderr.endswith("INFO dicomnode.test: said\n")


def test_a_file_that_was_renamed_away_is_opened_anew(root: logging.Logger, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "dicomnode.log"
    set_up_logging(LogSettings(file=path))
    logging.getLogger("dicomnode.test").info("before")
    path.rename(path.with_suffix(".1"))
    logging.getLogger("dicomnode.test").info("after")
    assert path.with_suffix(".1").read_text().endswith("before\n")
    assert path.read_text().endswith("after\n")
    assert "before" not in path.read_text()


def test_json_is_one_object_a_line(root: logging.Logger, tmp_path: Path) -> None:
    path = tmp_path / "dicomnode.log"
    set_up_logging(LogSettings(file=path, format="json", level="warning"))
    logging.getLogger("dicomnode.test").info("too light")
    logging.getLogger("dicomnode.test").warning("study %s\nrefused", "1.2.3")
    [line] = path.read_text().splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"]) == ("WARNING", "dicomnode.test", "study 1.2.3\nrefused")
    assert said["at"].endswith("Z")


def test_a_file_that_cannot_be_written_is_told(root: logging.Logger, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"log\.file"):
        set_up_logging(LogSettings(file=tmp_path / "file" / "dicomnode.log"))
