"""Outlines land on the pixels they name."""

import numpy as np

from dicomnode.dicom.picture import draw_overlay, to_8_bit


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
