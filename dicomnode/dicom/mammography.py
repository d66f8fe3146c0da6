"""Which breast and which view a mammogram shows, from its header.

Modalities say it in different places: codes, View Position, or nothing but a description such as ``R MLO``. Every place
that says something is asked; places that contradict each other are an error, because a lesion reported on the wrong
breast is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, cast

from pydicom.dataset import Dataset

from dicomnode.dicom.decoding import DECODE_ERRORS, name_of
from dicomnode.dicom.frames import functional_group
from dicomnode.dicom.turn import UPRIGHT, Turn, upright_turn
from dicomnode.dicom.view_labels import Label, modifier_of_code, read_label, side_of_code, view_of_code
from dicomnode.errors import GeometryError, ImageError

STANDARD_VIEWS = ("L-CC", "R-CC", "L-MLO", "R-MLO")

_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
# Modifiers of views that show a part of the breast only, or not as it usually lies.
_PARTS = frozenset(
    {
        *("spot compression", "magnification", "tangential", "cleavage", "axillary tail", "axillary tissue"),
        *("anterior compression", "infra-mammary fold"),
    }
)
# Contact views are magnified by a tenth at most; magnification stands begin at 1.4.
_MAGNIFIED = 1.4
_SIDES = {"L": "left", "R": "right"}

# What view_of looks at; a reader in a hurry may leave the rest of the header out.
VIEW_KEYWORDS = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "ImageType", "Modality", "PresentationIntentType"),
    *("ImageLaterality", "Laterality", "AnatomicRegionSequence", "PrimaryAnatomicStructureSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("ViewCodeSequence", "ViewModifierCodeSequence", "ViewPosition", "PatientOrientation"),
    *("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"),
    *("BreastImplantPresent", "PartialView", "EstimatedRadiographicMagnificationFactor"),
)


class Kind(StrEnum):
    """How a mammogram came about (PS3.3 C.8.11.7.1.4)."""

    FULL_FIELD = "full-field"
    SYNTHESIZED = "synthesized"
    SECONDARY = "secondary"
    CONTRAST = "contrast"
    TOMOSYNTHESIS = "tomosynthesis"
    BIOPSY = "biopsy"


@dataclass(frozen=True, slots=True)
class MammogramView:
    """Which breast an image shows, how it was projected, and how it is stored.

    Attributes:
        laterality: ``L`` or ``R``.
        position: ACR abbreviation of the view: CC, MLO, ML, LM, LMO, SIO, ISO, XCCL, XCCM, XCC, FB; or ``specimen``.
        modifiers: Words of CID 4015, such as ``magnification``.
        implant_displaced: An Eklund view: the implant is pushed back, out of the image.
        for_presentation: False for raw pixels, For Processing.
        kind: How it came about; a low-energy image of a contrast exam counts as full-field.
        implant_present: Breast Implant Present (0028,1300); None if the header does not say.
        partial: One of several images that show a large breast together (Partial View, 0028,1350).
        turn: What makes the stored pixels upright.
    """

    laterality: Literal["L", "R"]
    position: str
    modifiers: tuple[str, ...] = ()
    implant_displaced: bool = False
    for_presentation: bool = True
    kind: Kind = Kind.FULL_FIELD
    implant_present: bool | None = None
    partial: bool = False
    turn: Turn = UPRIGHT

    @property
    def name(self) -> str:
        """Such as ``L-CC``."""
        return f"{self.laterality}-{self.position}"

    @property
    def shows_part(self) -> bool:
        """Whether a modifier says that only a part of the breast is shown, such as a spot compression."""
        return not _PARTS.isdisjoint(self.modifiers)


def view_of(header: Dataset) -> MammogramView:
    """Which view a mammogram is.

    Args:
        header: The image's attributes, without Pixel Data; at least ``VIEW_KEYWORDS`` of them.

    Raises:
        ImageError: Side or view are not stated, are stated in two ways that contradict each other, or Patient
            Orientation belongs to the other breast.
    """
    try:
        return _view_of(header)
    except DECODE_ERRORS as error:
        raise ImageError(f"{name_of(header)}: the attributes of its view are damaged; send it again") from error


def _view_of(header: Dataset) -> MammogramView:
    label = read_label(_text(header, "ViewPosition"))
    described = _description(header)
    position = _position(header, label, described)
    laterality = _laterality(header, label, described, position)
    modifiers = _modifiers(header, label, described)
    try:
        turn = upright_turn(_orientation(header), laterality, position)
    except GeometryError as error:
        raise GeometryError(f"{name_of(header)}, {laterality}-{position}: {error}") from error
    implant = _text(header, "BreastImplantPresent").upper()
    return MammogramView(
        laterality=laterality,
        position=position,
        modifiers=modifiers,
        implant_displaced="implant displaced" in modifiers,
        for_presentation=_for_presentation(header),
        kind=_kind(header),
        implant_present={"YES": True, "NO": False}.get(implant),
        partial=_text(header, "PartialView").upper() == "YES",
        turn=turn,
    )


def _laterality(header: Dataset, label: Label, described: Label, position: str) -> Literal["L", "R"]:
    stated = dict(_stated_sides(header))
    if label.side:
        stated["View Position"] = label.side
    # A series is sometimes called after its first image: a description of another view says nothing of this one.
    if described.side and described.position in ("", position):
        stated["the description"] = described.side
    if not stated:
        raise ImageError(
            f"{name_of(header)}: nothing says which breast it shows (Image Laterality is empty); correct it at the"
            " source"
        )
    if "B" in stated.values():
        raise ImageError(f"{name_of(header)} says that it shows both breasts; a mammogram of a view shows one")
    if len(set(stated.values())) > 1:
        said = ", ".join(f"{place} says {_SIDES[side]}" for place, side in stated.items())
        raise ImageError(f"{name_of(header)}: its laterality contradicts itself ({said}); correct it at the source")
    return cast(Literal["L", "R"], next(iter(stated.values())))


def _stated_sides(header: Dataset) -> Iterable[tuple[str, str]]:
    """What coded attributes say of the side: name of the attribute, and L, R or B."""
    for keyword, name in (("ImageLaterality", "Image Laterality"), ("Laterality", "Laterality")):
        value = _text(header, keyword).upper()
        if value in ("L", "R", "B"):
            yield name, value
    anatomy = functional_group(header, 0, "FrameAnatomySequence")
    value = _text(anatomy, "FrameLaterality").upper() if anatomy is not None else ""
    if value in ("L", "R", "B"):
        yield "Frame Laterality", value
    for sequence, modifier in (
        ("AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
        ("PrimaryAnatomicStructureSequence", "PrimaryAnatomicStructureModifierSequence"),
    ):
        sides = {
            side for item in _items(header, sequence) for code in _items(item, modifier) if (side := side_of_code(code))
        }
        if sides:
            yield "the anatomic region", sides.pop() if len(sides) == 1 else "B"


def _position(header: Dataset, label: Label, described: Label) -> str:
    coded = next((name for item in _items(header, "ViewCodeSequence") if (name := view_of_code(item))), "")
    if coded and label.position and coded != label.position:
        raise ImageError(
            f"{name_of(header)}: View Code Sequence says {coded} and View Position says {label.position}; correct it at"
            " the source"
        )
    position = coded or label.position or described.position
    if not position:
        raise ImageError(
            f"{name_of(header)}: nothing says which view it is: View Code Sequence, View Position and the descriptions"
            " name none that is known"
        )
    return position


def _description(header: Dataset) -> Label:
    """The first description that names a view."""
    for keyword in (
        "AcquisitionDeviceProcessingDescription",
        "ProtocolName",
        "SeriesDescription",
        "PatientOrientation",
    ):
        label = read_label(" ".join(_texts(header, keyword)))
        if label.position:
            return label
    return Label()


def _orientation(header: Dataset) -> tuple[str, ...]:
    """Patient Orientation; none where the view was written into it, as in the files of CBIS-DDSM."""
    letters = _texts(header, "PatientOrientation")
    return () if read_label(" ".join(letters)).position else letters


def _modifiers(header: Dataset, label: Label, described: Label) -> tuple[str, ...]:
    views = _items(header, "ViewCodeSequence")
    holders: Sequence[Dataset] = (*views, header)
    coded = [modifier_of_code(item) for holder in holders for item in _items(holder, "ViewModifierCodeSequence")]
    words = [*coded, *label.modifiers, *described.modifiers]
    factor = header.get("EstimatedRadiographicMagnificationFactor", None)
    if factor is not None and float(str(factor) or 1) >= _MAGNIFIED:
        words.append("magnification")
    return tuple(dict.fromkeys(word for word in words if word))


def _for_presentation(header: Dataset) -> bool:
    by_class = {_FOR_PRESENTATION: True, _FOR_PROCESSING: False}.get(_text(header, "SOPClassUID"))
    intent = _text(header, "PresentationIntentType").upper()
    by_intent = {"FOR PRESENTATION": True, "FOR PROCESSING": False}.get(intent)
    if by_class is not None and by_intent is not None and by_class != by_intent:
        raise ImageError(
            f"{name_of(header)}: its SOP class and Presentation Intent Type ({intent}) contradict each other; correct"
            " it at the source"
        )
    return next((answer for answer in (by_class, by_intent) if answer is not None), True)


def _kind(header: Dataset) -> Kind:
    types = [value.strip().upper() for value in _texts(header, "ImageType")]
    words = {word for value in types for word in value.replace(" ", "_").split("_")} | set(types)
    if words & {"STEREO", "PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER", "SCOUT"}:
        return Kind.BIOPSY
    if words & {"SUBTRACTION", "SUBTRACTED", "ADDITION", "RECOMBINED", "HIGH_ENERGY"}:
        return Kind.CONTRAST
    if words & {"GENERATED_2D", "TOMO_2D"} or _named_synthesized(header):
        return Kind.SYNTHESIZED
    if words & {"TOMO", "TOMOSYNTHESIS"} or "Tomosynthesis" in getattr(header.get("SOPClassUID", ""), "name", ""):
        return Kind.TOMOSYNTHESIS
    return Kind.SECONDARY if "SECONDARY" in types else Kind.FULL_FIELD


def _named_synthesized(header: Dataset) -> bool:
    """Whether a description bears a trade name of synthesized images that older systems store as ordinary ones."""
    texts = " ".join(_text(header, word) for word in ("SeriesDescription", "AcquisitionDeviceProcessingDescription"))
    words = texts.upper().replace("-", "").replace("_", "").replace(" ", "")
    return any(
        name in words for name in ("CVIEW", "VPREVIEW", "INSIGHT2D", "SYNTHESIZED2D", "INTELLIGENT2D", "SYNTHETIC2D")
    )


def _items(holder: Dataset, keyword: str) -> Sequence[Dataset]:
    return tuple(holder.get(keyword, None) or ())


def _text(holder: Dataset, keyword: str) -> str:
    value = holder.get(keyword, None)
    return "" if value is None else str(value).strip()


def _texts(holder: Dataset, keyword: str) -> tuple[str, ...]:
    value = holder.get(keyword, None)
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))
