"""Addresses of resources, and what the routes share."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from dicomnode.archive.archive import Archive
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import UsageError
from dicomnode.settings import Settings

SERVICE = "/dicom-web"
STUDY = f"{SERVICE}/studies/{{study_uid}}"
SERIES = f"{STUDY}/series/{{series_uid}}"
INSTANCE = f"{SERIES}/instances/{{sop_uid}}"


def archive_of(request: Request) -> Archive:
    """The archive that the app was made with."""
    return cast(Archive, request.app.state.archive)


def settings_of(request: Request) -> Settings:
    """The settings that the app was made with."""
    return cast(Settings, request.app.state.settings)


ArchiveOf = Annotated[Archive, Depends(archive_of)]
SettingsOf = Annotated[Settings, Depends(settings_of)]


def address(request: Request, study_uid: str = "", series_uid: str = "", sop_uid: str = "") -> str:
    """Absolute address of a study, series or instance as the client sees this server."""
    base = str(request.base_url).rstrip("/") + SERVICE
    steps = (("studies", study_uid), ("series", series_uid), ("instances", sop_uid))
    return base + "".join(f"/{name}/{uid}" for name, uid in steps if uid)


def check_uids(*uids: str) -> None:
    """Refuse what cannot be a UID before anything is looked up.

    Raises:
        UsageError: Not 1 to 64 digits and dots.
    """
    for uid in uids:
        if not valid_uid(uid):
            raise UsageError("the address holds something that is no UID (PS3.5 9.1): 1 to 64 digits and dots")
