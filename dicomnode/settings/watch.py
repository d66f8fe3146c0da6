"""When the node says that something is wrong."""

from __future__ import annotations

from pydantic import Field

from dicomnode.settings.section import Section


class WatchSettings(Section):
    """Marks for alarms."""

    stuck_minutes: float = Field(
        30.0, gt=0, description="A study or a job that should move and does not for so long is told."
    )
    echo_minutes: float = Field(
        5.0, ge=0, description="Pause between two rounds of asking targets, PACS and pollers; 0: they are not asked."
    )
    disk_warning_mib: int = Field(5120, ge=0, description="Tell when less of the data folder's disk is free.")
