"""Studies that the tests of the whole node send: the drawn head, and pictures wrapped as MR instances."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread

from dicomnode.demo.phantom import draw_phantom
from dicomnode.demo.study import make_study
from dicomnode.dicom.uids import derive_uid
from tests.factories import make_instance, write_instance

SLICES = slice(9, 15)  # through the drawn mass


@cache
def _drawn() -> tuple[Dataset, ...]:
    return make_study(draw_phantom(), datetime(2026, 1, 2, 10, 15))[SLICES]


def brain_study(folder: Path, word: str, **attributes: object) -> list[Path]:
    """Write six slices of the drawn head as a study of their own: same word, same UIDs.

    Args:
        folder: Where to; made if missing.
        word: Names the study.
        attributes: DICOM keywords and values that replace the drawn ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(dataset, folder, word, attributes) for dataset in _drawn()]


def _write(drawn: Dataset, folder: Path, word: str, attributes: dict[str, object]) -> Path:
    dataset = deepcopy(drawn)
    dataset.StudyInstanceUID = derive_uid("test study", word)
    dataset.SeriesInstanceUID = derive_uid("test series", word)
    dataset.FrameOfReferenceUID = derive_uid("test frame of reference", word)
    dataset.SOPInstanceUID = derive_uid("test instance", word, str(dataset.InstanceNumber))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientID, dataset.AccessionNumber = f"TEST-{word}"[:64], word[:16]
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    path = folder / f"{int(dataset.InstanceNumber):04d}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def picture_study(folder: Path, picture: Path, word: str) -> list[Path]:
    """One grey picture, wrapped as a study of one MR instance."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(Image.open(picture).convert("L")).astype(np.uint16)
    dataset = make_instance(study=word, series=word, modality="MR", pixels=pixels, BodyPartExamined="BRAIN")
    return [write_instance(dataset, folder / "0001.dcm")]


def study_uid(paths: Sequence[Path]) -> str:
    """Study Instance UID of the first file."""
    return str(dcmread(paths[0], stop_before_pixels=True).StudyInstanceUID)


def storescu(paths: Iterable[Path], port: int, called: str = "DICOMNODE", calling: str = "MODALITY") -> None:
    """Send files with DCMTK's storescu; fails unless it reports success."""
    command = [shutil.which("storescu") or "storescu", "-R", "-aet", calling, "-aec", called, "127.0.0.1", str(port)]
    sent = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, timeout=120, check=False)
    assert sent.returncode == 0, sent.stderr[-2000:]


def judged_by_dciodvfy(path: Path) -> list[str]:
    """What dicom3tools' dciodvfy calls an error in a file."""
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60, check=False)
    return [line for line in (said.stderr + said.stdout).splitlines() if line.startswith("Error")]
