"""dcmqi, which 3D Slicer reads SEG and SR with, gives back what we wrote: voxels, places, codes and measurements."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from dicomnode.demo.phantom import LATTICE
from tests.viewer.cases import Case, brain, exam

MASS, BRAIN = ("4147007", "SCT"), ("12738006", "SCT")


def run(tool: str, *words: str | Path) -> None:
    """Run one of dcmqi's tools, which pip puts beside Python."""
    path = Path(sys.executable).with_name(tool)
    done = subprocess.run([path, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return brain(tmp_path_factory.mktemp("brain"))


@pytest.fixture(scope="module")
def read(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what `segimage2itkimage` made of the masks."""
    folder = tmp_path_factory.mktemp("read")
    words = ("--outputDirectory", folder, "--outputType", "nrrd")
    run("segimage2itkimage", "--inputDICOM", case.file("segmentation"), *words)
    return folder


@pytest.mark.parametrize(("number", "label"), [(1, "Lesion 1"), (2, "Lesion 2")])
def test_masks_come_back_voxel_by_voxel_in_their_place(case: Case, read: Path, number: int, label: str) -> None:
    image = SimpleITK.ReadImage(str(read / f"{number}.nrrd"))
    found = SimpleITK.GetArrayFromImage(image) > 0
    step, row, column = LATTICE.spacing
    assert image.GetSpacing() == pytest.approx((column, row, step))
    first = [round(float(number)) for number in np.subtract(image.GetOrigin(), LATTICE.origin) / image.GetSpacing()]
    whole = np.zeros_like(case.masks[label])
    depth, height, width = found.shape
    whole[first[2] : first[2] + depth, first[1] : first[1] + height, first[0] : first[0] + width] = found
    assert np.array_equal(whole, case.masks[label])
    volume = found.sum() * np.prod(image.GetSpacing())
    assert volume == pytest.approx(case.masks[label].sum() * case.voxel_mm3)


def test_segments_are_tied_to_the_outlines_of_the_report(case: Case, read: Path, tmp_path: Path) -> None:
    segments = [part for (part,) in json.loads((read / "meta.json").read_text())["segmentAttributes"]]
    groups = list(groups_of(case, "lesions", tmp_path))
    assert [code(part["SegmentedPropertyTypeCodeSequence"]) for part in segments] == [MASS, MASS]
    assert [code(part["AnatomicRegionSequence"]) for part in segments] == [BRAIN, BRAIN]
    assert [part["SegmentAlgorithmType"] for part in segments] == ["AUTOMATIC", "AUTOMATIC"]
    for key in ("TrackingIdentifier", "TrackingUniqueIdentifier"):
        assert [part[key] for part in segments] == [group[key] for group in groups]


def test_measurements_of_lesions_come_back(case: Case, tmp_path: Path) -> None:
    first, second = groups_of(case, "lesions", tmp_path)
    assert (code(first["Finding"]), code(first["FindingSite"])) == (MASS, BRAIN)
    assert numbers(first) == {"Certainty of Finding": ("87.0", "%"), "Long axis": ("30.8", "mm")}
    assert numbers(second) == {"Certainty of Finding": ("64.0", "%"), "Long axis": ("14.8", "mm")}
    model = first["measurementAlgorithmIdentification"]
    assert (model["AlgorithmName"], model["AlgorithmVersion"]) == ("brain_mri_lesion_detector", "0.1.0")


def test_the_answer_comes_back(case: Case, tmp_path: Path) -> None:
    asked, *classes = groups_of(case, "answer", tmp_path)
    assert numbers(asked) == {"Certainty of Finding": ("93.0", "%")}
    said = {item["conceptCode"]["CodeMeaning"]: item["conceptValue"] for item in asked["qualitativeEvaluations"]}
    assert code(said["Presence"]) == ("52101004", "SCT")
    assert [group["Finding"]["CodeMeaning"] for group in classes] == ["Glioma", "Normal"]


def test_each_mammogram_s_report_comes_back_with_its_side(tmp_path: Path) -> None:
    case = exam(tmp_path / "exam")
    for kind, label, side in (("lesions", "Lesion 1", "Left"), ("lesions-4", "Lesion 4", "Right")):
        (group,) = groups_of(case, kind, tmp_path)
        assert (group["TrackingIdentifier"], group["Laterality"]["CodeMeaning"]) == (label, side)


def groups_of(case: Case, kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """The measurement groups that `tid1500reader` finds in a report."""
    found = folder / f"{kind}.json"
    run("tid1500reader", "--inputDICOM", case.file(kind), "--outputMetadata", found)
    content = json.loads(found.read_text())
    assert (content["CompletionFlag"], content["VerificationFlag"]) == ("COMPLETE", "UNVERIFIED")
    yield from content["Measurements"]


def numbers(group: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Value and unit of every measurement of a group, by name."""
    return {
        item["quantity"]["CodeMeaning"]: (item["value"], item["units"]["CodeValue"])
        for item in group["measurementItems"]
    }


def code(found: dict[str, str]) -> tuple[str, str]:
    return found["CodeValue"], found["CodingSchemeDesignator"]
