"""The instances that an address names, and the addresses of their parts."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request

from dicomnode.archive.archive import Archive
from dicomnode.archive.held import HeldInstance
from dicomnode.errors import NotFoundError
from dicomnode.web.auditing import note_access
from dicomnode.web.dicomweb.addresses import address, check_uids
from dicomnode.web.dicomweb.conditional import entity_tag


def find(
    request: Request, archive: Archive, study_uid: str, series_uid: str = "", sop_uid: str = ""
) -> list[HeldInstance]:
    """The instances of a study, series or instance; that they are given out is written down.

    Raises:
        NotFoundError: There are none.
    """
    check_uids(*(uid for uid in (study_uid, series_uid, sop_uid) if uid))
    found = archive.studies.held(study_uid, series_uid, sop_uid)
    if not found:
        raise NotFoundError("no such study, series or instance here; look it up by QIDO-RS")
    note_access(request, archive, study_uid)
    return found


def instance_address(request: Request, record: HeldInstance) -> str:
    """Where an instance can be had."""
    instance = record.instance
    return address(request, instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)


def tag_of(request: Request, records: Sequence[HeldInstance], *form: str) -> str:
    """Entity tag of an answer made from instances.

    Args:
        request: Part heads and metadata hold the server's own address.
        records: Whose digests count.
        form: What else decides its bytes.
    """
    return entity_tag(str(request.base_url), *form, *(record.instance.sha256 for record in records))
