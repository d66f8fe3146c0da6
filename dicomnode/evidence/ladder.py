"""Which older kinds of object may stand for which document, newest first, and how such a substitute is filed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence.identity import Role, kinds, role_of

Form = Literal["comprehensive", "enhanced", "basic-text", "presentation", "picture"]

CLASS_OF_ROLE: Mapping[Role, str] = MappingProxyType(
    {
        "answer": Comprehensive3DSRStorage,
        "text": EnhancedSRStorage,
        "lesions": Comprehensive3DSRStorage,
        "segmentation": SegmentationStorage,
        "heat-map": SegmentationStorage,
        "attention": Comprehensive3DSRStorage,
        "presentation": GrayscaleSoftcopyPresentationStateStorage,
        "picture": SecondaryCaptureImageStorage,
        "rejection": KeyObjectSelectionDocumentStorage,
    }
)
CLASS_OF_FORM: Mapping[Form, str] = MappingProxyType(
    {
        "comprehensive": ComprehensiveSRStorage,
        "enhanced": EnhancedSRStorage,
        "basic-text": BasicTextSRStorage,
        "presentation": GrayscaleSoftcopyPresentationStateStorage,
        "picture": SecondaryCaptureImageStorage,
    }
)
# Every storage SOP class that the node may send.
SENDABLE = tuple(dict.fromkeys((*CLASS_OF_ROLE.values(), *CLASS_OF_FORM.values())))


@dataclass(frozen=True, slots=True)
class Rung:
    """One step down: a substitute of a form, or a document of the same result that says the same.

    Attributes:
        form: Of the substitute; None where another document covers it.
        role: Of the document that covers it; None where a substitute is made.
    """

    form: Form | None = None
    role: Role | None = None


_REPORT = (Rung(form="comprehensive"), Rung(form="enhanced"), Rung(role="text"))
_DRAWN = (Rung(role="presentation"), Rung(role="picture"))
LADDERS: Mapping[Role, tuple[Rung, ...]] = MappingProxyType(
    {
        "answer": _REPORT,
        "lesions": _REPORT,
        "attention": (*_REPORT[:2], *_DRAWN),
        # A Comprehensive SR may hold all that an Enhanced SR may; sentences and codes fit into a Basic Text SR.
        "text": (Rung(form="comprehensive"), Rung(form="basic-text")),
        "segmentation": (_DRAWN[0], Rung(form="presentation"), _DRAWN[1], Rung(form="picture")),
        "heat-map": (),  # shades over an image: no older kind has them
        "presentation": (_DRAWN[1],),
        "picture": (),
        "rejection": (),
    }
)


def covers(kind: str, role: Role, companions: Collection[str]) -> bool:
    """Whether a document of that role, among the others of a result, says what the document of a kind says.

    Presentation states show all images of an exam; a picture shows the one that the segmentation of its number is of.
    """
    if role == "picture" and role_of(kind) == "segmentation":
        return f"picture{kind.removeprefix('segmentation')}" in companions
    return any(role_of(companion) == role for companion in companions)


def forms_of(role: Role) -> tuple[Form, ...]:
    """The forms in which a document of that role may be substituted."""
    return tuple(rung.form for rung in LADDERS[role] if rung.form is not None)


def substitute_kind(kind: str, form: Form) -> str:
    """The kind under which substitutes are filed, such as ``segmentation-as-picture``."""
    return f"{kind}-as-{form}"


def substitute_kinds() -> Iterator[tuple[str, str, Form]]:
    """Every kind of substitute: its name, the kind that it stands for, and its form."""
    for kind in kinds():
        role = role_of(kind)
        for form in forms_of(role) if role is not None else ():
            yield substitute_kind(kind, form), kind, form


def substitute_uid(original_sop_instance_uid: str, form: Form) -> str:
    """SOP Instance UID of a substitute: same original, same form, same UID."""
    return derive_uid(original_sop_instance_uid, form)
