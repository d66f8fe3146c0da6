"""The images of a study by series, without looking into any file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import InstanceRecord, Kind, QidoQuery
from dicomnode.dicom.tiling import WHOLE_SLIDE_MICROSCOPY
from dicomnode.errors import NotFoundError
from dicomnode.web.api.views import View


class SeriesView(View):
    """A series that holds images; of a whole slide every level is one image."""

    series_uid: str
    number: int | None
    modality: str
    description: str
    body_part: str
    images: int


class SliceView(View):
    """An image of a series: an instance, or one of its frames; sizes in pixels, 0 where unknown."""

    sop_uid: str
    frame: int
    rows: int
    columns: int
    is_slide: bool
    address: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A series with its image instances, in order of Instance Number."""

    view: SeriesView
    instances: tuple[InstanceRecord, ...]

    def slices(self) -> Iterator[SliceView]:
        """Every image of it, frame after frame."""
        for record in self.instances:
            for frame in range(1, _images(record) + 1):
                yield slice_view(record, frame)

    def places(self) -> dict[str, int]:
        """Of each instance, how many images of the series come before it."""
        found, before = {}, 0
        for record in self.instances:
            found[record.instance.sop_instance_uid] = before
            before += _images(record)
        return found


def stacks_of(archive: Archive, study_uid: str) -> tuple[Stack, ...]:
    """The series of a study that hold images, in order of Series Number."""
    found = archive.studies.search_instances(QidoQuery(match=(("StudyInstanceUID", study_uid),)))
    images = [record for record in found if record.kind is Kind.SOURCE and record.rows]
    groups = groupby(images, key=lambda record: record.instance.series_instance_uid)
    stacks = [_stack(tuple(members)) for _, members in groups]
    return tuple(sorted(stacks, key=lambda stack: (stack.view.number is None, stack.view.number or 0)))


def stack_of(stacks: Sequence[Stack], series_uid: str) -> Stack:
    """One of the series.

    Raises:
        NotFoundError: It is not among them.
    """
    for stack in stacks:
        if stack.view.series_uid == series_uid:
            return stack
    raise NotFoundError(f"the study holds no images of a series {series_uid}")


def slice_view(record: InstanceRecord, frame: int) -> SliceView:
    """An image of an instance."""
    instance = record.instance
    base = f"/api/v1/studies/{instance.study_instance_uid}/images/{instance.sop_instance_uid}"
    return SliceView(
        sop_uid=instance.sop_instance_uid,
        frame=frame,
        rows=record.rows or 0,
        columns=record.columns or 0,
        is_slide=is_slide(record),
        address=f"{base}/slide.png" if is_slide(record) else f"{base}/{frame}.png",
    )


def is_slide(record: InstanceRecord) -> bool:
    """Whether an instance is a tiled image of a whole slide."""
    return record.instance.sop_class_uid == WHOLE_SLIDE_MICROSCOPY


def _stack(members: tuple[InstanceRecord, ...]) -> Stack:
    series = members[0].series
    view = SeriesView(
        series_uid=series.series_instance_uid,
        number=series.series_number,
        modality=series.modality,
        description=series.series_description,
        body_part=series.body_part_examined,
        images=sum(map(_images, members)),
    )
    return Stack(view, members)


def _images(record: InstanceRecord) -> int:
    return 1 if is_slide(record) else record.instance.number_of_frames
