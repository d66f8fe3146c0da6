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
from dicomnode.errors import ImageError
from dicomnode.inference.analyse import Analysis, analyse_with_images, digest_input
from dicomnode.inference.files import Problem, read_studies
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.outcomes import result_of
from dicomnode.inference.pictures import read_picture
from dicomnode.inference.predictor import Request
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
    """

    path: Path
    analysis: Analysis
    instances: tuple[Path, ...] = ()
    uid: str = ""


def predict_pictures(predictor: LoadedModel, paths: Iterable[Path], created: datetime) -> Iterator[Predicted | Problem]:
    """Predict on each picture, in order; problems come before the pictures of the same batch.

    Args:
        predictor: The loaded model; one of mammography exams makes a problem of each picture.
        paths: PNG, JPEG or TIFF files; read as they are needed.
        created: Time of the results, with time zone.
    """
    if isinstance(predictor, ExamPredictor):
        words = "a picture names no breast and no view; give the DICOM files of the exam"
        yield from (Problem(path, f"{path}: {words}") for path in paths)
        return
    problems: deque[Problem] = deque()
    begun: deque[tuple[Path, SliceGroup]] = deque()
    requests = _requests(paths, predictor.bundle.channels, problems, begun)
    for prediction in predictor.predict_each(requests):
        while problems:
            yield problems.popleft()
        path, group = begun.popleft()
        digest = hashlib.sha256(f"{predictor.bundle.digest} {group.images[0].sop_instance_uid}".encode()).hexdigest()
        result = result_of(prediction, predictor.bundle, _study_uid(group), group.images, digest, created)
        yield Predicted(path, Analysis(result, (group,), prediction.boxes))
    yield from problems


def predict_studies(
    predictor: LoadedModel, files: Sequence[Path], settings: Settings, created: datetime
) -> Iterator[Predicted | Problem]:
    """Predict on each image series of the studies that DICOM files make up; on each exam, if the model looks at exams.

    Args:
        predictor: The loaded model.
        files: Instances, in any order.
        settings: Those that change evidence.
        created: Time of the results, with time zone.
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
            yield _predict_together(predictor, study, fitting or series, settings, created)
        else:
            for item in series:
                yield _predict_together(predictor, study, [item], settings, created)


def _predict_together(
    predictor: LoadedModel, study: Study, selected: Sequence[Series], settings: Settings, created: datetime
) -> Predicted:
    digest = digest_input(selected, predictor.bundle, settings)
    analysis = analyse_with_images(study, selected, predictor.bundle, predictor, created, digest)
    paths = tuple(instance.path for series in selected for instance in series.instances)
    exam = isinstance(predictor, ExamPredictor)
    return Predicted(paths[0], analysis, paths, study.study_instance_uid if exam else selected[0].series_instance_uid)


def _requests(
    paths: Iterable[Path], channels: int, problems: deque[Problem], begun: deque[tuple[Path, SliceGroup]]
) -> Iterator[Request]:
    for path in paths:
        try:
            group = slice_group(read_picture(path), channels)
        except ImageError as error:
            problems.append(Problem(path, str(error)))
            continue
        begun.append((path, group))
        yield Request((group,), _study_uid(group))


def _study_uid(group: SliceGroup) -> str:
    """The Study Instance UID that stands for a picture in results; no study has it."""
    return derive_uid("picture study", group.images[0].sop_instance_uid)


def _images_only(series: Series) -> Series:
    return replace(series, instances=tuple(item for item in series.instances if is_image(item.sop_class_uid)))
