"""Documents as highdicom's own examples build them, from the source images themselves; to be measured beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicomnode.findings import Result


def naive_report(result: Result, images: Sequence[Dataset]) -> bytes:
    """A Comprehensive 3D SR with a planar group for each finding (TID 1410)."""
    observer = hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="naive")
    context = hd.sr.ObservationContext(hd.sr.ObserverContext(codes.DCM.Device, observer))
    content = hd.sr.MeasurementReport(
        context, codes.cid7021.ImagingMeasurementReport, imaging_measurements=_groups(result)
    )
    document = hd.sr.Comprehensive3DSR(
        evidence=images,
        content=content,
        series_number=100,
        series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="naive",
    )
    return _written(document)


def naive_segmentation(pixels: npt.NDArray[np.bool_], images: Sequence[Dataset]) -> bytes:
    """A binary SEG of one segment (images, rows, columns)."""
    family = codes.cid7162.ArtificialIntelligence
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(name="naive", version="1", family=family),
    )
    document = hd.seg.Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=hd.UID(),
        series_number=100,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="naive",
        manufacturer_model_name="naive",
        software_versions="1",
        device_serial_number="1",
    )
    return _written(document)


def _groups(result: Result) -> list[Any]:
    return [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(finding.tracking_uid, finding.label),
            referenced_region=hd.sr.ImageRegion(
                "POLYLINE",
                np.concatenate([polygon.points, polygon.points[:1]]),
                hd.sr.SourceImageForRegion(polygon.image.sop_class_uid, polygon.image.sop_instance_uid),
            ),
            finding_type=codes.SCT.Lesion,
            algorithm_id=hd.sr.AlgorithmIdentification(result.model.name, result.model.version),
            measurements=[
                hd.sr.Measurement(
                    hd.sr.CodedConcept("111012", "DCM", "Certainty of Finding"),
                    round(100 * finding.score, 4),
                    codes.UCUM.Percent,
                )
            ],
        )
        for finding in result.findings
        for polygon in finding.contours
    ]


def _written(document: Dataset) -> bytes:
    buffer = BytesIO()
    document.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
