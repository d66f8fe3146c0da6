"""Generated DICOM for the tests: instances, series and studies that no patient ever was in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from dicomnode.dicom.header import read_header
from dicomnode.dicom.uids import derive_uid
from dicomnode.study import Instance, Series, Study

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)

SOP_CLASSES = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "GM": "1.2.840.10008.5.1.4.1.1.77.1.2",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "SM": "1.2.840.10008.5.1.4.1.1.77.1.6",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "XC": "1.2.840.10008.5.1.4.1.1.77.1.4",
}
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def make_instance(
    *,
    study: str = "study",
    series: str = "series",
    name: str = "1",
    modality: str = "MR",
    pixels: npt.NDArray[Any] | None = None,
    position: Sequence[float] | None = (0.0, 0.0, 0.0),
    orientation: Sequence[float] | None = AXIAL,
    pixel_spacing: Sequence[float] | None = (1.0, 1.0),
    transfer_syntax: str = ExplicitVRLittleEndian,
    **attributes: Any,
) -> FileDataset:
    """One image that satisfies its IOD as far as the node looks.

    Args:
        study: Any word; same word, same Study Instance UID.
        series: Any word; same word within a study, same Series Instance UID.
        name: Any word; makes the SOP Instance UID within the series.
        modality: Chooses the SOP class; give ``SOPClassUID`` besides for another one.
        pixels: (Rows, Columns), (Rows, Columns, 3), or with ``NumberOfFrames`` in front; uint8, uint16 or
            int16. Default: a ramp of 16 x 16 in uint16.
        position: Image Position (Patient), mm; None leaves it out.
        orientation: Image Orientation (Patient); None leaves it out.
        pixel_spacing: Row spacing, column spacing, mm; None leaves it out.
        transfer_syntax: An uncompressed little-endian one.
        attributes: DICOM keywords and their values; None removes the attribute.
    """
    pixels = ramp(16, 16) if pixels is None else pixels
    dataset = _empty(study, series, name, attributes.pop("SOPClassUID", SOP_CLASSES[modality]), transfer_syntax)
    _add_patient_and_study(dataset, modality)
    for keyword, value in (
        ("ImagePositionPatient", position),
        ("ImageOrientationPatient", orientation),
        ("PixelSpacing", pixel_spacing),
    ):
        if value is not None:
            setattr(dataset, keyword, [float(number) for number in value])
    add_pixels(dataset, pixels)
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    return dataset


def ramp(rows: int, columns: int, dtype: npt.DTypeLike = np.uint16) -> npt.NDArray[Any]:
    """(rows, columns) of values that differ in every pixel as long as ``dtype`` can hold them."""
    return np.arange(rows * columns).reshape(rows, columns).astype(dtype)


def add_pixels(dataset: Dataset, pixels: npt.NDArray[Any]) -> None:
    """Set Pixel Data and the attributes that describe it, from an array (see ``make_instance``)."""
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3
    frames = pixels.ndim == (4 if colour else 3)
    spatial = pixels.shape[int(frames) :]
    if frames:
        dataset.NumberOfFrames = pixels.shape[0]
    dataset.Rows, dataset.Columns = spatial[0], spatial[1]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    value = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = value + b"\0" * (len(value) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


def write_instance(dataset: FileDataset, path: Path) -> Path:
    """Write a DICOM file; a folder gets ``<SOP Instance UID>.dcm`` in it."""
    if path.is_dir():
        path = path / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def make_series(
    folder: Path,
    count: int = 5,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 2.0),
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    shape: tuple[int, int] = (16, 16),
    descending: bool = False,
    **attributes: Any,
) -> list[Path]:
    """Write a series of single-frame slices, ``folder/0001.dcm`` and on.

    Slice k lies k steps along the slice normal and holds ``ramp + 1000 * k`` in uint16 (modulo 65536).

    Args:
        folder: Where to; made if missing.
        count: Number of slices.
        spacing: Row spacing, column spacing, distance between slices, mm.
        orientation: Image Orientation (Patient).
        origin: Image Position (Patient) of slice 0, mm.
        shape: Rows, Columns.
        descending: Number the instances against the slice normal.
        attributes: As for ``make_instance``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    paths = []
    for k in range(count):
        number = count - k if descending else k + 1
        given: dict[str, Any] = {
            "name": str(number),
            "position": np.asarray(origin) + normal * spacing[2] * k,
            "pixels": ramp(*shape) + np.uint16(1000 * k % 65536),
            "InstanceNumber": number,
            "SliceThickness": spacing[2],
        }
        dataset = make_instance(orientation=orientation, pixel_spacing=spacing[:2], **(given | attributes))
        paths.append(write_instance(dataset, folder / f"{number:04d}.dcm"))
    return sorted(paths)


def make_enhanced(
    count: int = 4,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 2.0),
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    shape: tuple[int, int] = (16, 16),
    order: Sequence[int] | None = None,
    **attributes: Any,
) -> FileDataset:
    """An enhanced multi-frame image (PS3.3 A.36, A.38): frame f is slice ``order[f]`` of ``make_series``."""
    order = range(count) if order is None else order
    normal = np.cross(orientation[:3], orientation[3:])
    pixels = np.stack([ramp(*shape) + np.uint16(1000 * k % 65536) for k in order])
    given: dict[str, Any] = {"SOPClassUID": ENHANCED_MR, "pixels": pixels} | attributes
    dataset = make_instance(position=None, orientation=None, pixel_spacing=None, **given)
    shared = Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[float(number) for number in orientation])]
    shared.PixelMeasuresSequence = [
        _item(PixelSpacing=[float(spacing[0]), float(spacing[1])], SliceThickness=float(spacing[2]))
    ]
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(
        _frame_groups(np.asarray(origin) + normal * spacing[2] * k) for k in order
    )
    return dataset


def make_slide(
    pixels: npt.NDArray[Any],
    *,
    spacing: float = 0.004,
    tile: tuple[int, int] = (64, 64),
    sparse: Sequence[tuple[int, int]] | None = None,
    **attributes: Any,
) -> FileDataset:
    """A tiled VL Whole Slide Microscopy image (PS3.3 A.32.8).

    Args:
        pixels: (Rows, Columns, 3) uint8, the total pixel matrix.
        spacing: Pixel spacing, mm, both ways.
        tile: Rows and columns of a frame.
        sparse: Top, left of each frame of a TILED_SPARSE image, in order; None makes a TILED_FULL one.
        attributes: As for ``make_instance``.
    """
    rows, columns = pixels.shape[:2]
    places = sparse or [(top, left) for top in range(0, rows, tile[0]) for left in range(0, columns, tile[1])]
    padded = np.pad(pixels, ((0, tile[0]), (0, tile[1]), (0, 0)))
    frames = np.stack([padded[top : top + tile[0], left : left + tile[1]] for top, left in places])
    given: dict[str, Any] = {
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "TotalPixelMatrixRows": rows,
        "TotalPixelMatrixColumns": columns,
        "DimensionOrganizationType": "TILED_FULL" if sparse is None else "TILED_SPARSE",
        "NumberOfFrames": len(places),
    } | attributes
    place: dict[str, Any] = {"position": None, "orientation": None, "pixel_spacing": None}
    dataset = make_instance(modality="SM", pixels=frames, **place, **given)
    measures = _item(PixelSpacing=[spacing, spacing], SliceThickness=0.001)
    dataset.SharedFunctionalGroupsSequence = [_item(PixelMeasuresSequence=[measures])]
    if sparse is not None:
        dataset.PerFrameFunctionalGroupsSequence = DicomSequence(_slide_place(*place) for place in places)
    return dataset


def make_micrograph(
    pixels: npt.NDArray[Any], *, spacing: float | None = 0.004, modality: str = "GM", **attributes: Any
) -> FileDataset:
    """A VL Microscopic image (PS3.3 A.32.2), or another VL image by its modality.

    Args:
        pixels: (Rows, Columns, 3) uint8, or with ``NumberOfFrames`` in front.
        spacing: Pixel Spacing, mm, both ways; None leaves it out.
        modality: Chooses the SOP class, as for ``make_instance``.
        attributes: As for ``make_instance``.
    """
    place: dict[str, Any] = {"position": None, "orientation": None}
    both = None if spacing is None else (spacing, spacing)
    return make_instance(modality=modality, pixels=pixels, pixel_spacing=both, **place, **attributes)


def compress_jpeg(dataset: FileDataset, *, subsampling: str = "4:2:2", rgb: bool = False) -> FileDataset:
    """The same with its RGB frames as JPEG Baseline in YBR_FULL_422, as slide scanners write them, or in RGB."""
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns, 3)
    encoded = []
    for frame in frames:
        buffer = BytesIO()
        Image.fromarray(frame).save(
            buffer, "JPEG", quality=95, subsampling="4:4:4" if rgb else subsampling, keep_rgb=rgb
        )
        encoded.append(buffer.getvalue())
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"
    dataset.PhotometricInterpretation = "RGB" if rgb else "YBR_FULL_422"
    dataset.LossyImageCompression = "01"
    return dataset


def as_instance(path: Path) -> Instance:
    """The stored file as the archive would name it."""
    header = read_header(path)
    return Instance(
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        path=path.absolute(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        modality=header.modality,
        instance_number=header.instance_number,
        number_of_frames=header.number_of_frames,
    )


def as_series(paths: Sequence[Path]) -> Series:
    """The files, which must be of one series, as a ``Series`` in order of Instance Number."""
    header = read_header(paths[0])
    instances = sorted(map(as_instance, paths), key=lambda item: (item.instance_number or 0, item.sop_instance_uid))
    return Series(
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        modality=header.modality,
        description=header.series_description,
        body_part_examined=header.body_part_examined.upper(),
        series_number=header.series_number,
        instances=tuple(instances),
    )


def as_study(*series: Sequence[Path], called: Sequence[str] = (), calling: Sequence[str] = ()) -> Study:
    """Lists of files, one per series, as a ``Study`` of generation 1."""
    header = read_header(series[0][0])
    return Study(
        study_instance_uid=header.study_instance_uid,
        description=header.study_description,
        generation=1,
        called_ae_titles=tuple(called),
        calling_ae_titles=tuple(calling),
        series=tuple(as_series(paths) for paths in series),
    )


def _empty(study: str, series: str, name: str, sop_class_uid: str, transfer_syntax: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = transfer_syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = sop_class_uid
    dataset.StudyInstanceUID = derive_uid("test", study)
    dataset.SeriesInstanceUID = derive_uid("test", study, series)
    dataset.SOPInstanceUID = derive_uid("test", study, series, name)
    dataset.FrameOfReferenceUID = derive_uid("test", study, "frame of reference")
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _add_patient_and_study(dataset: Dataset, modality: str) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "Generated^Test", "TEST-1"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260102", "101112", "1"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", ""
    dataset.StudyDescription, dataset.SeriesDescription = "Generated study", "Generated series"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, 1, 1
    dataset.Manufacturer, dataset.ImageType = "Test factory", ["ORIGINAL", "PRIMARY", "AXIAL"]


def _frame_groups(position: npt.NDArray[np.float64]) -> Dataset:
    return _item(PlanePositionSequence=[_item(ImagePositionPatient=[float(number) for number in position])])


def _slide_place(top: int, left: int) -> Dataset:
    place = _item(RowPositionInTotalImagePixelMatrix=top + 1, ColumnPositionInTotalImagePixelMatrix=left + 1)
    return _item(PlanePositionSlideSequence=[place])


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
