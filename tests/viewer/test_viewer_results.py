"""What a radiologist sees of our documents in OHIF, on the node and on Orthanc."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dicomnode.demo.phantom import LATTICE
from tests.viewer.cases import Case
from tests.viewer.conftest import Address
from tests.viewer.ohif import Ohif

pytestmark = [pytest.mark.viewer, pytest.mark.timeout(900)]

RED, GREEN = (254, 0, 2), (86, 169, 25)  # the recommended display colours of the first two segments
ORANGE = (230, 159, 0)  # of outlines in pictures
FIRST, SECOND = "Certainty of Finding: 87.00 %", "Certainty of Finding: 64.00 %"


def slices_of(case: Case, label: str) -> list[str]:
    """SOP Instance UIDs of the images that a lesion is on."""
    headers = case.images
    return [headers[number] for number in range(len(headers)) if case.masks[label][number].any()]


def centre_of(case: Case, label: str) -> np.ndarray:
    """Centroid of a mask in patient coordinates, mm."""
    place = np.argwhere(case.masks[label]).mean(axis=0)
    step, row, column = LATTICE.spacing
    x, y, z = LATTICE.origin
    return np.array([x + place[2] * column, y + place[1] * row, z + place[0] * step])


def test_the_list_of_studies_names_them(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    viewer.go(address(""))
    viewer.page.get_by_text("Phantom, Brain").first.wait_for()
    words = re.sub(r"\s+", " ", viewer.page.locator("body").inner_text())
    # Orthanc 1.10 does not know the list that OHIF sends as includefield: it tells no descriptions.
    assert "Generated, Test 02-Jan-2026" in words
    assert "1-4 of 4" in words
    viewer.picture("study-list")


def test_masks_are_drawn_named_coloured_measured_and_lead_to_their_slices(
    viewer: Ohif, address: Address, cases: dict[str, Case]
) -> None:
    case = cases["brain"]
    viewer.open(address(case.study_uid)).hang(case.name("segmentation"))
    segments = viewer.expect_segments(case.name("segmentation"), ["Lesion 1", "Lesion 2"])
    for segment, colour in zip(segments, (RED, GREEN), strict=True):
        assert segment.kind == "Mass"
        assert np.abs(np.subtract(segment.colour, colour)).max() <= 2
        assert segment.volume == pytest.approx(case.masks[segment.label].sum() * case.voxel_mm3)
        assert np.abs(np.subtract(segment.centre, centre_of(case, segment.label))).max() < 0.05
    for label, colour in (("Lesion 2", GREEN), ("Lesion 1", RED)):
        viewer.jump_to(label)
        viewer.expect_image(*slices_of(case, label))
        viewer.expect_overlay(colour)
    viewer.picture("masks")


def test_lesions_are_outlined_with_certainty_size_and_site(
    viewer: Ohif, address: Address, cases: dict[str, Case]
) -> None:
    case = cases["brain"]
    viewer.open(address(case.study_uid)).hang(case.name("lesions"))
    viewer.expect_contours(f"{FIRST}Long axis: 30.80 mm363698007: Brain", f"{SECOND}Long axis: 14.80 mm")
    viewer.expect_image(*slices_of(case, "Lesion 2"))
    viewer.picture("lesions")


def test_a_slow_machine_draws_outlines_too(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    # OHIF alone draws the image, and then no outline until somebody zooms: it learned too late which are its to draw.
    case = cases["brain"]
    viewer.open(address(case.study_uid)).slow_down(6)
    viewer.hang(case.name("lesions"))
    viewer.expect_contours(FIRST, SECOND)


def test_the_report_says_it_in_sentences_and_the_answer_blanks_no_other(
    viewer: Ohif, address: Address, cases: dict[str, Case]
) -> None:
    case = cases["brain"]
    viewer.open(address(case.study_uid)).hang(case.name("text"))
    viewer.expect_sentences(
        "Neoplasm of brain (Brain) is present: score 93 %, a certainty, not a calibrated probability",
        "Lesion 1: Mass, Brain, certainty 87 %, long axis 30.8 mm",
        "Result of an artificial intelligence; not verified by a human.",
        "Model: brain_mri_lesion_detector, version 0.1.0",
    )
    viewer.picture("text")
    viewer.hang(case.name("answer"))
    viewer.hang(case.name("lesions"))
    viewer.expect_contours(FIRST, SECOND)
    viewer.hang(case.name("segmentation"))
    viewer.expect_segments(case.name("segmentation"), ["Lesion 1", "Lesion 2"])


def test_of_several_results_the_newest_is_shown(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    case = cases["superseded"]
    viewer.open(address(case.study_uid)).hang(case.name("text"))
    viewer.expect_sentences("The study was processed, without findings.")  # OHIF alone shows the first result's
    viewer.hang(case.name("lesions"))
    viewer.expect_sentences("outlines no lesion on L-CC.")
    viewer.picture("superseded")


def test_mammograms_of_both_breasts_are_outlined(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    case = cases["exam"]
    viewer.open(address(case.study_uid))
    # OHIF 3.13.2 keeps each mammogram in a display set of its own, and a report's viewport shows one display set.
    for number, (part, uid) in enumerate(zip(("", "-2", "-3", "-4"), case.images, strict=True), 1):
        viewer.hang(case.name(f"lesions{part}"))
        viewer.expect_image(uid)
        viewer.expect_contours(f"Certainty of Finding: {90 - 5 * number}.00 %363698007: Breast")
        viewer.expect_placed(case.name(f"lesions{part}"), uid)
        viewer.picture(f"mammogram{part}")
    for kind in ("picture", "picture-2", "picture-3", "picture-4"):
        viewer.hang(case.name(kind))
        viewer.expect_image(case.documents[kind].SOPInstanceUID)
        viewer.expect_overlay(ORANGE)
        viewer.picture(kind)
