"""Drawing outlines on 8-bit pictures, for people who look without a viewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

_COLOURS = ((255, 196, 0), (0, 200, 255), (255, 90, 160), (120, 230, 80), (190, 140, 255))
_SHORTEST_SIDE = 512


def to_8_bit(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Grey values for the screen: the range from the 0.5th to the 99.5th percentile becomes 0..255.

    Args:
        pixels: (Rows, Columns) or (Rows, Columns, 3), any scale, high is bright.
    """
    values = pixels.astype(np.float64)
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.asarray(np.clip(scaled, 0, 1) * 255, dtype=np.float64).round().astype(np.uint8)


def draw_overlay(
    picture: npt.NDArray[np.uint8],
    polygons: Sequence[npt.NDArray[np.float64]],
    labels: Sequence[str],
    caption: str = "",
) -> Image.Image:
    """A picture with closed outlines, a label beside each, and a caption below.

    Small pictures are enlarged by a whole number, so that lines and text stay readable.

    Args:
        picture: (Rows, Columns) or (Rows, Columns, 3).
        polygons: (N, 2) column, row each, counted from the corner of the image (PS3.3 C.18.6.1.2).
        labels: One per polygon.
        caption: A sentence, broken into lines as needed, or empty.
    """
    rows, columns = picture.shape[:2]
    scale = max(1, round(_SHORTEST_SIDE / min(rows, columns)))
    image = Image.fromarray(picture).convert("RGB").resize((columns * scale, rows * scale), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    size = max(12, image.height // 36)
    for number, (points, label) in enumerate(zip(polygons, labels, strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        _draw_outline(draw, points * scale, colour, width=max(2, image.height // 300))
        _draw_label(draw, points * scale, label, colour, size, image.width)
    return _with_caption(image, caption, size) if caption else image


def _draw_outline(
    draw: ImageDraw.ImageDraw, points: npt.NDArray[np.float64], colour: tuple[int, int, int], width: int
) -> None:
    # Pillow counts from pixel centres, SCOORD from the corner.
    closed = np.concatenate([points, points[:1]]) - 0.5
    draw.line([(float(x), float(y)) for x, y in closed], fill=colour, width=width, joint="curve")


def _draw_label(
    draw: ImageDraw.ImageDraw,
    points: npt.NDArray[np.float64],
    label: str,
    colour: tuple[int, int, int],
    size: int,
    width: int,
) -> None:
    font = ImageFont.load_default(size)
    left, top = points.min(axis=0)
    x = max(0.0, min(float(left), width - draw.textlength(label, font)))
    y = float(top) - 1.4 * size
    if y < 0:
        y = float(points[:, 1].max()) + 0.2 * size
    draw.text((x, y), label, fill=colour, font=font, stroke_width=2, stroke_fill=(0, 0, 0))


def _with_caption(image: Image.Image, caption: str, size: int) -> Image.Image:
    font = ImageFont.load_default(size)
    lines = _wrapped(caption, font, image.width - 16)
    framed = Image.new("RGB", (image.width, image.height + (len(lines) + 1) * size * 5 // 4), (16, 16, 16))
    framed.paste(image)
    draw = ImageDraw.Draw(framed)
    for number, line in enumerate(lines):
        draw.text((8, image.height + size // 2 + number * size * 5 // 4), line, fill=(235, 235, 235), font=font)
    return framed


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
