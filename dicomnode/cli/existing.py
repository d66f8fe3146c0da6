"""The archive of a node that has run here already, for commands that look and do not found one."""

from __future__ import annotations

from dicomnode.archive import Archive
from dicomnode.errors import SettingsError
from dicomnode.settings import Settings


def open_existing(settings: Settings) -> Archive:
    """Open the archive.

    Raises:
        SettingsError: There is none where the settings say.
    """
    if not settings.node.data_dir.is_dir():
        raise SettingsError(f"no node has run on {settings.node.data_dir}; give its settings file with --settings")
    return Archive.open(settings)
