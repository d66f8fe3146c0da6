from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.errors import GeometryError, PixelError
from dicomnode.inference.reading import read_parts, read_series
from tests.factories import (
    CORONAL,
    SAGITTAL,
    as_series,
    make_enhanced,
    make_instance,
    make_series,
    ramp,
    write_instance,
)

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def _write(folder: Path, *instances: Any) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [write_instance(dataset, folder) for dataset in instances]


def _slice(name: str, height: float, **attributes: Any) -> Any:
    return make_instance(name=name, position=(0, 0, height), **({"SliceThickness": 2} | attributes))


def test_a_localizer_is_separated(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 4)
    scout = make_instance(
        name="scout", orientation=CORONAL, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], pixels=ramp(20, 30)
    )
    series = as_series([*paths, write_instance(scout, tmp_path)])
    reading = read_parts(series)
    assert [tuple(image.data.shape) for image in reading.images] == [(1, 16, 16, 4)]
    (separation,) = reading.separations
    assert separation.reason == "1 slice separated: Image Type says LOCALIZER"
    assert [image.sop_instance_uid for image in separation.images] == [scout.SOPInstanceUID]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"orientation": SAGITTAL}, "another orientation"),
        ({"pixels": ramp(20, 30)}, "20 x 30 pixels, the rest 16 x 16"),
        ({"pixel_spacing": (2, 2)}, "pixel spacing 2 x 2 mm, the rest 1 x 1 mm"),
        ({"pixels": np.zeros((16, 16, 3), np.uint8)}, "grey and colour"),
        ({"position": None}, "without position or orientation"),
    ],
)
def test_a_slice_unlike_the_rest_is_separated(tmp_path: Path, attributes: dict[str, Any], reason: str) -> None:
    paths = make_series(tmp_path, 4)
    odd = make_instance(name="odd", **({"position": (0, 0, 50)} | attributes))
    reading = read_parts(as_series([*paths, write_instance(odd, tmp_path)]))
    assert [tuple(image.data.shape) for image in reading.images] == [(1, 16, 16, 4)]
    assert reason in reading.separations[0].reason


def test_a_mixture_without_majority_is_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", 2)
    for k, dataset in enumerate(
        make_instance(name=f"s{k}", orientation=SAGITTAL, position=(k, 0, 0)) for k in range(2)
    ):
        paths.append(write_instance(dataset, tmp_path / "a" / f"s{k}.dcm"))
    with pytest.raises(GeometryError, match=r"mixes 2 kinds of slices \(2, 2 of each\).*another orientation"):
        read_series(as_series(paths))


def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 6)
    with pytest.raises(GeometryError, match=r"5 slices are not evenly spaced: 4\.00 mm behind position 4\.00 mm"):
        read_series(as_series([path for path in paths if path.name != "0004.dcm"]))


def test_slices_sent_twice_under_other_uids_are_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 4)
    again = [_slice(f"again {k}", 2.0 * k, InstanceNumber=k + 1) for k in range(2)]
    with pytest.raises(
        GeometryError, match=r"several of 6 slices lie at one position \(2 positions, such as 0\.00, 2\.0"
    ):
        read_series(as_series(paths + _write(tmp_path, *again)))


@pytest.mark.parametrize(
    "attribute",
    [("EchoTime", 10.0, 90.0), ("TemporalPositionIdentifier", 1, 2), ("ImageType", ["A", "B", "M"], ["A", "B", "P"])],
)
def test_contrasts_in_one_series_become_one_volume_each(tmp_path: Path, attribute: tuple[str, Any, Any]) -> None:
    keyword, *values = attribute
    instances = [
        _slice(f"{which} {k}", 2.0 * k, InstanceNumber=2 * k + which, **{keyword: values[which]})
        for k in range(3)
        for which in (0, 1)
    ]
    images = read_series(as_series(_write(tmp_path, *instances)))
    assert [tuple(image.data.shape) for image in images] == [(1, 16, 16, 3)] * 2
    uids = [{reference.sop_instance_uid for reference in image.slices} for image in images]
    assert uids[0].isdisjoint(uids[1])


def test_several_attributes_together_may_tell_volumes_apart(tmp_path: Path) -> None:
    instances = [
        _slice(f"{b} {way} {k}", 2.0 * k, DiffusionBValue=b, DiffusionGradientOrientation=way)
        for k in range(3)
        for b, way in ((0, [0, 0, 0]), (1000, [1, 0, 0]), (1000, [0, 1, 0]), (2000, [1, 0, 0]))
    ]
    assert len(read_series(as_series(_write(tmp_path, *instances)))) == 4


def test_temporal_positions_of_an_enhanced_image_become_volumes(tmp_path: Path) -> None:
    dataset = make_enhanced(6, order=(0, 1, 2, 0, 1, 2))
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        content = Dataset()
        content.StackID, content.InStackPositionNumber = "1", number % 3 + 1
        content.TemporalPositionIndex = number // 3 + 1
        group.FrameContentSequence = [content]
    first, second = read_series(as_series(_write(tmp_path, dataset)))
    assert [reference.frame_number for reference in first.slices] == [1, 2, 3]
    assert [reference.frame_number for reference in second.slices] == [4, 5, 6]


def test_other_objects_in_the_series_are_separated(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    other = write_instance(make_instance(name="seg", SOPClassUID=SEGMENTATION), tmp_path)
    reading = read_parts(as_series([*paths, other]))
    assert [separation.reason for separation in reading.separations] == ["1 object separated: no image"]
    with pytest.raises(PixelError, match="holds no image"):
        read_series(as_series([other]))
