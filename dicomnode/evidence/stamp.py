"""What every document carries besides its content: identity, series, equipment, dates (PS3.3 C.7)."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, NODE_MANUFACTURER
from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.evidence.identity import (
    NodeIdentity,
    PreviousEvidence,
    Role,
    device_uid,
    evidence_uids,
    kind_of,
    series_description,
    series_number,
)
from dicomnode.evidence.sources import Sources
from dicomnode.findings import Maker, ModelIdentity, Result

_SCHEME = 0x00080102  # Coding Scheme Designator
_OFFSET = re.compile(r"^([+-])(\d{2})(\d{2})$")


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that one document is made from.

    Attributes:
        role: Which document.
        result: What it says.
        sources: The images that it is about.
        previous: The newest object in its series, or None.
        node: Who writes it.
        part: Which of several of that role, counted from 1.
        view: The view of the one image that it is of; empty if it is of all.
    """

    role: Role
    result: Result
    sources: Sources
    previous: PreviousEvidence | None
    node: NodeIdentity
    part: int = 1
    view: str = ""

    @property
    def kind(self) -> str:
        """The document's kind: role and part."""
        return kind_of(self.role, self.part)

    @property
    def series_instance_uid(self) -> str:
        """The document's series."""
        return evidence_uids(self.result, self.kind)[0]

    @property
    def sop_instance_uid(self) -> str:
        """The document's UID."""
        return evidence_uids(self.result, self.kind)[1]

    @property
    def superseded(self) -> PreviousEvidence | None:
        """The object that this one replaces; none if this very object was written before."""
        if self.previous is None or self.previous.sop_instance_uid == self.sop_instance_uid:
            return None
        return self.previous

    @property
    def instance_number(self) -> int:
        """One more than the object that is replaced; the same if this very object was written before."""
        if self.superseded is not None:
            return self.superseded.instance_number + 1
        return self.previous.instance_number if self.previous is not None else 1


def stamp(dataset: Dataset, draft: Draft) -> Dataset:
    """Give a document its identity, series, equipment and dates; the same draft gives the same bytes."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for element in draft.sources.patient:
        dataset.add(copy.deepcopy(element))
    dataset.SeriesDescription = series_description(draft.result.model, draft.role, draft.view)
    dataset.SeriesNumber = series_number(draft.result.model.name, draft.role)
    _stamp_equipment(dataset, draft)
    stamp_times(dataset, draft.result.created)
    stamp_coding_schemes(dataset)
    dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    dataset.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return dataset


def local_time(created: datetime, timezone_offset: str) -> datetime:
    """The moment of creation on the clock that the study's other times are told by.

    Args:
        created: With time zone.
        timezone_offset: Timezone Offset From UTC (0008,0201) of the source, such as ``+0100``; where
            it has none, the clock of this machine is taken.
    """
    match = _OFFSET.match(timezone_offset)
    if match is None:
        return created.astimezone()
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return created.astimezone(timezone(-offset if sign == "-" else offset))


def stamp_times(dataset: Dataset, created: datetime) -> None:
    """Date a document that has its study's attributes already."""
    moment = local_time(created, str(dataset.get("TimezoneOffsetFromUTC") or ""))
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    dataset.ContentDate = dataset.InstanceCreationDate = date
    dataset.ContentTime = dataset.InstanceCreationTime = time


def stamp_coding_schemes(dataset: Dataset) -> None:
    """Say whose codes the private ones are, if there are any (PS3.3 C.12.1.1.1)."""
    # Of a segmentation only the segments are searched: its frames, which may be many, have standard codes.
    searched = dataset.get("SegmentSequence") or [dataset]
    if any(concepts.PRIVATE_SCHEME in _schemes(item) for item in searched):
        item = Dataset()
        item.CodingSchemeDesignator = concepts.PRIVATE_SCHEME
        item.CodingSchemeName = concepts.PRIVATE_SCHEME_NAME
        item.CodingSchemeResponsibleOrganization = NODE_MANUFACTURER
        dataset.CodingSchemeIdentificationSequence = [item]


def _schemes(dataset: Dataset) -> Iterator[str]:
    """Coding schemes of all codes in a data set; twice as fast as walking through every element of it."""
    for tag in list(dataset.keys()):
        if dataset.get_item(tag).VR == "SQ":
            for item in dataset[tag].value:
                yield from _schemes(item)
        elif tag == _SCHEME:
            yield str(dataset[tag].value)


def _stamp_equipment(dataset: Dataset, draft: Draft) -> None:
    node, model = draft.node, draft.result.model
    dataset.Manufacturer = NODE_MANUFACTURER
    dataset.ManufacturerModelName = NODE_MANUFACTURER
    dataset.SoftwareVersions = node.version
    dataset.DeviceSerialNumber = node.ae_title
    dataset.StationName = node.ae_title
    # What people drew is theirs: it must not be taken for an answer of this node when it comes back.
    if model.maker is Maker.MODEL:
        dataset.ContributingEquipmentSequence = [_algorithm(model), node_equipment(node)]
    else:
        dataset.pop("ContributingEquipmentSequence", None)  # highdicom names itself


def _algorithm(model: ModelIdentity) -> Dataset:
    # One item for the algorithm (IHE AIR); the Device UID tells apart two trainings of one version.
    item = _equipment(model.manufacturer, model.name, model.version)
    item.DeviceUID = device_uid(model)
    item.ContributionDescription = "Artificial intelligence model that made the result"
    return item


def node_equipment(node: NodeIdentity) -> Dataset:
    """The node as an item of the Contributing Equipment Sequence, by which its own objects are known again."""
    item = _equipment(NODE_MANUFACTURER, NODE_MANUFACTURER, node.version)
    item.StationName = node.ae_title
    item.ContributionDescription = "Node that ran the model and wrote this object"
    return item


def _equipment(manufacturer: str, model_name: str, version: str) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [coded(concepts.PROCESSING_EQUIPMENT)]
    item.Manufacturer = manufacturer
    item.ManufacturerModelName = model_name
    item.SoftwareVersions = version
    return item
