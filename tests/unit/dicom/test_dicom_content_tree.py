"""Structured reports in words."""

import pytest
from pydicom.dataset import Dataset

from dicomnode.dicom.content_tree import read_content
from dicomnode.errors import InputError


def code(meaning: str, value: str = "1") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99TEST", meaning
    return item


def item(value_type: str, concept: str = "Thing", **values: object) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", value_type
    made.ConceptNameCodeSequence = [code(concept)]
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def number(value: str, unit: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [code("unit", unit)]
    return item("NUM", MeasuredValueSequence=[measured])


def image(frame: int | None) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPInstanceUID = "1.2.3"
    if frame is not None:
        reference.ReferencedFrameNumber = frame
    return item("IMAGE", ReferencedSOPSequence=[reference])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (item("TEXT", TextValue="No lesion."), "No lesion."),
        (item("CODE", ConceptCodeSequence=[code("Mass")]), "Mass"),
        (number("28.3", "mm"), "28.3 mm"),
        (number("0.87", "1"), "0.87"),
        (number("15746.4000000000", "mm3"), "15746.4 mm3"),
        (number("256.0", "{pixels}"), "256 pixels"),
        (item("NUM", NumericValueQualifierCodeSequence=[code("Not a number")]), "Not a number"),
        (item("UIDREF", UID="1.2"), "1.2"),
        (item("SCOORD", GraphicType="POLYLINE", GraphicData=[0.0, 0, 4, 0, 4, 4, 0, 0]), "POLYLINE, 4 points"),
        (item("SCOORD3D", GraphicType="POINT", GraphicData=[0.0, 0, 4]), "POINT, 1 points"),
        (image(7), "1.2.3 frame 7"),
        (image(None), "1.2.3"),
        (item("PNAME", PersonName="Doe^Jane"), ""),
        (item("CONTAINER"), ""),
    ],
)
def test_values_become_words(content: Dataset, words: str) -> None:
    read = read_content(content)
    assert (read.value, read.concept, read.relationship) == (words, "Thing", "CONTAINS")


def test_the_tree_keeps_its_shape() -> None:
    root = item(
        "CONTAINER", "Report", ContentSequence=[item("TEXT"), item("CONTAINER", ContentSequence=[item("CODE")])]
    )
    read = read_content(root)
    assert [len(child.children) for child in read.children] == [0, 1]


def test_what_is_no_report_or_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(InputError, match="no structured report"):
        read_content(Dataset())
    deep = item("TEXT")
    for _ in range(70):
        deep = item("CONTAINER", ContentSequence=[deep])
    with pytest.raises(InputError, match="64 levels"):
        read_content(deep)
