"""Series of one study through one model: from instances to a result, whatever they turn out to be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dicomnode.bundles import Accepts, Bundle, Tiling, Way, why_out_of_scope
from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.errors import IdentityError, ImageError, ScopeError
from dicomnode.findings import Outcome, Result
from dicomnode.inference.decoding.decoders import Decoders
from dicomnode.inference.early.digests import ContentDigests
from dicomnode.inference.frame_reader import FrameReader
from dicomnode.inference.laterality import with_laterality
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.mammography.exam import read_exam
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.network import Detection
from dicomnode.inference.opening import open_series
from dicomnode.inference.outcomes import result_of, without_answer
from dicomnode.inference.predictor import Prediction, Predictor, Request
from dicomnode.inference.slice_group import SliceGroup, slice_group
from dicomnode.inference.slice_pixels import is_plain, open_group
from dicomnode.inference.slide_images import read_slides
from dicomnode.inference.tile_analysis import predict_tiles
from dicomnode.inference.tiles import tiles_of
from dicomnode.settings import Settings
from dicomnode.study import Series, SourceReference, Study


@dataclass(frozen=True, slots=True)
class Analysis:
    """A result and the images that it was made from.

    Attributes:
        result: What the model says.
        groups: The source images; empty if they were not read.
        boxes: Everything that a detector gave, per image, before linking and threshold.
    """

    result: Result
    groups: tuple[SliceGroup, ...]
    boxes: tuple[tuple[Detection, ...], ...] = ()


def digest_input(
    selected: Sequence[Series],
    bundle: Bundle,
    settings: Settings,
    way: Way = Way.EAGER,
    contents_of: ContentDigests | None = None,
) -> str:
    """Hex SHA-256 over the content of the series' instances and the settings that change evidence.

    It does not depend on the order in which series or instances arrived or how they were transferred.

    Args:
        selected: The series that the model is asked about.
        bundle: The model, by its digest.
        settings: The node's AE title is written into evidence.
        way: How the network computes, which changes scores within the bundle's limits.
        contents_of: Remembers contents; None reads every file.
    """
    known = contents_of or ContentDigests()
    instances = (item for series in selected for item in series.instances)
    contents = sorted(f"{item.sop_instance_uid} {known.of(item)}" for item in instances)
    digest = hashlib.sha256()
    computed = () if way is Way.EAGER else (f"computed {way}",)
    for line in (bundle.name, bundle.digest, settings.node.ae_title, *computed, *contents):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def analyse(
    study: Study,
    selected: Sequence[Series],
    bundle: Bundle,
    predictor: LoadedModel,
    created: datetime,
    input_digest: str,
    priors: Sequence[Series] = (),
    decoders: Decoders | None = None,
) -> Result:
    """Ask a model about a series, or about several that it looks at together.

    Images that cannot be trusted and identities that contradict each other give ``REFUSED``, a series that the model
    is not made for ``OUT_OF_SCOPE``, each with its reason; other errors are raised.

    Args:
        study: The study that the series belong to.
        selected: The selected series; more than one only for a model of exams.
        bundle: The model.
        predictor: The same model, loaded.
        created: When the result was first made, with time zone.
        input_digest: From `digest_input`, over the priors too.
        priors: A series of each earlier study that the model is given, newest first.
        decoders: Decode compressed frames; this process does unless given.
    """
    return analyse_with_images(study, selected, bundle, predictor, created, input_digest, priors, decoders).result


def analyse_with_images(
    study: Study,
    selected: Sequence[Series],
    bundle: Bundle,
    predictor: LoadedModel,
    created: datetime,
    input_digest: str,
    priors: Sequence[Series] = (),
    decoders: Decoders | None = None,
) -> Analysis:
    """As `analyse`, with the images, for drawing on them."""
    uid = study.study_instance_uid
    try:
        for series in selected:
            _check_series(study, series, bundle)
        read = _predict(selected, predictor, f"{uid} {bundle.name} {input_digest}", priors, decoders)
    except (ImageError, IdentityError) as error:
        return Analysis(without_answer(bundle, uid, Outcome.REFUSED, str(error), input_digest, created), ())
    except ScopeError as error:
        return Analysis(without_answer(bundle, uid, Outcome.OUT_OF_SCOPE, str(error), input_digest, created), ())
    result = result_of(read.prediction, bundle, uid, read.images, input_digest, created, read.notes)
    if predictor.way is not Way.EAGER:
        computed = f"{result.model.parameters}; computed {predictor.way}"
        result = replace(result, model=replace(result.model, parameters=computed))
    return Analysis(result, read.groups, read.prediction.boxes)


@dataclass(frozen=True, slots=True)
class _Predicted:
    """A prediction, the images that it was made from, and a clause for each part of the series that was left out."""

    prediction: Prediction
    images: tuple[SourceReference, ...]
    notes: tuple[str, ...]
    groups: tuple[SliceGroup, ...] = ()


def _check_series(study: Study, series: Series, bundle: Bundle) -> None:
    if series.study_instance_uid != study.study_instance_uid:
        raise IdentityError(f"series {series.series_instance_uid} does not belong to study {study.study_instance_uid}")
    reason = why_out_of_scope(bundle.node.accepts, series)
    if reason is not None:
        raise ScopeError(reason)


def _predict(
    selected: Sequence[Series],
    predictor: LoadedModel,
    seed: str,
    priors: Sequence[Series],
    decoders: Decoders | None,
) -> _Predicted:
    if isinstance(predictor, ExamPredictor):
        return _exam(selected, predictor, seed, decoders)
    tiling = predictor.bundle.node.tiling
    if tiling is None:
        return _slices(selected[0], predictor, seed, priors, decoders)
    return _tiles(selected[0], predictor, tiling)


def _exam(selected: Sequence[Series], predictor: ExamPredictor, seed: str, decoders: Decoders | None) -> _Predicted:
    exam = read_exam(selected, decoders=decoders)
    images = [mammogram.image for name in STANDARD_VIEWS for mammogram in exam.views.get(name, ())]
    unused = (f"{name} is there and not looked at" for name in exam.views if name not in STANDARD_VIEWS)
    for image in images:
        check_scope(image.rows, image.columns, image.data.shape[0], predictor.bundle.node.accepts)
    groups = tuple(slice_group(image, 1) for image in images)
    references = tuple(reference for group in groups for reference in group.images)
    return _Predicted(predictor.predict(exam, seed), references, (*exam.notes, *unused), groups)


def _slices(
    series: Series, predictor: Predictor, seed: str, priors: Sequence[Series], decoders: Decoders | None
) -> _Predicted:
    bundle = predictor.bundle
    read, reader = open_series(series), FrameReader(decoders)
    for image in read.images:
        check_scope(image.rows, image.columns, image.channels, bundle.node.accepts)
    opened = [image for prior in priors for image in open_series(prior).images]
    earlier = tuple(open_group(image, bundle.channels, reader) for image in opened)
    groups = tuple(open_group(image, bundle.channels, reader) for image in read.images)
    request = Request(groups, seed, earlier, file_digests(series, groups))
    notes = tuple(separation.reason for separation in read.separations)
    notes += tuple(f"compared with study {prior.study_instance_uid}" for prior in priors)
    prediction = predictor.predict(request)
    prediction = replace(prediction, findings=with_laterality(prediction.findings, series))
    return _Predicted(prediction, request.images, notes, request.groups)


def file_digests(series: Series, groups: Sequence[SliceGroup]) -> tuple[str, ...]:
    """SHA-256 of the file behind each slice of a series; empty of one that is to be looked at with its neighbours."""
    files = {instance.sop_instance_uid: instance.sha256 for instance in series.instances}
    return tuple(
        files[image.sop_instance_uid] if is_plain(group, index) else ""
        for group in groups
        for index, image in enumerate(group.images)
    )


def _tiles(series: Series, predictor: Predictor, tiling: Tiling) -> _Predicted:
    slides = read_slides(series, tiling)
    images = [image for item in slides.instances for image in item.images]
    for image in images:
        check_scope(image.rows, image.columns, image.channels, predictor.bundle.node.accepts)
    prediction = predict_tiles(predictor, images, tiles_of(slides.instances, tiling), tiling)
    return _Predicted(prediction, tuple(image.reference for image in images), slides.notes)


def check_scope(rows: int, columns: int, channels: int, accepts: Accepts) -> None:
    """Raise `ScopeError` for an image that is too small, or grey where colour is wanted, or the other way round."""
    if rows < accepts.minimum_rows or columns < accepts.minimum_columns:
        least = f"{accepts.minimum_rows} x {accepts.minimum_columns}"
        raise ScopeError(f"images of {rows} x {columns} pixels, at least {least} (rows x columns) needed")
    kinds = {name.startswith("MONOCHROME") for name in accepts.photometric}
    if kinds and (channels == 1) not in kinds:
        given = "grey" if channels == 1 else "colour"
        raise ScopeError(f"{given} images are not {' or '.join(accepts.photometric)}")
