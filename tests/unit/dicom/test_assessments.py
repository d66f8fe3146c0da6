"""BI-RADS categories and probabilities in structured reports, by breast."""

from collections.abc import Sequence

import pytest
from pydicom.dataset import Dataset

from dicomnode.dicom.assessments import Assessment, assessments_of, likelihood, observer_of
from dicomnode.errors import InputError

LEFT, RIGHT, BOTH = ("7771000", "SCT"), ("24028007", "SCT"), ("51440002", "SCT")
LATERALITY, SITE, CATEGORY = ("272741003", "SCT"), ("363698007", "SCT"), ("111005", "DCM")


def _code(value: tuple[str, str]) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value[0], value[1], "meaning"
    return item


def item(
    name: tuple[str, str], value: tuple[str, str] | None = None, children: Sequence[Dataset] = (), kind: str = "CODE"
) -> Dataset:
    content = Dataset()
    content.ValueType, content.ConceptNameCodeSequence = kind, [_code(name)]
    if value is not None:
        content.ConceptCodeSequence = [_code(value)]
    if children:
        content.ContentSequence = list(children)
    return content


def report(*children: Dataset) -> Dataset:
    return item(("111400", "DCM"), None, children, "CONTAINER")


def _probability(value: float, unit: str = "%") -> Dataset:
    measured, number = Dataset(), item(("111047", "DCM"), kind="NUM")
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, [_code((unit, "UCUM"))]
    number.MeasuredValueSequence = [measured]
    return number


def _assessed(code: tuple[str, str], *sides: tuple[str, str]) -> Dataset:
    return item(CATEGORY, code, [item(LATERALITY, side) for side in sides])


def test_categories_of_both_breasts() -> None:
    document = report(
        item(("121076", "DCM"), None, [_assessed(("397144001", "SCT"), LEFT), _assessed(("397140005", "SCT"), RIGHT)])
    )

    assert assessments_of(document) == (Assessment("L", 0.485), Assessment("R", 0.0))


def test_the_gravest_finding_of_a_breast_counts_and_sides_come_from_the_section_or_site() -> None:
    left = item(SITE, ("76752008", "SCT"), [item(LATERALITY, LEFT)])
    findings = item(("59776-5", "LN"), None, [left, _assessed(("II.AC.b.3", "BI")), _assessed(("MA.II.A.5.4C", "BI"))])
    right = item(("59776-5", "LN"), None, [item(SITE, ("73056007", "SCT")), _assessed(("F-037BD", "SRT"))])

    assert assessments_of(report(findings, right)) == (Assessment("L", 0.725), Assessment("R", 0.0))
    assert assessments_of(report(_assessed(("397145000", "SCT"), BOTH))) == tuple(Assessment(s, 0.975) for s in "LR")


def test_an_exam_may_have_one_for_both_breasts_or_a_probability() -> None:
    assert assessments_of(report(_assessed(("397141009", "SCT")))) == (Assessment("", 0.0),)
    assert assessments_of(report(_probability(35))) == (Assessment("", 0.35),)
    assert assessments_of(report(_probability(0.2, "1"))) == (Assessment("", 0.2),)
    # Where breasts are named, the word for the exam adds nothing.
    named = report(_assessed(("397144001", "SCT")), _assessed(("397144001", "SCT"), LEFT))
    assert assessments_of(named) == (Assessment("L", 0.485),)
    assert assessments_of(report(item(("121071", "DCM"), ("4147007", "SCT")))) == ()


def test_what_is_no_final_assessment_is_refused() -> None:
    with pytest.raises(InputError, match="BI-RADS category '0': is no final assessment"):
        assessments_of(report(_assessed(("397138000", "SCT"), LEFT)))
    with pytest.raises(InputError, match="probability of cancer 120 %"):
        assessments_of(report(_probability(120)))


@pytest.mark.parametrize(
    ("category", "probability"), [("4a", 0.06), ("BI-RADS 5", 0.975), (" birads 4B", 0.3), ("1", 0), ("6", 1)]
)
def test_categories_as_people_write_them(category: str, probability: float) -> None:
    assert likelihood(category) == probability


def test_a_device_is_no_reader() -> None:
    person, device = item(("121008", "DCM"), kind="PNAME"), item(("121005", "DCM"), ("121007", "DCM"))
    person.PersonName = "Reader^One"

    assert observer_of(report(person)) == "Reader^One"
    assert observer_of(report(device)) is None
    assert observer_of(report()) == ""
