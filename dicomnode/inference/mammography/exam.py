"""A mammography exam: the images of a study's series, told apart by view, one for each view.

The rules, in this order. Left out are objects that are no single-frame mammograms, tomosynthesis, recombined contrast
and biopsy images, specimens, and views of a part of the breast (spot, magnification and the like); images whose header
contradicts itself or whose pixels contradict it are refused. Of several images of one view the one taken is For
Presentation before For Processing (or the reverse, if the caller wants raw pixels), full-field before synthesized
before secondary, the implant in place before displaced, unmodified before rolled, whole before partial, then the latest
acquisition. If every image of a view is a partial one (a large breast on several images), all of them are kept. Missing
views are named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from dicomnode.dicom.kinds import is_image
from dicomnode.dicom.mammography import STANDARD_VIEWS, VIEW_KEYWORDS, Kind, MammogramView, view_of
from dicomnode.errors import IdentityError, ImageError, PixelError, ScopeError
from dicomnode.inference.decoding.decoders import Decoders
from dicomnode.inference.frame_reader import FrameReader
from dicomnode.inference.heads import instance_slices
from dicomnode.inference.mammography.trust import check_chest_wall, check_polarity
from dicomnode.inference.slices import check_identity, patient_of, readable, reference_of
from dicomnode.inference.source_image import SourceImage, planar
from dicomnode.study import Instance, Series, SourceReference

_HEAD_KEYWORDS = (
    *VIEW_KEYWORDS,
    *("StudyInstanceUID", "SeriesInstanceUID", "PatientID", "InstanceNumber", "NumberOfFrames"),
    *("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime"),
)
_PREFERRED = (Kind.FULL_FIELD, Kind.SYNTHESIZED, Kind.SECONDARY)
_REASONS = (
    "{other} is preferred to {own}",
    "a {kind} image is there",
    "an image without displaced implant is there",
    "an image without {modifiers} is there",
    "an image of the whole breast is there",
)
_LATER = "a later image is there"


@dataclass(frozen=True, slots=True)
class Mammogram:
    """One image of an exam.

    Attributes:
        view: Which breast and view, and how the pixels are stored.
        image: The pixels as stored, high is bright; ``slices[0]`` names the instance.
        acquired: Date and time of acquisition, YYYYMMDDHHMMSS; empty if unknown.
    """

    view: MammogramView
    image: SourceImage
    acquired: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An image that the exam does not use.

    Attributes:
        image: Which one.
        reason: One line that names the image.
        refused: True if its header or pixels cannot be trusted, False if it is sound and not needed.
        laterality: ``L`` or ``R``; empty if its header does not tell.
    """

    image: SourceReference
    reason: str
    refused: bool
    laterality: str = ""


@dataclass(frozen=True, slots=True)
class Exam:
    """The mammograms of a study that can be trusted, by view.

    Attributes:
        views: By name, such as ``L-CC``; one image each, several only if all are partial views of a large breast.
        notes: What is missing, what was left out and why, and what is not as usual: one line each.
        left_out: The images that are not used.
    """

    views: Mapping[str, tuple[Mammogram, ...]]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the four standard views that are not there."""
        return tuple(name for name in STANDARD_VIEWS if name not in self.views)


@dataclass(frozen=True, slots=True)
class _Candidate:
    series: Series
    instance: Instance
    view: MammogramView
    acquired: str

    @property
    def order(self) -> tuple[str, int, str]:
        """Ascends with the time of acquisition."""
        return self.acquired, self.instance.instance_number or 0, self.instance.sop_instance_uid


def read_exam(series: Sequence[Series], *, raw: bool = False, decoders: Decoders | None = None) -> Exam:
    """Read the mammograms of an exam.

    Args:
        series: The mammography series of one study, in any order.
        raw: True prefers For Processing images.
        decoders: Decode compressed images; this process does unless given.

    Raises:
        IdentityError: The series belong to several patients or studies.
        ImageError: No image of the exam can be used, and some cannot be trusted.
        ScopeError: No image of the exam is of the kind that is needed.
    """
    left_out: list[LeftOut] = []
    groups: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in _candidates(series, left_out):
        groups[candidate.view.name].append(candidate)
    views = {}
    reader = FrameReader(decoders)
    ranked = {name: _ranked(groups[name], raw) for name in sorted(groups, key=_position)}
    with ThreadPoolExecutor(reader.processes) as threads:
        # The best image of each view is most likely used: they are read at the same time.
        likely = {items[0].instance: threads.submit(_read, items[0], reader) for items in ranked.values()}

        def read(item: _Candidate) -> SourceImage:
            return likely[item.instance].result() if item.instance in likely else _read(item, reader)

        for name, items in ranked.items():
            chosen = _choose(items, raw, left_out, read)
            if chosen:
                views[name] = chosen
    notes = (*_missing(views, groups), *_unusual(views, raw), *(item.reason for item in left_out))
    if not views:
        reason = f"no mammogram of the exam can be used: {'; '.join(notes[-4:]) or 'there is none'}"
        raise ImageError(reason) if any(item.refused for item in left_out) else ScopeError(reason)
    return Exam(views, notes, tuple(left_out))


def _candidates(series: Sequence[Series], left_out: list[LeftOut]) -> Iterator[_Candidate]:
    """The images whose headers can be trusted; the others go to ``left_out``."""
    patients, studies = set(), set()
    for item in series:
        studies.add(item.study_instance_uid)
        for instance in item.instances:
            if not is_image(instance.sop_class_uid):
                left_out.append(_left_out(instance, "it is no image", refused=False))
                continue
            try:
                header = _header(item, instance)
                patients.add(patient_of(header))
                view = view_of(header)
            except ImageError as error:
                left_out.append(_left_out(instance, str(error), refused=True))
                continue
            reason = _unsuitable(instance, view)
            if reason:
                left_out.append(_left_out(instance, reason, refused=False, view=view))
            else:
                yield _Candidate(item, instance, view, _acquired(header))
    if len(patients) > 1 or len(studies) > 1:
        raise IdentityError(
            f"the exam's images name {len(patients)} Patient IDs and {len(studies)} studies; correct them at the source"
            " and send the exam again"
        )


def _header(series: Series, instance: Instance) -> FileDataset:
    with readable(instance):
        header = dcmread(instance.path, stop_before_pixels=True, force=True, specific_tags=list(_HEAD_KEYWORDS))
        check_identity(series, instance, header)
    return header


def _unsuitable(instance: Instance, view: MammogramView) -> str:
    """Why a sound image is none that models of exams are made for; empty if it is one."""
    if view.position == "specimen":
        return "it shows a specimen"
    if view.kind not in _PREFERRED:
        return f"it is a {view.kind} image"
    if instance.number_of_frames > 1:
        return f"it has {instance.number_of_frames} frames"
    if view.shows_part:
        return f"it shows a part of the breast only ({', '.join(view.modifiers)})"
    return ""


def _acquired(header: Dataset) -> str:
    moments = [_digits(header, "AcquisitionDateTime")[:14]]
    for kind in ("Acquisition", "Content"):
        date, time = _digits(header, f"{kind}Date"), _digits(header, f"{kind}Time")
        moments.append(date + time if date and time else "")
    return next(filter(None, moments), "")


def _digits(header: Dataset, keyword: str) -> str:
    value = header.get(keyword, None)
    return "" if value is None else "".join(takewhile(str.isdigit, str(value).strip()))


def _ranked(group: Sequence[_Candidate], raw: bool) -> list[_Candidate]:
    """The images of a view, the best first."""
    newest_first = sorted(group, key=lambda item: item.order, reverse=True)
    return sorted(newest_first, key=lambda item: _rank(item.view, raw))


def _choose(
    ranked: Sequence[_Candidate], raw: bool, left_out: list[LeftOut], read: Callable[[_Candidate], SourceImage]
) -> tuple[Mammogram, ...]:
    """The best image of a view whose pixels can be trusted, or all of them if all are partial."""
    chosen: list[Mammogram] = []
    first: _Candidate | None = None
    for item in ranked:
        if first is not None and not _both_parts(first.view, item.view, raw):
            reason = _why_not(item.view, first.view, raw)
            left_out.append(_left_out(item.instance, reason, refused=False, view=item.view))
            continue
        try:
            chosen.append(Mammogram(item.view, read(item), item.acquired))
            first = first or item
        except ImageError as error:
            left_out.append(_left_out(item.instance, str(error), refused=True, view=item.view))
    return tuple(chosen)


def _both_parts(view: MammogramView, other: MammogramView, raw: bool) -> bool:
    return view.partial and _rank(view, raw) == _rank(other, raw)


def _rank(view: MammogramView, raw: bool) -> tuple[int, ...]:
    """Smaller is better."""
    others = [word for word in view.modifiers if word != "implant displaced"]
    return (
        int(view.for_presentation == raw),
        _PREFERRED.index(view.kind),
        int(view.implant_displaced),
        len(others),
        int(view.partial),
    )


def _why_not(view: MammogramView, better: MammogramView, raw: bool) -> str:
    ranks = zip(_rank(view, raw), _rank(better, raw), _REASONS, strict=True)
    reason = next((text for own, other, text in ranks if own != other), _LATER)
    intents = ("For Processing", "For Presentation")
    return reason.format(
        own=intents[view.for_presentation],
        other=intents[better.for_presentation],
        kind=better.kind,
        modifiers=", ".join(view.modifiers) or "modifiers",
    )


def _read(item: _Candidate, reader: FrameReader) -> SourceImage:
    shown = instance_slices(item.instance)[0]
    values = reader.read(shown).values
    if values.shape[0] != 1:
        raise PixelError("it is in colour, which no mammogram is")
    check_polarity(values[0], raw=not item.view.for_presentation)
    check_chest_wall(values[0], item.view)
    return planar(values, (shown.reference,), shown.spacing)


def _missing(views: Mapping[str, object], groups: Mapping[str, Sequence[_Candidate]]) -> Iterator[str]:
    for name in STANDARD_VIEWS:
        if name not in views:
            yield f"{name} is missing" + (": none of its images can be used" if groups.get(name) else "")


def _unusual(views: Mapping[str, tuple[Mammogram, ...]], raw: bool) -> Iterator[str]:
    for name, images in views.items():
        view = images[0].view
        if view.for_presentation == raw:
            yield f"{name} is there {'For Presentation' if raw else 'For Processing'} only"
        if view.kind is not Kind.FULL_FIELD:
            yield f"{name} is a {view.kind} image"
        if view.modifiers:
            yield f"{name} is modified: {', '.join(view.modifiers)}"
        if view.partial:
            yield f"{name} is {'a partial view' if len(images) == 1 else f'{len(images)} partial views'}"


def _position(name: str) -> tuple[int, str]:
    return STANDARD_VIEWS.index(name) if name in STANDARD_VIEWS else len(STANDARD_VIEWS), name


def _left_out(instance: Instance, reason: str, *, refused: bool, view: MammogramView | None = None) -> LeftOut:
    prefix = f"instance {instance.sop_instance_uid}"
    what = reason.removeprefix(prefix).removeprefix(":").removeprefix(",").strip()
    named = f"{prefix} ({view.name})" if view is not None else prefix
    line = f"{named} {'refused' if refused else 'left out'}: {what}"
    return LeftOut(reference_of(instance), line, refused, "" if view is None else view.laterality)
