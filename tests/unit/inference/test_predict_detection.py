"""From boxes and masks on slices to lesions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomnode.bundles import NodeMetadata, OperatingPoint, OutputClass, Task, load_bundle
from dicomnode.dicom import codes
from dicomnode.dicom.outline import outline
from dicomnode.findings import Code, Finding, Polygon, Presence
from dicomnode.inference.detection import answer_of_detections, findings_of
from dicomnode.inference.laterality import with_laterality
from dicomnode.inference.linking import link, overlap
from dicomnode.inference.network import Detection
from dicomnode.inference.pixelmap import Region
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference
from tests.mammograms import make_exam

SHAPE = (60, 80)
CLASSES = (OutputClass("a", Code("1", "99T", "A")), OutputClass("b", Code("2", "99T", "B")))


@pytest.fixture
def node(make_bundle: Any) -> NodeMetadata:
    node = load_bundle(make_bundle(weights=False)).node
    point = OperatingPoint(0.5)
    return replace(node, task=Task.DETECTION, classes=CLASSES, operating_point=point, calibration=None)


def spot(x: float, y: float, score: float = 0.9, label: int = 1, radius: float = 8.0, mask: bool = True) -> Detection:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    points = outline(inside.astype(np.float64))
    region = Region(0, 0, inside, points) if mask and points is not None else None
    return Detection(np.array([x - radius, y - radius, x + radius, y + radius]), label, score, region)


def stack(count: int, spacing: tuple[float, float] | None = (0.5, 0.5), distance: float | None = 2.0) -> SliceGroup:
    images = tuple(SourceReference("1.2.840.10008.5.1.4.1.1.4", f"1.2.{i}", "1.2") for i in range(count))
    return SliceGroup(images, (np.zeros((1, *SHAPE), np.float32),) * count, spacing, distance)


def test_overlap() -> None:
    box = np.array([0.0, 0, 10, 10])
    assert overlap(box, box) == 1.0
    assert overlap(box, box + 20) == 0.0
    assert overlap(box, np.array([5.0, 0, 15, 10])) == pytest.approx(1 / 3)


def test_a_lesion_goes_on_through_neighbouring_slices() -> None:
    slices = [(spot(20, 20),), (spot(21, 21, 0.95),), (spot(22, 20, 0.6), spot(60, 40, 0.7)), (), (spot(22, 20, 0.8),)]
    lesions = link(slices, 0.5, neighbours=True)
    assert [[index for index, _ in lesion.planes] for lesion in lesions] == [[0, 1, 2], [4], [2]]
    assert [lesion.score for lesion in lesions] == [0.95, 0.8, 0.7]


def test_loose_images_are_not_linked() -> None:
    assert len(link([(spot(20, 20),), (spot(20, 20),)], 0.5, neighbours=False)) == 2


def test_weak_boxes_and_doubles_are_left_out() -> None:
    lesions = link([(spot(20, 20, 0.9, label=1), spot(21, 20, 0.8, label=2), spot(60, 40, 0.49))], 0.5, neighbours=True)
    assert len(lesions) == 1
    assert lesions[0].label == 1


def test_a_box_inside_another_is_the_same_lesion() -> None:
    lesions = link([(spot(20, 20, 0.9, radius=12.0), spot(22, 21, 0.8, label=2, radius=5.0))], 0.5, neighbours=True)
    assert len(lesions) == 1


def test_the_label_is_the_one_with_the_most_weight() -> None:
    slices = [(spot(20, 20, 0.9, 1),), (spot(20, 20, 0.6, 2),), (spot(20, 20, 0.6, 2),)]
    assert link(slices, 0.5, neighbours=True)[0].label == 2


def test_two_lesions_side_by_side_stay_apart() -> None:
    slices = [(spot(20, 20), spot(50, 20, 0.8)), (spot(50, 21, 0.9), spot(20, 21, 0.7))]
    lesions = link(slices, 0.5, neighbours=True)
    assert [{round(item.box[0]) for _, item in lesion.planes} for lesion in lesions] == [{12}, {42}]


def test_a_finding_carries_outlines_mask_and_sizes(node: NodeMetadata) -> None:
    slices = stack(4)
    detections = [(), (spot(30, 30, 0.8),), (spot(30, 30, 0.9, radius=10.0),), ()]
    (finding,) = findings_of(node, [slices], detections, "seed")
    assert (finding.label, finding.concept, finding.site) == ("Lesion 1", CLASSES[0].code, node.finding_site)
    assert [contour.image.sop_instance_uid for contour in finding.contours] == ["1.2.2", "1.2.1"]
    assert all(len(contour.points) > 5 and not contour.is_box for contour in finding.contours)
    assert finding.mask is not None
    assert [item.sop_instance_uid for item in finding.mask.images] == ["1.2.1", "1.2.2"]
    assert finding.mask.pixels.shape == (2, *SHAPE)
    sizes = {item.concept.meaning: item.value for item in finding.measurements}
    assert sizes["Long axis"] == pytest.approx(10.0, rel=0.05)
    assert sizes["Short axis"] == pytest.approx(10.0, rel=0.05)
    assert sizes["Volume"] == pytest.approx(np.pi * (64 + 100) * 0.25 * 2.0, rel=0.05)


def test_one_slice_has_no_volume_and_no_spacing_no_size(node: NodeMetadata) -> None:
    (finding,) = findings_of(node, [stack(1)], [(spot(30, 30),)], "seed")
    assert [item.concept.meaning for item in finding.measurements] == ["Long axis", "Short axis"]
    (finding,) = findings_of(node, [stack(1, spacing=None)], [(spot(30, 30),)], "seed")
    assert finding.measurements == ()


def test_a_detector_without_masks_gives_boxes(node: NodeMetadata) -> None:
    (finding,) = findings_of(node, [stack(1)], [(spot(30, 30, mask=False),)], "seed")
    assert finding.mask is None
    assert finding.contours[0].is_box
    assert finding.contours[0].points.tolist() == [[22, 22], [38, 22], [38, 38], [22, 38]]
    assert finding.measurements[0].value == pytest.approx(8.0)


def test_tracking_uids_repeat_and_differ(node: NodeMetadata) -> None:
    detections = [(spot(20, 20), spot(60, 40, 0.8))]
    first = [item.tracking_uid for item in findings_of(node, [stack(1)], detections, "seed")]
    again = [item.tracking_uid for item in findings_of(node, [stack(1)], detections, "seed")]
    other = [item.tracking_uid for item in findings_of(node, [stack(1)], detections, "other")]
    assert first == again
    assert len({*first, *other}) == 4


def test_groups_are_numbered_together(node: NodeMetadata) -> None:
    groups = [stack(1), stack(2)]
    found = findings_of(node, groups, [(spot(20, 20, 0.7),), (spot(40, 30, 0.9),), (spot(40, 30, 0.6),)], "seed")
    assert [(item.label, item.score, len(item.contours)) for item in found] == [
        ("Lesion 1", 0.9, 2),
        ("Lesion 2", 0.7, 1),
    ]


def test_the_answer_is_the_strongest_box(node: NodeMetadata) -> None:
    images = stack(5).images
    detections = [(), (spot(1, 1, 0.6),), (spot(1, 1, 0.3), spot(9, 9, 0.2)), (spot(1, 1, 0.8),), ()]
    answer = answer_of_detections(node, images, detections)
    assert (answer.presence, answer.score, answer.classes) == (Presence.PRESENT, 0.8, ())
    assert [item.sop_instance_uid for item in answer.carried_by] == ["1.2.3", "1.2.1"]


@pytest.mark.parametrize(("scores", "carrier"), [([0.1, 0.4], "1.2.1"), ([None, None], "1.2.0")])
def test_a_negative_answer_names_the_image_that_came_closest(
    node: NodeMetadata, scores: list[float | None], carrier: str
) -> None:
    detections = [() if score is None else (spot(1, 1, score),) for score in scores]
    answer = answer_of_detections(node, stack(2).images, detections)
    assert (answer.presence, answer.score) == (Presence.ABSENT, scores[1] or 0.0)
    assert [item.sop_instance_uid for item in answer.carried_by] == [carrier]


def test_findings_on_mammograms_have_the_side_that_their_image_shows(tmp_path: Path) -> None:
    drawn = make_exam(tmp_path, size=(64, 52), changed={"L-MLO": {"tagged_side": "R", "seed": 1}})
    [series] = drawn.series
    uids = [instance.sop_instance_uid for instance in series.instances]
    findings = [on_image(uid, number) for number, uid in enumerate(uids)]
    sided = with_laterality(findings, series)
    # the third one's Patient Orientation is that of the other breast
    assert [item.laterality for item in sided] == [codes.LEFT, codes.RIGHT, None, codes.RIGHT]
    assert with_laterality(findings, replace(series, modality="DX")) == tuple(findings)


def on_image(uid: str, number: int) -> Finding:
    image = SourceReference("1.2.840.10008.5.1.4.1.1.1.2", uid, "1.2")
    corners = np.array([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0], [1.0, 5.0]])
    return Finding(Code("1", "99T", "A"), f"Lesion {number}", f"1.2.{number}", 0.9, (Polygon(image, corners, True),))
