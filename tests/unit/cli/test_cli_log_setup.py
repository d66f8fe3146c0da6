"""What reaches the log of a node's process."""

import subprocess
import sys

_SCRIPT = """
import logging, warnings
from dicomnode.cli.log_setup import set_up_logging
set_up_logging()
warnings.warn("Invalid value for VR DA: '19SECRET'")
logging.getLogger("pydicom").error("Invalid value '19SECRET'")
logging.getLogger("dicomnode.test").info("said")
"""


def test_words_of_libraries_that_may_quote_a_patient_stay_out() -> None:
    ran = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert "SECRET" not in ran.stderr
    assert ran.stderr.endswith("INFO dicomnode.test: said\n")
