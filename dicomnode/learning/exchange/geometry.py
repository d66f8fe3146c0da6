"""The sidecar of an exported picture: which image it is and where its pixels lie, without a word about the patient."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dicomnode.errors import InputError

Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """One picture and the frame that it was made from. Lengths are in mm.

    A pixel of a grey picture is ``stored value - low``, or ``high - stored value`` if it is mirrored, so that bright
    means much in every picture and the stored value can be had back.

    Attributes:
        picture: Place of the picture in its folder, with forward slashes.
        study_instance_uid: (0020,000D).
        series_instance_uid: (0020,000E).
        sop_instance_uid: (0008,0018).
        sop_class_uid: (0008,0016).
        frame_number: Counted from 1; None for a single-frame image.
        modality: (0008,0060).
        rows: Height in pixels.
        columns: Width in pixels.
        photometric_interpretation: (0028,0004).
        bits_stored: (0028,0101).
        low: Lowest stored value that the bits allow.
        high: Highest one.
        is_mirrored: The picture shows MONOCHROME1 with bright and dark exchanged.
        rescale_slope: (0028,1053), 1 if absent.
        rescale_intercept: (0028,1052), 0 if absent.
        window_center: (0028,1050) in rescaled values, or None.
        window_width: (0028,1051), or None.
        pixel_spacing: Between rows and between columns in the patient, where it can be trusted; else empty.
        imager_pixel_spacing: Likewise at the detector (0018,1164).
        image_orientation_patient: (0020,0037), or empty.
        image_position_patient: (0020,0032), or empty.
        patient_orientation: (0020,0020), or empty.
        frame_of_reference_uid: (0020,0052), or empty.
        laterality: ``L`` or ``R`` of a mammogram that says so, else empty.
        view: View of a mammogram, such as ``MLO``, else empty.
    """

    picture: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    frame_number: int | None
    modality: str
    rows: int
    columns: int
    photometric_interpretation: str
    bits_stored: int
    low: int
    high: int
    is_mirrored: bool
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    window_center: float | None = None
    window_width: float | None = None
    pixel_spacing: Numbers = ()
    imager_pixel_spacing: Numbers = ()
    image_orientation_patient: Numbers = ()
    image_position_patient: Numbers = ()
    patient_orientation: tuple[str, ...] = ()
    frame_of_reference_uid: str = ""
    laterality: str = ""
    view: str = ""

    @property
    def stem(self) -> str:
        """Name of the picture without folder and suffix, which annotation tools keep."""
        return Path(self.picture).stem


def write_geometry(geometry: Geometry, folder: Path) -> Path:
    """Write ``<stem>.json`` into a folder, which is made if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{geometry.stem}.json"
    path.write_text(json.dumps(asdict(geometry), indent=1) + "\n", encoding="utf-8")
    return path


def read_geometries(folder: Path) -> dict[str, Geometry]:
    """The sidecars of a folder by the stems of their pictures.

    Raises:
        InputError: There is none, or one is damaged.
    """
    found = [_read(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder}: holds no geometry (*.json); give the folder that dicomnode export wrote")
    return {geometry.stem: geometry for geometry in found}


def _read(path: Path) -> Geometry:
    adapter: TypeAdapter[Any] = TypeAdapter(Geometry)
    try:
        geometry: Geometry = adapter.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise InputError(f"{path}: {where}: {first['msg']}; export the image anew") from error
    return geometry
