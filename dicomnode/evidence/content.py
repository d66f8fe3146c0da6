"""SR content items and containers: highdicom's value types behind short functions (PS3.3 C.17.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomnode.evidence import concepts
from dicomnode.evidence.identity import NodeIdentity, device_uid
from dicomnode.findings import Code, Maker, ModelIdentity
from dicomnode.study import SourceReference

CONTAINS = "CONTAINS"
HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
HAS_ACQ_CONTEXT = "HAS ACQ CONTEXT"
HAS_CONCEPT_MOD = "HAS CONCEPT MOD"


def coded(code: Code) -> Any:
    """A code as highdicom's CodedConcept."""
    return hd.sr.CodedConcept(code.value, code.scheme, code.meaning)


def text(name: Code, value: str, relationship: str = CONTAINS) -> Dataset:
    """A TEXT item."""
    item: Dataset = hd.sr.TextContentItem(coded(name), value, relationship)
    return item


def code(name: Code, value: Code, relationship: str = CONTAINS) -> Dataset:
    """A CODE item."""
    item: Dataset = hd.sr.CodeContentItem(coded(name), coded(value), relationship)
    return item


def uid_reference(name: Code, value: str, relationship: str) -> Dataset:
    """A UIDREF item."""
    item: Dataset = hd.sr.UIDRefContentItem(coded(name), value, relationship)
    return item


def number(name: Code, value: float, unit: Code, relationship: str = CONTAINS) -> Dataset:
    """A NUM item."""
    item: Dataset = hd.sr.NumContentItem(coded(name), value, coded(unit), relationship_type=relationship)
    return item


def named_frame(reference: SourceReference) -> int | None:
    """The frame number that a reference to a source image may carry (PS3.3 C.17.3).

    VL images other than whole slides and video are defined with one frame; where a device packed several into
    one all the same, validators refuse a frame number. Then words beside the reference name the frame.
    """
    return None if reference.sop_class_uid in _ONE_FRAME else reference.frame_number


def image(name: Code, reference: SourceReference, frames: Sequence[int] = ()) -> Dataset:
    """An IMAGE item; frames are counted from 1, none means the whole instance."""
    item: Dataset = hd.sr.ImageContentItem(
        coded(name),
        reference.sop_class_uid,
        reference.sop_instance_uid,
        list(frames) or None,
        relationship_type=CONTAINS,
    )
    return item


def composite(name: Code, reference: SourceReference) -> Dataset:
    """A COMPOSITE item: an instance that is no image."""
    uids = (reference.sop_class_uid, reference.sop_instance_uid)
    item: Dataset = hd.sr.CompositeContentItem(coded(name), *uids, relationship_type=CONTAINS)
    return item


def container(name: Code, items: Iterable[Dataset], template: str | None = None) -> Dataset:
    """A CONTAINER that its parent contains."""
    item: Dataset = hd.sr.ContainerContentItem(coded(name), True, template, CONTAINS)
    item.ContentSequence = list(items)
    return item


def root(title: Code, items: Iterable[Dataset], template: str) -> Dataset:
    """The root CONTAINER of a document."""
    item: Dataset = hd.sr.ContainerContentItem(coded(title), True, template)
    item.ContentSequence = list(items)
    return item


def region(points: npt.NDArray[np.float64], reference: SourceReference) -> Any:
    """A closed POLYLINE on one source image (PS3.3 C.18.6.1.2).

    Args:
        points: (N, 2) column, row; the first point is repeated here to close the line.
        reference: Image or frame that it lies on.
    """
    closed = np.concatenate([points, points[:1]]).astype(np.float64)
    frames = None if reference.frame_number is None else [reference.frame_number]
    source = hd.sr.SourceImageForRegion(reference.sop_class_uid, reference.sop_instance_uid, frames)
    # The frame's own pixel grid; for whole-slide images the alternative would be the total matrix.
    origin = "FRAME" if frames and reference.sop_class_uid == _WHOLE_SLIDE else None
    return hd.sr.ImageRegion("POLYLINE", closed, source, origin)


_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_ONE_FRAME = frozenset(  # endoscopic, microscopic, slide-coordinates microscopic, photographic
    f"1.2.840.10008.5.1.4.1.1.77.1.{last}" for last in (1, 2, 3, 4)
)


def language_and_observer(model: ModelIdentity, node: NodeIdentity) -> list[Dataset]:
    """Language and the observer: the model or tool, a device, or a person (TID 1204, TID 1001, TID 1003, TID 1004)."""
    language = code(concepts.LANGUAGE, concepts.ENGLISH, HAS_CONCEPT_MOD)
    if model.maker is Maker.PERSON:
        person = hd.sr.PersonObserverIdentifyingAttributes(model.name, organization_name=model.manufacturer or None)
        return [language, *hd.sr.ObserverContext(coded(concepts.PERSON), person)]
    attributes = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(model),
        name=model.name,
        manufacturer_name=model.manufacturer or None,
        model_name=model.name,
        serial_number=model.digest[:16],
        physical_location=f"AE title {node.ae_title}",
    )
    device = hd.sr.ObserverContext(coded(concepts.DEVICE), attributes)
    return [language, *device]


def family_of(model: ModelIdentity) -> Code:
    """Algorithm family of a model, or of a tool that a person drew with (CID 7162)."""
    return concepts.ARTIFICIAL_INTELLIGENCE if model.maker is Maker.MODEL else concepts.MANUAL_PROCESSING


def algorithm(model: ModelIdentity, threshold: float | None = None) -> Any:
    """Algorithm identification of a measurement group (TID 4019); the threshold is a parameter of its own.

    None for a person, who is the observer and no algorithm.
    """
    if model.maker is Maker.PERSON:
        return None
    parameters = [model.parameters] if model.parameters else []
    if threshold is not None:
        parameters.append(f"operating threshold = {threshold:g}")
    return hd.sr.AlgorithmIdentification(
        model.name,
        model.version,
        parameters or None,
        coded(family_of(model)),
        model.manufacturer or None,
    )
