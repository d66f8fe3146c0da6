"""Substitutes of evidence objects: made once, through the gate, durable before they are sent."""

from __future__ import annotations

from datetime import datetime

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.archive import Archive
from dicomnode.archive.records import Evidence
from dicomnode.archive.substitutes import Substitute
from dicomnode.errors import GateError
from dicomnode.evidence import check, to_bytes
from dicomnode.evidence.ladder import Form
from dicomnode.evidence.sources import IDENTITY
from dicomnode.evidence.substitutes import Original, build_substitute


def substitute_for(archive: Archive, evidence: Evidence, form: Form, reason: str, now: datetime) -> Substitute:
    """The substitute of a form for an evidence object: the stored one, else made now.

    Args:
        archive: Holds evidence, substitutes and the study's source files.
        evidence: What it stands for.
        form: What kind of object it is.
        reason: Why it is wanted, one line.
        now: Present time.

    Raises:
        InputError: The object cannot be said in that form.
        GateError: The substitute failed the checks before sending.
        ArchiveFullError: There is no space for its file.
    """
    kept = archive.substitutes.find(evidence.sop_instance_uid, form)
    return _made(archive, evidence, form, reason, now) if kept is None else kept


def _made(archive: Archive, evidence: Evidence, form: Form, reason: str, now: datetime) -> Substitute:
    study = archive.studies.get(evidence.study_instance_uid)
    paths = {item.sop_instance_uid: item.path for series in study.series for item in series.instances}
    original = Original(dcmread(evidence.path), evidence.model_name, evidence.role)
    dataset = build_substitute(original, form, paths)
    headers = [dcmread(path, stop_before_pixels=True, force=True) for path in paths.values() if path.is_file()]
    for header in headers:
        _identify(header, original.dataset)
    known = archive.instances.known(evidence.study_instance_uid)
    problems = check(dataset, headers, known.__contains__)
    if problems:
        raise GateError(problems)
    uid = str(dataset.SOPInstanceUID)
    return archive.substitutes.add(
        Substitute(
            sop_instance_uid=uid,
            original_sop_instance_uid=evidence.sop_instance_uid,
            form=form,
            sop_class_uid=str(dataset.SOPClassUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
            path=archive.evidence.write_file(to_bytes(dataset), uid),
            reason=reason,
            created=now,
        )
    )


def _identify(header: Dataset, original: Dataset) -> None:
    """Give a source's header the identity of the original, which passed the gate, perhaps corrected since."""
    for keyword in IDENTITY:
        header.pop(keyword, None)
        if keyword in original:
            header[keyword] = original[keyword]
