"""Every kind of document that the node writes, made from drawn images by the builders that write the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

from dicomnode import __version__
from dicomnode.dicom.codes import BREAST
from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import NodeIdentity, build_evidence, to_bytes
from dicomnode.evidence.rejection import rejection_note
from dicomnode.evidence.withdrawal import withdrawn_report
from dicomnode.evidence.withdrawn import Cause, Withdrawal
from dicomnode.findings import (
    Attention,
    Code,
    Finding,
    HeatMap,
    Mask,
    Measurement,
    ModelIdentity,
    Outcome,
    Polygon,
    Presence,
    Result,
    StudyAnswer,
)
from dicomnode.study import SourceReference

_MOMENT = datetime(2026, 1, 2, 11, 12, 13, tzinfo=UTC)
_MASS = Code("4147007", "SCT", "Mass")
_SIZE = 32
_STUDY = derive_uid("conformance", "study")
_CORNERS = np.array([[8.0, 8.0], [16.0, 8.0], [16.0, 16.0], [8.0, 16.0]])
_MODEL = ModelIdentity("model", "1.0.0", "manufacturer", "0" * 64, "threshold 0.5", "Anything but this statement.")
_COMMON = {
    "StudyInstanceUID": _STUDY,
    "PatientName": "Name^Patient",
    "PatientID": "ID",
    "PatientBirthDate": "",
    "PatientSex": "O",
    "StudyDate": "20260102",
    "StudyTime": "101112",
    "StudyID": "1",
    "AccessionNumber": "A",
    "ReferringPhysicianName": "",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": _SIZE,
    "Columns": _SIZE,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
}
_SLICE = {
    "FrameOfReferenceUID": derive_uid("conformance", "frame of reference"),
    "PositionReferenceIndicator": "",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [1, 1],
    "SliceThickness": 1,
    "BodyPartExamined": "BRAIN",
}
_MAMMOGRAM = {
    "ImageLaterality": "L",
    "ViewPosition": "CC",
    "PatientOrientation": ["A", "R"],
    "PresentationIntentType": "FOR PRESENTATION",
    "PresentationLUTShape": "IDENTITY",
    "ImagerPixelSpacing": [0.1, 0.1],
    "RescaleSlope": 1,
    "RescaleIntercept": 0,
    "RescaleType": "US",
    "WindowCenter": 100,
    "WindowWidth": 200,
    "BodyPartExamined": "BREAST",
    "BurnedInAnnotation": "NO",
}


def sample_documents(ae_title: str) -> Mapping[str, Dataset]:
    """One document of each kind, by kind, and ``withdrawn`` for a report that takes another back."""
    node = NodeIdentity(ae_title, __version__)
    with TemporaryDirectory(prefix="dicomnode-") as name:
        folder = Path(name)
        slices = [_write(folder, "MR", MRImageStorage, number, _slice(number)) for number in (1, 2)]
        mammograms = [_write(folder, "MG", DigitalMammographyXRayImageStorageForPresentation, 1, _MAMMOGRAM)]
        documents = _built(_of_slices(slices), slices, node)
        documents |= {
            kind: dataset
            for kind, dataset in _built(_of_projection(mammograms), mammograms, node).items()
            if kind not in documents
        }
    return documents | _notes(documents, node)


def _built(result: Result, paths: Sequence[Path], node: NodeIdentity) -> dict[str, Dataset]:
    return {item.kind: item.dataset for item in build_evidence(result, paths, {}, node)}


def _notes(documents: Mapping[str, Dataset], node: NodeIdentity) -> dict[str, Dataset]:
    report = dcmread(BytesIO(to_bytes(documents["text"])))
    sent = (SourceReference(str(report.SOPClassUID), str(report.SOPInstanceUID), str(report.SeriesInstanceUID)),)
    withdrawal = Withdrawal(_MODEL.name, sent, "", Cause.QUALITY, _MOMENT, node)
    return {
        "rejection": rejection_note(withdrawal, report, 1).dataset,
        "withdrawn": withdrawn_report(withdrawal, report, "text").dataset,
    }


def _slice(number: int) -> dict[str, object]:
    return {**_SLICE, "ImagePositionPatient": [0, 0, number]}


def _write(folder: Path, modality: str, sop_class_uid: str, number: int, attributes: Mapping[str, object]) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    dataset.SOPClassUID = UID(sop_class_uid)
    dataset.SOPInstanceUID = derive_uid("conformance", modality, str(number))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID = derive_uid("conformance", modality)
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, 1, number
    for keyword, value in (_COMMON | dict(attributes)).items():
        setattr(dataset, keyword, value)
    pixels = np.arange(_SIZE * _SIZE, dtype=np.uint16).reshape(_SIZE, _SIZE)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    path = folder / f"{modality}{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _of_slices(paths: Sequence[Path]) -> Result:
    images = tuple(_reference(path) for path in paths)
    site = Code("12738006", "SCT", "Brain")
    answer = StudyAnswer(_MASS, Presence.PRESENT, 0.9, False, 0.5, (), images[:1], "", site)
    size = Measurement(Code("103339001", "SCT", "Long axis"), 8.0, Code("mm", "UCUM", "mm"))
    return Result(
        study_instance_uid=_STUDY,
        model=_MODEL,
        outcome=Outcome.FINDINGS,
        reason="score 0.90 reached the threshold 0.5",
        answer=answer,
        findings=(_finding(images[0], site, (size,)),),
        images=images,
        input_digest="0" * 64,
        created=_MOMENT,
    )


def _of_projection(paths: Sequence[Path]) -> Result:
    result = _of_slices(paths)
    image = result.images[0]
    return replace(
        result,
        findings=(_finding(image, BREAST, ()),),
        heat_maps=(HeatMap(image, np.full((4, 4), 0.5, np.float32), (0.0, 0.0), (8.0, 8.0)),),
        attention=(Attention(Polygon(image, _CORNERS, is_box=True), 1.0),),
    )


def _finding(image: SourceReference, site: Code, measurements: tuple[Measurement, ...]) -> Finding:
    pixels = np.zeros((1, _SIZE, _SIZE), bool)
    pixels[:, 8:16, 8:16] = True
    return Finding(
        concept=_MASS,
        label="Lesion 1",
        tracking_uid=derive_uid("conformance", image.sop_instance_uid),
        score=0.9,
        contours=(Polygon(image, _CORNERS),),
        site=site,
        mask=Mask((image,), pixels),
        measurements=measurements,
    )


def _reference(path: Path) -> SourceReference:
    header = dcmread(path, stop_before_pixels=True)
    return SourceReference(str(header.SOPClassUID), str(header.SOPInstanceUID), str(header.SeriesInstanceUID))
