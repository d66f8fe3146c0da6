"""A model over many files: pictures in batches, studies series by series; one that fails does not stop the others."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dicomnode.bundles import why_out_of_scope
from dicomnode.dicom.kinds import is_image
from dicomnode.dicom.uids import derive_uid
from dicomnode.errors import ImageError, ScopeError
from dicomnode.findings import Outcome
from dicomnode.inference.analyse import Analysis, analyse_with_images, check_scope, digest_input
from dicomnode.inference.decoding.decoders import Decoders
from dicomnode.inference.files import Problem, read_studies
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.outcomes import result_of, without_answer
from dicomnode.inference.pictures import read_pages
from dicomnode.inference.predictor import Predictor, Request
from dicomnode.inference.slice_group import SliceGroup, slice_group
from dicomnode.settings import Settings
from dicomnode.study import Series, Study


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of one picture, one series or one exam.

    Attributes:
        path: The picture, or the first file of the series or the exam.
        analysis: The result and its images.
        instances: The files of the series or the exam; empty for a picture.
        uid: Of the series, or of the study if the model looks at exams; empty for a picture.
        page: Of a picture, counted from 1.
    """

    path: Path
    analysis: Analysis
    instances: tuple[Path, ...] = ()
    uid: str = ""
    page: int = 1


def predict_pictures(
    predictor: LoadedModel, paths: Iterable[Path], created: datetime, most_pixels: int | None = None
) -> Iterator[Predicted | Problem]:
    """Predict on each picture, in order; what cannot be answered comes before the pictures of the same batch.

    Args:
        predictor: The loaded model; one of mammography exams makes a problem of each picture.
        paths: PNG, JPEG or TIFF files; read as they are needed. Each page of a TIFF is a picture.
        created: Time of the results, with time zone.
        most_pixels: Of one file; None: Pillow's own limit.
    """
    if isinstance(predictor, ExamPredictor):
        words = "a picture names no breast and no view; give the DICOM files of the exam"
        yield from (Problem(path, f"{path}: {words}") for path in paths)
        return
    pictures = _Pictures(predictor, created, most_pixels)
    for prediction in predictor.predict_each(pictures.requests(paths)):
        yield from pictures.unanswered()
        path, page, group = pictures.begun.popleft()
        uid, digest = pictures.identity(group)
        result = result_of(prediction, predictor.bundle, uid, group.images, digest, created)
        yield Predicted(path, Analysis(result, (group,), prediction.boxes), page=page)
    yield from pictures.unanswered()


def predict_studies(
    predictor: LoadedModel,
    files: Sequence[Path],
    settings: Settings,
    created: datetime,
    decoders: Decoders | None = None,
) -> Iterator[Predicted | Problem]:
    """Predict on each image series of the studies that DICOM files make up; on each exam, if the model looks at exams.

    Args:
        predictor: The loaded model.
        files: Instances, in any order.
        settings: Those that change evidence.
        created: Time of the results, with time zone.
        decoders: Decode compressed frames; this process does unless given.
    """
    studies, problems = read_studies(files)
    yield from problems
    for study in studies:
        series = [item for item in map(_images_only, study.series) if item.instances]
        if not series:
            first = study.series[0].instances[0].path
            yield Problem(first, f"study {study.study_instance_uid} holds no images; give the series to predict on")
        elif isinstance(predictor, ExamPredictor):
            fitting = [item for item in series if why_out_of_scope(predictor.bundle.node.accepts, item) is None]
            yield _predict_together(predictor, study, fitting or series, settings, created, decoders)
        else:
            for item in series:
                yield _predict_together(predictor, study, [item], settings, created, decoders)


def _predict_together(
    predictor: LoadedModel,
    study: Study,
    selected: Sequence[Series],
    settings: Settings,
    created: datetime,
    decoders: Decoders | None,
) -> Predicted:
    digest = digest_input(selected, predictor.bundle, settings, predictor.way)
    analysis = analyse_with_images(study, selected, predictor.bundle, predictor, created, digest, (), decoders)
    paths = tuple(instance.path for series in selected for instance in series.instances)
    exam = isinstance(predictor, ExamPredictor)
    return Predicted(paths[0], analysis, paths, study.study_instance_uid if exam else selected[0].series_instance_uid)


class _Pictures:
    """Picture files on their way into requests, and what becomes of those that no request is made of.

    Attributes:
        begun: Path, page and pixels of each picture that is asked about and not answered yet.
    """

    def __init__(self, predictor: Predictor, created: datetime, most_pixels: int | None) -> None:
        self.begun: deque[tuple[Path, int, SliceGroup]] = deque()
        self._bundle = predictor.bundle
        self._created = created
        self._most_pixels = most_pixels
        self._unanswered: deque[Predicted | Problem] = deque()

    def requests(self, paths: Iterable[Path]) -> Iterator[Request]:
        for path in paths:
            try:
                yield from self._pages(path)
            except ImageError as error:
                self._unanswered.append(Problem(path, str(error)))

    def unanswered(self) -> Iterator[Predicted | Problem]:
        while self._unanswered:
            yield self._unanswered.popleft()

    def identity(self, group: SliceGroup) -> tuple[str, str]:
        """The Study Instance UID that stands for a picture in results, which no study has; the digest of the input."""
        uid = group.images[0].sop_instance_uid
        digest = hashlib.sha256(f"{self._bundle.digest} {uid}".encode()).hexdigest()
        return derive_uid("picture study", uid), digest

    def _pages(self, path: Path) -> Iterator[Request]:
        for page, image in enumerate(read_pages(path, self._most_pixels), start=1):
            group = slice_group(image, self._bundle.channels)
            uid, digest = self.identity(group)
            try:
                check_scope(image.rows, image.columns, image.data.shape[0], self._bundle.node.accepts)
            except ScopeError as error:
                result = without_answer(self._bundle, uid, Outcome.OUT_OF_SCOPE, str(error), digest, self._created)
                self._unanswered.append(Predicted(path, Analysis(result, (group,)), page=page))
                continue
            self.begun.append((path, page, group))
            yield Request((group,), uid)


def _images_only(series: Series) -> Series:
    return replace(series, instances=tuple(item for item in series.instances if is_image(item.sop_class_uid)))
