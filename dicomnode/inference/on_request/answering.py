"""Questions about files, answered by models that stay loaded between them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dicomnode.bundles import load_bundle
from dicomnode.dicom.header import read_header
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import BundleError, DicomNodeError, describe
from dicomnode.inference.devices import choose_device
from dicomnode.inference.files import Problem
from dicomnode.inference.fitting import is_out_of_memory
from dicomnode.inference.loaded import LoadedModel, load_model
from dicomnode.inference.on_request.answers import Values, positions, values_of, values_of_problem
from dicomnode.inference.on_request.files import Files, check_pixels, separate_files
from dicomnode.inference.on_request.question import Question, Start
from dicomnode.inference.predict_files import Predicted, predict_pictures, predict_studies
from dicomnode.inference.predict_tiles import predict_tile_pictures
from dicomnode.inference.predictor import Predictor
from dicomnode.settings import Settings

_MOST_LOADED = 4
# Pictures of more images would make an answer of hundreds of megabytes, and their Grad-CAM take minutes.
_MOST_SHOWN = 48


def _left(files: Files, told: set[int]) -> Iterator[tuple[int, Problem]]:
    """Files that no answer names, with their places: silence is no answer."""
    for place, path in enumerate(files.paths):
        if place + 1 not in told:
            yield place, Problem(path, "it was not looked at: " + _why_left(path))


def _why_left(path: Path) -> str:
    if not is_image(read_header(path).sop_class_uid):
        return "it holds no image"
    return "it is another copy of an instance, or of a study that was refused"


class Answering:
    """Models on one device, and how to ask them.

    Args:
        start: How the process was started.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._settings = Settings.model_validate({"node": {"ae_title": start.ae_title}})
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()

    def answer(self, question: Question, whole: int) -> Values:
        """The answer to a question, or what kept it from being answered; never raises.

        Args:
            question: The question.
            whole: The file that holds all files; closed at the end.
        """
        try:
            with separate_files(whole, question.lengths) as files:
                return {"answer": self._answer(question, files)}
        except DicomNodeError as error:
            return {"error": type(error).__name__, "text": str(error)}
        except Exception as error:  # noqa: BLE001  who waits is told, and the process goes on
            if is_out_of_memory(error):
                return {"error": "MemoryError", "text": "the files need more memory than a prediction may take"}
            return {"error": "Exception", "text": describe(error)}

    def _answer(self, question: Question, files: Files) -> Values:
        check_pixels(files.dicom, question.most_pixels)
        begun = time.perf_counter()
        model = self._model(question)
        loaded = time.perf_counter()
        answers: list[tuple[int, Values]] = []
        shown = 0
        for item in self._predictions(model, files, question):
            drawn = question if shown < _MOST_SHOWN else replace(question, pictures=False, grad_cam=False, masks=False)
            values = self._values(item, files, model, drawn)
            shown += len(images) if isinstance(images := values["images"], list) else 0
            answers.append((files.paths.index(item.path), values))
        told = {number for _, values in answers for number in positions(values)}
        answers += [(place, values_of_problem(item, files)) for place, item in _left(files, told)]
        answers.sort(key=lambda item: item[0])  # pages of a picture stay in their order
        return {
            "results": [values for _, values in answers],
            "load_seconds": round(loaded - begun, 3),
            "predict_seconds": round(time.perf_counter() - loaded, 3),
        }

    def _values(self, item: Predicted | Problem, files: Files, model: LoadedModel, question: Question) -> Values:
        if isinstance(item, Predicted):
            return values_of(item, files, model, question)
        return values_of_problem(item, files)

    def _predictions(self, model: LoadedModel, files: Files, question: Question) -> Iterator[Predicted | Problem]:
        created = datetime.now(UTC)
        tiling = model.bundle.node.tiling
        if isinstance(model, Predictor) and tiling is not None:
            spacing, most = question.spacing, question.most_pixels
            yield from predict_tile_pictures(model, tiling, files.pictures, spacing, created, most)
        else:
            yield from predict_pictures(model, files.pictures, created, question.most_pixels)
        yield from predict_studies(model, files.dicom, self._settings, created)

    def _model(self, question: Question) -> LoadedModel:
        """The model that was approved; the one that was asked least recently makes room."""
        known = self._loaded.pop(question.digest, None)
        if known is None:
            bundle = load_bundle(Path(question.bundle))
            if bundle.digest != question.digest:
                raise BundleError(f"bundle {bundle.name} changed since it was approved; approve it again")
            known = load_model(
                bundle,
                choose_device(self._start.device),
                self._start.batch_size,
                self._start.deterministic,
                # An administrator approved this digest, so the expressions of a bundle from elsewhere may run
                allow_code=bundle.runs_code,
            )
        self._loaded[question.digest] = known
        if len(self._loaded) > _MOST_LOADED:
            self._loaded.popitem(last=False)
        return known
