"""A four-view exam by C-STORE to the node: one exam answer comes back, with what was planted in the right place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.dicom.turn import Turn
from tests.exam_networks import bright_gmic
from tests.integration.test_delivery_node import delivered, send, target
from tests.mammograms import DrawnExam, Mammogram, make_exam

pytestmark = pytest.mark.timeout(600)

Ask = Callable[[Sequence[Path]], list[Dataset]]
LEFT, RIGHT = "7771000", "24028007"
TURNED = {
    "R-CC": {"turn": Turn(transposed=True, rows_reversed=True)},
    "L-MLO": {"turn": Turn(columns_reversed=True)},
    "R-MLO": {"monochrome1": True},
}


@pytest.fixture
def ask(node_factory, make_exam_bundle, store_scp) -> Ask:
    """Send files of one study to a node where an exam model is live; gives the objects that came back."""
    scp = store_scp()
    bundle = bright_gmic(make_exam_bundle, contrast=40.0, exam={"cc_size": [736, 480], "mlo_size": [736, 480]})
    node = node_factory({"targets": [target(scp)]}, models=bundle.parent, deploy=("exams",))

    def send_and_wait(paths: Sequence[Path]) -> list[Dataset]:
        study = send(node, list(paths))
        objects = [_read(scp.received[uid]) for uid in delivered(node, study)]
        trace = node.command("trace", study).stdout
        assert f"runs on all {len(paths)} series together as one exam ({len(paths)} images)" in " ".join(trace.split())
        return objects

    return send_and_wait


def test_exams_come_back_with_an_answer_for_each_breast(ask, tmp_path):
    """Two exams through one node, which takes long to start."""
    _planted_lesions_come_back_on_the_right_breast_in_the_right_place(ask, tmp_path / "planted")
    _a_view_that_cannot_be_trusted_is_named_and_the_others_are_answered(ask, tmp_path / "wrong")


def _planted_lesions_come_back_on_the_right_breast_in_the_right_place(ask: Ask, folder: Path) -> None:
    drawn = make_exam(folder, size=(1024, 832), changed=TURNED, one_series=False)
    objects = ask(drawn.paths)
    planted = {view.dataset.SOPInstanceUID: view for view in drawn.views.values()}
    _check_answer(_of_kind(objects, ": answer"), drawn)
    _check_lesions([_of_kind(objects, f": lesions {view}") for view in drawn.views], planted)
    masks = [item for item in objects if item.Modality == "SEG" and item.SegmentationType == "BINARY"]
    maps = [item for item in objects if item.Modality == "SEG" and item.SegmentationType == "FRACTIONAL"]
    for segmentations in (masks, maps):
        shown = dict(frame for item in segmentations for frame in _frames(item))
        assert shown.keys() == planted.keys()
        for uid, pixels in shown.items():
            x, y = _middle(planted[uid])
            assert pixels[y, x] >= 0.5 * pixels.max() > 0
    states = [item for item in objects if item.Modality == "PR"]
    assert set().union(*map(_drawn_on, states)) == planted.keys()


def _a_view_that_cannot_be_trusted_is_named_and_the_others_are_answered(ask: Ask, folder: Path) -> None:
    wrong = {"R-MLO": {"over_range": True, "lesions": ()}, "R-CC": {"lesions": ()}}
    drawn = make_exam(folder, size=(1024, 832), changed=wrong, one_series=False, study="another")
    objects = ask(drawn.paths)
    words = " ".join(str(item.TextValue) for item in _items(_of_kind(objects, ": text")) if item.ValueType == "TEXT")
    assert "R-MLO is missing" in words
    assert drawn.views["R-MLO"].dataset.SOPInstanceUID in words
    sides = _sides(_of_kind(objects, ": answer"))
    assert {side: presence for side, presence, _ in sides} == {LEFT: "Present", RIGHT: "Absent"}


def _read(content: bytes) -> Dataset:
    """A data set as it came over the association, without file meta information."""
    dataset = dcmread(BytesIO(content), force=True)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _check_answer(answer: Dataset, drawn: DrawnExam) -> None:
    assert (answer.Modality, answer.VerificationFlag) == ("SR", "UNVERIFIED")
    assert {side: presence for side, presence, _ in _sides(answer)} == {LEFT: "Present", RIGHT: "Present"}
    for side, _, images in _sides(answer):
        letter = "L" if side == LEFT else "R"
        assert images == {view.dataset.SOPInstanceUID for name, view in drawn.views.items() if name.startswith(letter)}


def _check_lesions(reports: Sequence[Dataset], planted: dict[str, Mammogram]) -> None:
    groups = [item for report in reports for item in _items(report) if _named(item, "Measurement Group")]
    found = set()
    for group in groups:
        [place] = [item for item in _items(group) if item.ValueType == "SCOORD"]
        uid = place.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        points = np.array(place.GraphicData).reshape(-1, 2)
        x, y = _middle(planted[uid])
        assert (points.min(axis=0) < (x, y)).all()
        assert (points.max(axis=0) > (x, y)).all()
        left, top, right, bottom = planted[uid].lesions[0].box
        assert np.ptp(points[:, 0]) < right - left + 192
        assert np.ptp(points[:, 1]) < bottom - top + 192
        assert _laterality(group) == (LEFT if planted[uid].name.startswith("L") else RIGHT)
        found.add(uid)
    assert (found, len(groups)) == (planted.keys(), 4)


def _sides(answer: Dataset) -> list[tuple[str, str, set[str]]]:
    """Laterality, presence and images of the measurement group of each breast."""
    found = []
    for group in (item for item in _items(answer) if _named(item, "Measurement Group")):
        side = _laterality(group)
        presences = [str(item.ConceptCodeSequence[0].CodeMeaning) for item in _items(group) if _named(item, "Presence")]
        if side and presences:  # the groups of single classes have none
            images = [item for item in _items(group) if item.ValueType == "IMAGE"]
            uids = {str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for item in images}
            found.append((side, presences[0], uids))
    return found


def _laterality(group: Dataset) -> str:
    sides = [str(item.ConceptCodeSequence[0].CodeValue) for item in _items(group) if _named(item, "Laterality")]
    return sides[0] if sides else ""


def _frames(segmentation: Dataset) -> Iterator[tuple[str, np.ndarray]]:
    """Source image and pixels of each frame."""
    pixels = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    for groups, frame in zip(segmentation.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        derivation = groups if "DerivationImageSequence" in groups else segmentation.SharedFunctionalGroupsSequence[0]
        source = derivation.DerivationImageSequence[0].SourceImageSequence[0]
        yield str(source.ReferencedSOPInstanceUID), frame


def _drawn_on(state: Dataset) -> set[str]:
    images = [image for series in state.ReferencedSeriesSequence for image in series.ReferencedImageSequence]
    return {str(image.ReferencedSOPInstanceUID) for image in images}


def _middle(view: Mammogram) -> tuple[int, int]:
    left, top, right, bottom = view.lesions[0].box
    return int(left + right) // 2, int(top + bottom) // 2


def _of_kind(objects: Sequence[Dataset], what: str) -> Dataset:
    [found] = [item for item in objects if what in item.SeriesDescription]
    return found


def _items(dataset: Dataset) -> list[Dataset]:
    found = []
    for item in dataset.get("ContentSequence", []):
        found += [item, *_items(item)]
    return found


def _named(item: Dataset, meaning: str) -> bool:
    names = item.get("ConceptNameCodeSequence", None)
    return bool(names) and names[0].CodeMeaning == meaning
