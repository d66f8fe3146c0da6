"""On which breast the findings of a detector lie, where its images are mammograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydicom import dcmread

from dicomnode.dicom import codes
from dicomnode.dicom.mammography import VIEW_KEYWORDS, view_of
from dicomnode.errors import ImageError
from dicomnode.findings import Code, Finding
from dicomnode.study import Series

LATERALITIES = {"L": codes.LEFT, "R": codes.RIGHT}


def with_laterality(findings: Sequence[Finding], series: Series) -> tuple[Finding, ...]:
    """The findings with the side that the image of their first outline shows.

    Where its header does not say, or contradicts itself, a finding keeps no side: a detector looks at an image
    whatever it is called, and no side is better than the wrong one.

    Args:
        findings: On images of the series.
        series: Other than mammograms are left as they are.
    """
    if series.modality != "MG":
        return tuple(findings)
    paths = {instance.sop_instance_uid: instance.path for instance in series.instances}
    shown = {finding.contours[0].image.sop_instance_uid for finding in findings if finding.contours}
    sides = {uid: _side(paths[uid]) for uid in shown}
    return tuple(
        replace(finding, laterality=sides[finding.contours[0].image.sop_instance_uid]) if finding.contours else finding
        for finding in findings
    )


def _side(path: Path) -> Code | None:
    header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(VIEW_KEYWORDS))
    try:
        return LATERALITIES[view_of(header).laterality]
    except ImageError:
        return None
