"""The data check: what a data folder holds and what is wrong with it, told before a minute of training is spent."""

from dicomnode.learning.datacheck.checking import CHECK_FILE, check_data, write_check
from dicomnode.learning.datacheck.findings import DataCheck

__all__ = ["CHECK_FILE", "DataCheck", "check_data", "write_check"]
