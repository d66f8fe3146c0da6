"""What the first document would have to wait for."""

from __future__ import annotations

from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map


def load_tables() -> None:
    """Have highdicom read its tables of the Standard, a second's work that it puts off until somebody writes."""
    get_iod_module_map()
    get_module_attribute_map()
