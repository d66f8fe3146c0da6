"""Texts that people read in their own language, wherever in the house they are written."""

from __future__ import annotations


def marked(text: str) -> str:
    """The same text, marked for translation: for texts in Python that a page shows by ``_(text)``."""
    return text
