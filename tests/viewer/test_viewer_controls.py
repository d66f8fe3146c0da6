"""The checks see what is wrong: each must fail on a document that no viewer can show as it is meant."""

from __future__ import annotations

import pytest

from tests.viewer.cases import Case
from tests.viewer.conftest import Address
from tests.viewer.ohif import Ohif

pytestmark = [pytest.mark.viewer, pytest.mark.timeout(900)]


def test_masks_of_another_series_are_seen_to_be_missing(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    case = cases["broken"]
    viewer.open(address(case.study_uid)).hang(case.name("segmentation"))
    viewer.expect_little()
    with pytest.raises(AssertionError, match="does not show segments"):
        viewer.expect_segments(case.name("segmentation"), ["Lesion 1", "Lesion 2"])
    with pytest.raises(AssertionError, match="does not show an overlay"):
        viewer.expect_overlay((254, 0, 2))
    viewer.picture("control-masks")


def test_a_group_without_outline_is_seen_to_blank_the_others(
    viewer: Ohif, address: Address, cases: dict[str, Case]
) -> None:
    case = cases["broken"]
    viewer.open(address(case.study_uid)).hang(case.name("lesions"))
    viewer.expect_little()
    with pytest.raises(AssertionError, match="does not show 2 outlines; there are 0"):
        viewer.expect_contours("Certainty of Finding: 87.00 %", "Certainty of Finding: 64.00 %")
    viewer.picture("control-lesions")


def test_wrong_words_and_images_are_seen(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    case = cases["brain"]
    viewer.open(address(case.study_uid)).hang(case.name("lesions"))
    viewer.expect_contours("Certainty of Finding: 87.00 %", "Certainty of Finding: 64.00 %")
    viewer.expect_little()
    with pytest.raises(AssertionError, match="does not show beside an outline"):
        viewer.expect_contours("Certainty of Finding: 88.00 %", "Certainty of Finding: 64.00 %")
    with pytest.raises(AssertionError, match="does not show one of"):
        viewer.expect_image("1.2.3")
    with pytest.raises(AssertionError, match="does not show an overlay"):
        viewer.expect_overlay((0, 0, 255))


def test_a_report_on_another_breast_is_seen(viewer: Ohif, address: Address, cases: dict[str, Case]) -> None:
    case = cases["exam"]
    left, right = case.images[:2]
    viewer.open(address(case.study_uid)).hang(case.name("lesions-2"))
    viewer.expect_image(right)
    viewer.expect_little()
    with pytest.raises(AssertionError, match="does not show one of"):
        viewer.expect_image(left)
    with pytest.raises(AssertionError, match="does not show beside an outline"):
        viewer.expect_contours("Certainty of Finding: 85.00 %")
    with pytest.raises(AssertionError, match="does not show outlines on"):
        viewer.expect_placed(case.name("lesions-2"), left)
