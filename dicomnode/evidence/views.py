"""Which side of the body a projection shows, and from where, in words and in codes (TID 1600, CID 244, CID 4014)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.dicom.codes import LEFT, RIGHT
from dicomnode.dicom.mammography import MammogramView, view_of
from dicomnode.errors import ImageError
from dicomnode.findings import Code

PROJECTION_MODALITIES = ("MG", "DX", "CR")

_SIDES = {"L": LEFT, "R": RIGHT}
_VIEWS = {  # View Position (0018,5101) of a mammogram, PS3.3 C.8.11.7
    "CC": Code("399162004", "SCT", "cranio-caudal"),
    "MLO": Code("399368009", "SCT", "medio-lateral oblique"),
    "ML": Code("399260004", "SCT", "medio-lateral"),
    "LM": Code("399352003", "SCT", "latero-medial"),
    "LMO": Code("399099002", "SCT", "latero-medial oblique"),
    "XCCL": Code("399192008", "SCT", "cranio-caudal exaggerated laterally"),
    "XCCM": Code("399101009", "SCT", "cranio-caudal exaggerated medially"),
    "FB": Code("399196006", "SCT", "caudo-cranial"),
    "SIO": Code("399188001", "SCT", "superolateral to inferomedial oblique"),
}


def side_of(header: Dataset) -> str:
    """``L`` or ``R``; empty of an image of both sides, of no paired part, or that does not say."""
    for keyword in ("ImageLaterality", "Laterality"):
        if header.get(keyword) in _SIDES:
            return str(header.get(keyword))
    view = _mammogram(header)
    return view.laterality if view is not None else ""


def side_code(header: Dataset) -> Code | None:
    """The side that an image shows, coded; None if it does not say."""
    return _SIDES.get(side_of(header))


def view_code(header: Dataset) -> Code | None:
    """From where a mammogram was taken, as it codes it, else as its View Position names it; None if neither."""
    for item in list(header.get("ViewCodeSequence") or [])[:1]:
        value, scheme, meaning = (item.get(k) for k in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
        if value and scheme and meaning:
            return Code(str(value), str(scheme), str(meaning))
    view = _mammogram(header)
    return _VIEWS.get(_position(header) if view is None else view.position)


def view_name(header: Dataset) -> str:
    """A mammogram's name among those who read them, such as ``L-CC``; empty of any other image."""
    view = _mammogram(header)
    if view is not None:
        return view.name
    return "-".join(part for part in (side_of(header), _position(header)) if part) if _is_mammogram(header) else ""


def _is_mammogram(header: Dataset) -> bool:
    return bool(header.get("Modality") == "MG")


def _mammogram(header: Dataset) -> MammogramView | None:
    """What the header says in all its places; None of one that says too little or contradicts itself."""
    try:
        return view_of(header) if _is_mammogram(header) else None
    except ImageError:
        return None


def _position(header: Dataset) -> str:
    return str(header.get("ViewPosition") or "").strip().upper()
