"""What ``dicomnode predict`` says and writes while it works."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicomnode import __version__
from dicomnode.findings import Outcome, Result

if TYPE_CHECKING:
    from dicomnode.inference.files import Problem
    from dicomnode.inference.loaded import LoadedModel
    from dicomnode.inference.overlay import Overlay
    from dicomnode.inference.predict_files import Predicted
    from dicomnode.settings import Settings

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"


class Report:
    """One line per input, a progress bar on a terminal, and files in ``out``.

    Args:
        out: Folder for files, or None.
        settings: Who writes the evidence.
        quiet: True prints no line per result; problems are always printed.
        total: How many files there are.
    """

    def __init__(self, out: Path | None, settings: Settings, *, quiet: bool, total: int) -> None:
        self._out = out
        self._settings = settings
        self._quiet = quiet
        self._values: list[Value] = []
        self.failed = 0
        columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal or total < 2)
        self._task = self._progress.add_task("predicting", total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def fail(self, problem: Problem) -> None:
        """Count and print an input that could not be used."""
        self.failed += 1
        text = problem.text if str(problem.path) in problem.text else f"{problem.path}: {problem.text}"
        print(f"error: {text}", file=sys.stderr)
        self._values.append({"path": str(problem.path), "error": problem.text})
        self._progress.advance(self._task)

    def add(self, predicted: Predicted, explained_by: LoadedModel | None = None) -> None:
        """Print a result and write what belongs to it; with Grad-CAM of a model, if it is given."""
        from dicomnode.inference.result_json import result_values

        result = predicted.analysis.result
        files = self._write(predicted, explained_by) if self._out is not None else []
        values: dict[str, Value] = {"path": str(predicted.path), **result_values(result), **_boxes(predicted)}
        self._values.append({**values, "files": list(map(str, files))} if self._out is not None else values)
        if result.outcome is Outcome.REFUSED:
            self.failed += 1
            print(f"error: {predicted.path}: refused: {result.reason}", file=sys.stderr)
        elif not self._quiet:
            print(f"{_name(predicted)}: {_line(result)}")
        self._progress.advance(self._task, max(1, len(predicted.instances)))

    def to_json(self) -> str:
        """Every input so far, in order: its result, or its error."""
        return json.dumps(self._values, ensure_ascii=False, indent=2)

    def _write(self, predicted: Predicted, explained_by: LoadedModel | None) -> list[Path]:
        if self._out is None:
            return []
        folder = self._out / (predicted.uid if predicted.instances else "overlays")
        folder.mkdir(parents=True, exist_ok=True)
        files = self._write_evidence(predicted, folder) if predicted.instances else []
        for kind, overlay in _drawings(predicted, explained_by):
            if predicted.instances:
                name = f"{kind}-{overlay.position:04d}.png"
            else:
                name = f"{len(self._values) + 1:05d}-{predicted.path.stem}{'' if kind == 'image' else f'-{kind}'}.png"
            overlay.picture.save(folder / name, compress_level=1)
            files.append(folder / name)
        return files

    def _write_evidence(self, predicted: Predicted, folder: Path) -> list[Path]:
        from dicomnode.evidence import NodeIdentity
        from dicomnode.inference.evidence_files import write_evidence

        node = NodeIdentity(self._settings.node.ae_title, __version__)
        return list(write_evidence(predicted.analysis.result, predicted.instances, folder, node))


def _drawings(predicted: Predicted, explained_by: LoadedModel | None) -> Iterator[tuple[str, Overlay]]:
    """Everything that is drawn of a result, with its kind."""
    from dicomnode.inference.class_maps import draw_class_maps
    from dicomnode.inference.overlay import draw_heat_maps, draw_result

    result, groups = predicted.analysis.result, predicted.analysis.groups
    yield from (("image", overlay) for overlay in draw_result(result, groups))
    yield from (("heat-map", overlay) for overlay in draw_heat_maps(result))
    if explained_by is not None:
        yield from (("grad-cam", overlay) for overlay in draw_class_maps(result, groups, explained_by))


def _boxes(predicted: Predicted) -> dict[str, Value]:
    """Every box a detector gave, for measuring it; the lesions of the answer stand under ``findings``."""
    images = predicted.analysis.result.images
    boxes: list[Value] = [
        {
            "sop_instance_uid": image.sop_instance_uid,
            "box": [round(float(value), 3) for value in item.box],
            "label": item.label,
            "score": item.score,
        }
        for image, found in zip(images, predicted.analysis.boxes, strict=False)
        for item in found
    ]
    return {"boxes": boxes} if boxes else {}


def _name(predicted: Predicted) -> str:
    count = len(predicted.instances)
    return f"{predicted.path} and {count - 1} more" if count > 1 else str(predicted.path)


def _line(result: Result) -> str:
    return f"out of scope: {result.reason}" if result.outcome is Outcome.OUT_OF_SCOPE else result.reason
