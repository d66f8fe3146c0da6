"""Query parameters of rendered resources (PS3.18 8.3.5)."""

from __future__ import annotations

from fastapi import Request

from dicomnode.dicom.display import Window
from dicomnode.dicom.rendering import Rendering, Viewport
from dicomnode.errors import UsageError

_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_NOT_SUPPORTED = ("annotation", "iccprofile")
_MOST_PIXELS = 16384
_THUMBNAIL = Viewport(200, 200)


def rendering_of(request: Request, is_thumbnail: bool = False) -> Rendering:
    """How a picture is asked for.

    Raises:
        UsageError: A parameter is not of its form.
    """
    viewport = request.query_params.get("viewport")
    return Rendering(
        _window(request.query_params.get("window")),
        _viewport(viewport) if viewport else _THUMBNAIL if is_thumbnail else None,
        _quality(request.query_params.get("quality")),
    )


def warning_headers(request: Request) -> dict[str, str]:
    """A word about parameters that were given and have no effect (PS3.18 8.3.5.1)."""
    ignored = [name for name in _NOT_SUPPORTED if name in request.query_params]
    text = f'299 dicomnode "The following parameters are not supported and had no effect: {", ".join(ignored)}"'
    return {"Warning": text} if ignored else {}


def _window(value: str | None) -> Window | None:
    if not value:
        return None
    center, width, *function = value.split(",") if value.count(",") in (1, 2) else ("", "")
    name = _FUNCTIONS.get(function[0].lower() if function else "linear")
    numbers = _numbers(f"{center},{width}")
    if name is None or len(numbers) != 2 or numbers[1] <= 0 or (name == "LINEAR" and numbers[1] < 1):
        raise UsageError(
            f"window is center,width,function with a width above 0 (of linear, 1 at least) and function one of "
            f"{', '.join(_FUNCTIONS)}"
        )
    return Window(numbers[0], numbers[1], name)


def _viewport(value: str) -> Viewport:
    numbers = _numbers(value)
    if len(numbers) not in (2, 6) or not all(1 <= number <= _MOST_PIXELS for number in numbers[:2]):
        raise UsageError(
            f"viewport is width,height or width,height,sx,sy,sw,sh, width and height between 1 and {_MOST_PIXELS}"
        )
    width, height, left, top, *region = (*map(round, numbers), 0, 0, 0, 0)
    if left < 0 or top < 0:
        raise UsageError("viewport: sx and sy count from the image's upper left corner and are not below 0")
    return Viewport(width, height, left, top, region[0], region[1])


def _quality(value: str | None) -> int:
    if not value:
        return Rendering().quality
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:4]) <= 100):
        raise UsageError("quality is a whole number between 1 and 100")
    return int(value)


def _numbers(text: str) -> list[float]:
    """Numbers between commas; an empty viewport field counts as 0; none if one is no number."""
    try:
        numbers = [float(item or 0) for item in text.split(",")]
    except ValueError:
        return []
    return numbers if all(abs(number) < 1e9 for number in numbers) else []
