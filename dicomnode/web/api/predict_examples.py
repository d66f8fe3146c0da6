"""Examples of `POST /api/v1/predict` for its description; a test keeps them true to the bodies."""

from __future__ import annotations

from typing import Any

from dicomnode.web.predicting.statements import STATEMENTS
from dicomnode.web.predicting.upload import ONE_FILE

Json = dict[str, Any]

_DIGEST = "5d0c9ed4a1ff3d7f1d3d7a6f0c8f6b0e6e5b5a2f9c7a4e2d1b0a998877665544"
_PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA"
_GLIOMA = {"value": "393564001", "scheme": "SCT", "meaning": "Glioma"}
_NORMAL = {"value": "17621005", "scheme": "SCT", "meaning": "Normal"}
_TUMOUR = {"value": "126952004", "scheme": "SCT", "meaning": "Neoplasm of brain"}
_BRAIN = {"value": "12738006", "scheme": "SCT", "meaning": "Brain"}
_IMAGE: Json = {"series_instance_uid": "2.25.237", "sop_instance_uid": "2.25.252", "frame_number": None}
_SHOWN: Json = _IMAGE | {
    "is_dicom": False,
    "position": 1,
    "rows": 224,
    "columns": 224,
    "pixel_spacing": None,
    "picture": None,
    "boxes": [],
    "outlines": [],
    "masks": [],
    "attention": [],
    "map": None,
}


def _answer(model: str, task: str, *results: Json) -> Json:
    return {
        "kept": False,
        "verified": False,
        "cleared_for_diagnosis": False,
        "statements": list(STATEMENTS),
        "model": {
            "name": model,
            "version": "1.0.0",
            "manufacturer": "dicomnode",
            "digest": _DIGEST,
            "task": task,
            "parameters": "threshold 0.85 per slice",
            "not_for": "Not for diagnosis, triage or any other use that touches a patient.",
        },
        "results": list(results),
        "seconds": {"waited": 0.0, "started": 0.0, "loaded": 0.0, "predicted": 0.14},
    }


def _said(score: float, threshold: float, **more: Any) -> Json:
    return {
        "concept": _TUMOUR,
        "presence": "present",
        "score": score,
        "calibrated": True,
        "threshold": threshold,
        "classes": [],
        "carried_by": [_IMAGE],
        "method": "A series is answered by the mean of its three highest slice scores.",
        "site": _BRAIN,
        "tally": None,
        "sides": [],
        **more,
    }


_CLASSIFIED: Json = {
    "files": [1],
    "page": 1,
    "outcome": "findings",
    "reason": "glioma, probability 1.00, carried by 1 of 1 image",
    "answer": _said(
        0.9987,
        0.8498,
        classes=[
            {"name": "glioma", "is_finding": True, "concept": _GLIOMA, "score": 0.9974},
            {"name": "notumor", "is_finding": False, "concept": _NORMAL, "score": 0.0026},
        ],
    ),
    "findings": [],
    "images": [
        _SHOWN
        | {"map": {"kind": "grad_cam", "of": _GLIOMA, "png": _PNG, "box": [0.0, 0.0, 224.0, 224.0], "highest": 0.31}}
    ],
}
_OUTLINE = [[148.0, 94.5], [172.8, 110.0], [150.0, 150.7], [131.8, 120.0]]
_DETECTED: Json = {
    "files": [1],
    "page": 1,
    "outcome": "findings",
    "reason": "1 lesion, highest certainty 0.75, carried by 1 of 1 image",
    "answer": _said(0.7457, 0.4839, calibrated=False),
    "findings": [
        {
            "label": "Lesion 1",
            "concept": _GLIOMA,
            "score": 0.7457,
            "tracking_uid": "2.25.212",
            "site": _BRAIN,
            "laterality": None,
            "contours": [{"image": _IMAGE, "is_box": False, "points": _OUTLINE}],
            "measurements": [],
        }
    ],
    "images": [
        _SHOWN
        | {
            "boxes": [
                {
                    "box": [131.8, 91.4, 172.8, 150.7],
                    "name": "glioma",
                    "concept": _GLIOMA,
                    "score": 0.7457,
                    "reaches_threshold": True,
                }
            ],
            "outlines": [{"label": "Lesion 1", "is_box": False, "points": _OUTLINE}],
        }
    ],
}
_REFUSED: Json = {
    "files": [2],
    "page": 1,
    "outcome": "out_of_scope",
    "reason": "colour images are not MONOCHROME1 or MONOCHROME2",
    "answer": None,
    "findings": [],
    "images": [],
}

ANSWERS: dict[str, Json] = {
    "classifier": {
        "summary": "A picture and a classifier, and a second picture that is not what the model is made for",
        "value": _answer("brain_mri_tumor_classifier", "classification", _CLASSIFIED, _REFUSED),
    },
    "detector": {
        "summary": "A picture and a detector",
        "value": _answer("brain_mri_lesion_detector", "detection", _DETECTED),
    },
}

_BYTES: Json = {"type": "string", "format": "binary"}
_FILES: Json = {"type": "object", "properties": {"file": {"type": "array", "items": _BYTES}}, "required": ["file"]}

REQUEST: Json = {
    "required": True,
    "description": (
        "DICOM files in any transfer syntax that the node reads, PNG, JPEG, or TIFF of several pages and up to 16 bits."
        " One file is the body itself; several are the parts of a form:\n\n"
        '    curl -H "Authorization: Bearer $TOKEN" -F file=@one.dcm -F file=@two.dcm \\\n'
        '      "https://node/api/v1/predict?model=brain_mri_tumor_classifier"\n'
    ),
    "content": {"multipart/form-data": {"schema": _FILES}, **{name: {"schema": _BYTES} for name in ONE_FILE}},
}
