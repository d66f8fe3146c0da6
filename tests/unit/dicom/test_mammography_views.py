"""Views of mammograms, from codes, labels and descriptions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import Collection
from pydicom.sr.coding import Code

from dicomnode.dicom.mammography import Kind, view_of
from dicomnode.dicom.turn import Turn, upright_turn
from dicomnode.dicom.view_labels import MODIFIER_CODES, SIDE_CODES, VIEW_CODES, Label, read_label
from dicomnode.errors import GeometryError, ImageError

PRESENTATION, PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1"


def _coded(value: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "meaning"
    return item


def _header(**attributes: Any) -> Dataset:
    header = Dataset()
    header.SOPInstanceUID, header.SOPClassUID = "1.2.3", PRESENTATION
    header.PresentationIntentType, header.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY", ""]
    header.ImageLaterality, header.ViewPosition = "L", "CC"
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return header


@pytest.mark.parametrize(
    ("table", "context"), [(VIEW_CODES, "CID4014"), (MODIFIER_CODES, "CID4015"), (SIDE_CODES, "CID244")]
)
def test_codes_are_those_of_the_standard(table: tuple[tuple[str, str, str], ...], context: str) -> None:
    group = Collection(context)
    known = {getattr(group, name).value for name in group.dir()}
    assert {row[0] for row in table} <= known
    if context != "CID244":  # unilateral is no side
        assert {row[0] for row in table} == known
    for current, retired, _ in table:
        assert Code(retired, "SRT", "") == Code(current, "SCT", "")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("CC", Label("", "CC")),
        ("LMLO", Label("L", "MLO")),
        ("R MLO", Label("R", "MLO")),
        ("LMO", Label("", "LMO")),
        ("LM", Label("", "LM")),
        ("RLM", Label("R", "LM")),
        ("MMLO", Label("", "MLO", ("magnification",))),
        ("RSCC", Label("R", "CC", ("spot compression",))),
        ("CCID", Label("", "CC", ("implant displaced",))),
        ("Left ML ID", Label("L", "ML", ("implant displaced",))),
        ("Breast - R CC", Label("R", "CC")),
        ("MLO links, LT", Label("", "MLO")),
        ("CV", Label("", "CC", ("cleavage",))),
        ("L CC / L MLO", Label()),
        ("Look at this", Label()),
        ("", Label()),
    ],
)
def test_labels(text: str, label: Label) -> None:
    assert read_label(text) == label


@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "SCT"])
def test_view_and_modifier_codes(scheme: str) -> None:
    view, modifier = ("399368009", "399209000") if scheme == "SCT" else ("R-10226", "R-102D5")
    item = _coded(view, scheme)
    item.ViewModifierCodeSequence = [_coded(modifier, scheme)]
    found = view_of(_header(ViewCodeSequence=[item], ViewPosition="", BreastImplantPresent="YES"))
    assert (found.name, found.modifiers, found.implant_displaced) == ("L-MLO", ("implant displaced",), True)
    assert found.implant_present
    assert not found.shows_part


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"ViewPosition": "RMLO", "ImageLaterality": ""}, "R-MLO"),
        ({"ViewPosition": "", "SeriesDescription": "R MLO"}, None),
        ({"ViewPosition": "", "ImageLaterality": "", "SeriesDescription": "R MLO"}, "R-MLO"),
        ({"ViewPosition": "", "ImageLaterality": "", "AcquisitionDeviceProcessingDescription": "L CC"}, "L-CC"),
        ({"Laterality": "L", "ImageLaterality": ""}, "L-CC"),
        ({"Laterality": "R", "ImageLaterality": "", "ViewPosition": "", "PatientOrientation": "MLO"}, "R-MLO"),
        ({"SeriesDescription": "R MLO"}, "L-CC"),
        ({"SeriesDescription": "R CC"}, None),
        ({"Laterality": "R"}, None),
        ({"ImageLaterality": ""}, None),
        ({"ImageLaterality": "B"}, None),
        ({"ViewPosition": "AP"}, None),
        ({"ViewCodeSequence": [_coded("R-10226", "SRT")]}, None),
        ({"PresentationIntentType": "FOR PROCESSING"}, None),
    ],
)
def test_places_that_name_the_view(attributes: dict[str, Any], name: str | None) -> None:
    if name is not None:
        assert view_of(_header(**attributes)).name == name
        return
    with pytest.raises(ImageError, match=r"1\.2\.3"):
        view_of(_header(**attributes))


def test_sides_in_sequences() -> None:
    region, anatomy, shared = Dataset(), Dataset(), Dataset()
    region.AnatomicRegionModifierSequence = [_coded("G-A100", "SRT")]
    assert view_of(_header(ImageLaterality="", AnatomicRegionSequence=[region])).laterality == "R"
    anatomy.FrameLaterality = "R"
    shared.FrameAnatomySequence = [anatomy]
    assert view_of(_header(ImageLaterality="", SharedFunctionalGroupsSequence=[shared])).laterality == "R"
    with pytest.raises(ImageError, match="Image Laterality says left, Frame Laterality says right"):
        view_of(_header(SharedFunctionalGroupsSequence=[shared]))


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({}, Kind.FULL_FIELD),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}, Kind.SYNTHESIZED),
        ({"SeriesDescription": "L CC C-View"}, Kind.SYNTHESIZED),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, Kind.SECONDARY),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, Kind.BIOPSY),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO_SCOUT"]}, Kind.BIOPSY),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]}, Kind.FULL_FIELD),
        ({"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"]}, Kind.CONTRAST),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO_PROJ"]}, Kind.TOMOSYNTHESIS),
    ],
)
def test_kinds(attributes: dict[str, Any], kind: Kind) -> None:
    assert view_of(_header(**attributes)).kind is kind


def test_raw_magnified_and_partial() -> None:
    view = view_of(
        _header(
            SOPClassUID=PROCESSING,
            PresentationIntentType="FOR PROCESSING",
            EstimatedRadiographicMagnificationFactor="1.8",
            PartialView="YES",
            BreastImplantPresent="NO",
        )
    )
    assert (view.for_presentation, view.shows_part, view.partial, view.implant_present) == (False, True, True, False)


@pytest.mark.parametrize(
    ("letters", "side", "position", "turn"),
    [
        ("", "L", "CC", Turn()),
        ("A/R", "L", "CC", Turn()),
        ("P/L", "R", "CC", Turn()),
        ("A/FR", "L", "MLO", Turn()),
        ("P/FL", "R", "MLO", Turn()),
        ("P/F", "R", "ML", Turn()),
        ("A/F", "L", "CC", Turn()),
        ("P/R", "L", "CC", Turn(columns_reversed=True)),
        ("A/L", "R", "CC", Turn(columns_reversed=True)),
        ("P/FR", "L", "MLO", Turn(columns_reversed=True)),
        ("A/FL", "R", "MLO", Turn(columns_reversed=True)),
        ("A/L", "L", "CC", Turn(rows_reversed=True)),
        ("A/HL", "L", "MLO", Turn(rows_reversed=True)),
        ("P/HL", "L", "MLO", Turn(columns_reversed=True, rows_reversed=True)),
        ("R/P", "L", "CC", Turn(transposed=True, columns_reversed=True)),
        ("FR/A", "L", "MLO", Turn(transposed=True)),
        ("P/L", "L", "CC", None),
        ("A/R", "R", "CC", None),
        ("P/FL", "L", "MLO", None),
        ("A/FR", "R", "MLO", None),
        ("P/F", "L", "MLO", None),
        ("P/F", "L", "CC", None),
        ("A/P", "L", "CC", None),
        ("L/F", "L", "CC", None),
        ("A/A", "L", "CC", None),
        ("X/F", "L", "MLO", None),
        ("A", "L", "MLO", None),
    ],
)
def test_turns(letters: str, side: str, position: str, turn: Turn | None) -> None:
    if turn is not None:
        assert upright_turn(letters.split("/"), side, position) == turn
        return
    with pytest.raises(GeometryError, match="Patient Orientation"):
        upright_turn(letters.split("/"), side, position)


def test_orientation_of_the_other_breast_names_the_image() -> None:
    with pytest.raises(GeometryError, match=r"1\.2\.3, L-CC: Patient Orientation P\\L is that of a right breast"):
        view_of(_header(PatientOrientation=["P", "L"]))


@pytest.mark.data
def test_modalities() -> None:
    folder = Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples" / "mammography_mg"
    view = view_of(dcmread(folder / "GH133.dcm", stop_before_pixels=True))
    assert (view.name, view.for_presentation, view.kind, view.turn) == ("R-MLO", True, Kind.FULL_FIELD, Turn())
    view = view_of(dcmread(folder / "OutOfBoundsOverlay.dcm", stop_before_pixels=True))
    assert (view.name, view.kind, view.turn.transposed) == ("L-CC", Kind.BIOPSY, True)
