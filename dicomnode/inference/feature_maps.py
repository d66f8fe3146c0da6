"""The last feature map of a convolutional network: its values, and where on the image its elements lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
_Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ElementGrid:
    """Where the elements of a map have the centres of their receptive fields, down and along.

    Attributes:
        start: Of the first element, in pixels from the corner of the network's input.
        step: From one element to the next, in pixels.
    """

    start: _Pair
    step: _Pair

    def over(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Interpolate a map (B, h, w) at the pixel centres of an input of ``size``: (B, rows, columns).

        Beyond the outermost elements their own values stand.
        """
        axes = []
        for length, count, start, step in zip(size, values.shape[-2:], self.start, self.step, strict=True):
            places = (torch.arange(length, device=values.device, dtype=values.dtype) + 0.5 - start) / step
            axes.append(2 * places / (count - 1) - 1)
        y, x = torch.meshgrid(*axes, indexing="ij")
        grid = torch.stack([x, y], dim=-1).expand(len(values), -1, -1, -1)
        sampled = nn.functional.grid_sample(values[:, None], grid, padding_mode="border", align_corners=True)
        return sampled[:, 0]


class FeatureMaps:
    """Watches a network while it looks at images.

    How far apart elements lie, and how far the first is from the corner, follows from the strides and the padding of
    the layers that were passed (Araujo et al., "Computing receptive fields of convolutional neural networks", Distill
    2019); maps of one size lie alike, whichever branch of the network made them.

    Args:
        size: Rows and columns of the images.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._grids = {size: ElementGrid((0.5, 0.5), (1.0, 1.0))}
        self.last: torch.Tensor | None = None

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        """Note what the network's layers give in the block."""
        hooks = [module.register_forward_hook(self._note) for module in network.modules()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @property
    def grid(self) -> ElementGrid:
        """Where the elements of `last` lie; spread evenly if no layer tells.

        Raises:
            ValueError: There is no map yet.
        """
        if self.last is None:
            raise ValueError("the network gave no feature map")
        rows, columns = self.last.shape[-2:]
        step = (self._size[0] / rows, self._size[1] / columns)
        return self._grids.get((rows, columns)) or ElementGrid((step[0] / 2, step[1] / 2), step)

    def _note(self, module: nn.Module, given: tuple[Any, ...], output: object) -> None:
        if not isinstance(output, torch.Tensor) or output.ndim != 4 or min(output.shape[-2:]) < 2:
            return
        self.last = output
        if isinstance(module, _STRIDED) and given and isinstance(given[0], torch.Tensor):
            before, after = _size(given[0]), _size(output)
            if before != after and before in self._grids:
                self._grids[after] = _stepped(self._grids[before], module)


def _size(values: torch.Tensor) -> tuple[int, int]:
    return values.shape[-2], values.shape[-1]


def _stepped(grid: ElementGrid, layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> ElementGrid:
    kernel, stride = _pair(layer.kernel_size), _pair(layer.stride)
    dilation = (1, 1) if isinstance(layer, nn.AvgPool2d) else _pair(layer.dilation)
    padding = _padding(layer.padding, kernel, dilation)
    start = [
        grid.start[axis] + ((kernel[axis] - 1) / 2 * dilation[axis] - padding[axis]) * grid.step[axis]
        for axis in (0, 1)
    ]
    return ElementGrid((start[0], start[1]), (grid.step[0] * stride[0], grid.step[1] * stride[1]))


def _padding(value: str | int | tuple[int, ...], kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    if value == "same":
        return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2
    return (0, 0) if isinstance(value, str) else _pair(value)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
