"""A tiny CBIS-DDSM with the faults of the real one, in both of the forms that the archive delivered it in."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.factories import make_instance, write_instance

COLUMNS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type"),
    *("mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)
TABLES = tuple(f"{kind}_case_description_{split}_set.csv" for kind in ("mass", "calc") for split in ("train", "test"))
ROWS, WIDTH = 60, 40


@dataclass(frozen=True, slots=True)
class Case:
    """An abnormality to write.

    Attributes:
        box: xyxy of the region, in mask pixels.
        mask_size: Rows and columns of its mask.
        swapped: The crop lies where the table names the mask.
        other_uids: The folders have other UIDs than the table names.
        mask_value: Of its pixels; 0 makes the mask empty.
    """

    patient: str
    side: str = "LEFT"
    view: str = "CC"
    number: int = 1
    pathology: str = "BENIGN"
    box: tuple[int, int, int, int] = (10, 20, 18, 30)
    mask_size: tuple[int, int] = (ROWS, WIDTH)
    swapped: bool = False
    other_uids: bool = False
    mask_value: int = 255

    @property
    def view_name(self) -> str:
        return f"Mass-Training_{self.patient}_{self.side}_{self.view}"


FAULTY = (
    Case("P_00001", pathology="MALIGNANT"),
    Case("P_00001", number=2, box=(25, 40, 35, 50), swapped=True),
    Case("P_00002", side="RIGHT", view="MLO", mask_size=(30, 20), box=(5, 10, 9, 15)),
    Case("P_00003", pathology="BENIGN_WITHOUT_CALLBACK", other_uids=True),
    Case("P_00004", mask_value=0),
)


def write_cbis(folder: Path, cases: tuple[Case, ...] = FAULTY, *, dated: bool = False) -> Path:
    """Write tables and folders.

    Args:
        folder: Made if it does not exist.
        cases: Rows of the table of masses for training; the other tables have none.
        dated: Lay the folders out as the archive does now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(case) for case in cases]
    for name in TABLES:
        with (folder / name).open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines)
            writer.writerows([COLUMNS, *(rows if name == TABLES[0] else ())])
    for case in cases:
        _write_image(folder, case, dated)
        _write_regions(folder, case, dated)
    return folder


def uids(name: str) -> tuple[str, str]:
    """Study and Series Instance UID that the table gives a case."""
    study = make_instance(study=name, series="only", modality="MG")
    return str(study.StudyInstanceUID), str(study.SeriesInstanceUID)


def _row(case: Case) -> list[str]:
    region = f"{case.view_name}_{case.number}"
    image, files = (f"{name}/{'/'.join(uids(name))}" for name in (case.view_name, region))
    traits = [case.patient, "3", case.side, case.view, str(case.number), "mass", "OVAL", "ILL_DEFINED", "4"]
    paths = [f"{image}/000000.dcm", f"{files}/000000.dcm", f"{files}/000001.dcm\n"]
    return [*traits, case.pathology, "3", *paths]


def _write_image(folder: Path, case: Case, dated: bool) -> None:
    random = np.random.default_rng(int(case.patient[-1]))
    pixels = random.integers(0, 60000, (ROWS, WIDTH)).astype(np.uint16)
    place = "08-07-2016-DDSM-NA-96009/1.000000-full mammogram images-63992" if dated else ""
    _write(folder, case, case.view_name, place, {"1-1.dcm" if dated else "000000.dcm": pixels})


def _write_regions(folder: Path, case: Case, dated: bool) -> None:
    left, top, right, bottom = case.box
    mask = np.zeros(case.mask_size, np.uint8)
    mask[top:bottom, left:right] = case.mask_value
    crop = np.arange(80, dtype=np.uint16).reshape(10, 8) * 700
    first, second = (mask, crop) if case.swapped else (crop, mask)
    names = ("1-1.dcm", "1-2.dcm") if dated else ("000000.dcm", "000001.dcm")
    place = "07-20-2016-DDSM-NA-94942/1.000000-ROI mask images-18515" if dated else ""
    region = f"{case.view_name}_{case.number}"
    _write(folder, case, region, place, dict(zip(names, (first, second), strict=True)))


def _write(folder: Path, case: Case, name: str, place: str, files: dict[str, npt.NDArray[Any]]) -> None:
    study, series = uids(f"{name} elsewhere" if case.other_uids else name)
    target = folder / "CBIS-DDSM" / name / place if place else folder / name / study / series
    if (target / next(iter(files))).exists():
        return  # the mammogram of another abnormality
    target.mkdir(parents=True, exist_ok=True)
    for file, pixels in files.items():
        dataset = make_instance(study=name, name=file, modality="MG", pixels=pixels, position=None, orientation=None)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        write_instance(dataset, target / file)


def sound(cases: tuple[Case, ...] = FAULTY) -> tuple[Case, ...]:
    """The same abnormalities without any fault in their files."""
    return tuple(
        replace(case, swapped=False, other_uids=False, mask_value=255, mask_size=(ROWS, WIDTH)) for case in cases
    )
