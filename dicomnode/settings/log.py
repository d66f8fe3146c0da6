"""Where log lines go."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from dicomnode.settings.section import Section


class LogSettings(Section):
    """The log of the node's processes."""

    file: Path | None = Field(None, description="File that all processes append to; absent: standard error.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least weight of a line.")
    format: Literal["text", "json"] = Field("text", description="Plain lines, or one JSON object a line.")
