"""Outlines land on the pixels they name."""

from datetime import UTC, datetime

import numpy as np

from dicomnode.dicom.picture import draw_overlay, to_8_bit
from dicomnode.findings import Code, HeatMap, ModelIdentity, Outcome, Presence, Result, StudyAnswer
from dicomnode.inference.overlay import draw_heat_maps
from dicomnode.study import SourceReference


def test_grey_values_are_stretched_between_percentiles() -> None:
    picture = to_8_bit(np.linspace(-1000, 3000, 10000).reshape(100, 100))
    assert (picture.dtype, picture.min(), picture.max()) == (np.uint8, 0, 255)
    assert to_8_bit(np.full((3, 3), 7)).max() == 0


def test_an_outline_is_drawn_where_it_lies() -> None:
    square = np.array([[16.0, 16.0], [48.0, 16.0], [48.0, 48.0], [16.0, 48.0]])
    image = draw_overlay(np.zeros((64, 64), np.uint8), [square], [""])
    assert image.size == (512, 512)  # enlarged eight times
    pixels = np.asarray(image).max(axis=2)
    assert pixels[256, 126:130].max() == 255
    assert pixels[126:130, 256].max() == 255
    assert pixels[256, 256] == pixels[256, 64] == 0


def test_a_caption_stands_below_and_long_ones_are_wrapped() -> None:
    picture = np.full((600, 500, 3), 90, np.uint8)
    plain = draw_overlay(picture, [], [])
    framed = draw_overlay(picture, [], [], "caption " * 30)
    assert plain.size == (500, 600)
    assert framed.size[0] == 500
    assert framed.size[1] > 600
    assert np.asarray(framed)[610:].max() > 200
    assert draw_overlay(picture, [], [], "short").size[1] < framed.size[1]


def test_a_label_stays_inside_the_picture() -> None:
    corner = np.array([[500.0, 0.0], [511.0, 0.0], [511.0, 9.0]])
    pixels = np.asarray(draw_overlay(np.zeros((512, 512), np.uint8), [corner], ["Lesion 1: Mass 0.97"]))
    assert pixels[:60, 300:480].max() == 255


def mapped(scores: np.ndarray) -> np.ndarray:
    """The drawn heat map of some scores, with a threshold of 0.5."""
    image = SourceReference("1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.3", "1.2")
    answer = StudyAnswer(Code("1", "99T", "Thing"), Presence.PRESENT, 0.9, True, 0.5, (), (image,), "Highest tile.")
    heat_map = HeatMap(image, scores.astype(np.float32), (0.0, 0.0), (32.0, 32.0))
    model, now = ModelIdentity("m", "1", "x", "d"), datetime(2026, 5, 1, tzinfo=UTC)
    result = Result("1.2", model, Outcome.FINDINGS, "found", answer, (), (image,), "d", now, (heat_map,))
    (overlay,) = draw_heat_maps(result)
    return np.asarray(overlay.picture)


def test_a_heat_map_is_blue_below_the_threshold_red_above_and_grey_where_nothing_was_examined() -> None:
    pixels = mapped(np.array([[0.1, 0.9], [np.nan, 0.5]]))
    assert pixels.shape[1] == 512 and pixels.shape[0] > 512
    red, _, blue = pixels[128, 128].astype(int)
    assert blue > red
    assert pixels[128, 384, 0] > pixels[128, 384, 2] + 100
    assert set(pixels[384, 128].tolist()) == {225}
    assert pixels[384, 384, 0] > pixels[384, 384, 2] + 100


def test_a_very_long_heat_map_stays_drawable() -> None:
    assert mapped(np.full((1, 200), 0.9)).shape[1] < 3000
