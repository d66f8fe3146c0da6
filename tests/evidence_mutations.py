"""Ways to break a document, and the table of what the gate must say of each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicomnode.evidence.gate.subject import children, concept, descendants

Change = Callable[[Dataset], object]


def item(dataset: Dataset, meaning: str, number: int = 0) -> Dataset:
    """A content item, by the meaning of its concept name."""
    return [found for _, _, found in descendants(dataset) if concept(found)[2] == meaning][number]


def parent(dataset: Dataset, meaning: str) -> Dataset:
    return next(above for _, above, found in descendants(dataset) if concept(found)[2] == meaning)


def drop(dataset: Dataset, meaning: str) -> None:
    """Take away the first item of this name."""
    above, below = parent(dataset, meaning), item(dataset, meaning)
    above.ContentSequence = [child for child in children(above) if child is not below]


def swap(dataset: Dataset, first: int, second: int) -> None:
    items = children(dataset)
    items[first], items[second] = items[second], items[first]
    dataset.ContentSequence = items


def setting(**values: Any) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def without(keyword: str) -> Change:
    return lambda dataset: delattr(dataset, keyword)


def at(meaning: str, change: Change, number: int = 0) -> Change:
    return lambda dataset: change(item(dataset, meaning, number))


def dropping(meaning: str) -> Change:
    return lambda dataset: drop(dataset, meaning)


def frame(change: Change) -> Change:
    return lambda dataset: change(dataset.PerFrameFunctionalGroupsSequence[0])


def segment(change: Change, number: int = 0) -> Change:
    return lambda dataset: change(dataset.SegmentSequence[number])


def frame_source(change: Change) -> Change:
    return frame(lambda groups: change(groups.DerivationImageSequence[0].SourceImageSequence[0]))


def outline(change: Callable[[list[float]], list[float]]) -> Change:
    def apply(dataset: Dataset) -> None:
        region = item(dataset, "Image Region")
        region.GraphicData = change([float(value) for value in region.GraphicData])

    return apply


def evidence_item(change: Change) -> Change:
    return lambda dataset: change(
        dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    )


def private(dataset: Dataset) -> None:
    dataset.private_block(0x0011, "SOMEONE", create=True).add_new(0x01, "LO", "left over")


def verified(dataset: Dataset) -> None:
    dataset.VerifyingObserverSequence = [Dataset()]
    dataset.VerifyingObserverSequence[0].VerifyingOrganization = "nobody"


def predecessor(dataset: Dataset, series: str, uid: str) -> None:
    reference, series_item, study = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.SOPClassUID, uid
    series_item.SeriesInstanceUID, series_item.ReferencedSOPSequence = series, [reference]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = dataset.StudyInstanceUID, [series_item]
    dataset.PredecessorDocumentsSequence = [study]


def add_number_at_root(dataset: Dataset) -> None:
    evaluations = item(dataset, "Qualitative Evaluations")
    evaluations.ContentSequence = [*children(evaluations), copy.deepcopy(item(dataset, "Certainty of Finding"))]


def repeat(dataset: Dataset, meaning: str) -> None:
    above = parent(dataset, meaning)
    above.ContentSequence = [*children(above), copy.deepcopy(item(dataset, meaning))]


def code_of(meaning: str, **values: str) -> Change:
    def change(dataset: Dataset) -> None:
        setting(**values)(item(dataset, meaning).ConceptCodeSequence[0])

    return change


def name_of(meaning: str, **values: str) -> Change:
    def change(dataset: Dataset) -> None:
        setting(**values)(item(dataset, meaning).ConceptNameCodeSequence[0])

    return change


def score(value: float) -> Change:
    return at("Certainty of Finding", lambda found: setting(NumericValue=value)(found.MeasuredValueSequence[0]))


def group_template(template: str) -> Change:
    return at("Measurement Group", lambda found: setting(TemplateIdentifier=template)(found.ContentTemplateSequence[0]))


def text_value(meaning: str, value: str) -> Change:
    return at(meaning, setting(TextValue=value))


def silence(dataset: Dataset) -> None:
    for _, _, found in descendants(dataset):
        if found.ValueType == "TEXT" and "verified" in found.TextValue:
            found.TextValue = "All is well."


def _evaluations(dataset: Dataset) -> Dataset:
    made = copy.deepcopy(item(dataset, "Imaging Measurements"))
    made.ConceptNameCodeSequence[0].CodeValue = "C0034375"
    made.ConceptNameCodeSequence[0].CodingSchemeDesignator = "UMLS"
    return made


# Document, what is done to it, how, and a word of the problem that the gate must name
MUTATIONS: list[tuple[str, str, Change, str]] = [
    # attributes
    *[
        ("answer", f"no {keyword}", without(keyword), keyword)
        for keyword in (
            "Modality", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
            "StudyID", "AccessionNumber", "ReferringPhysicianName", "CompletionFlag", "VerificationFlag",
            "PreliminaryFlag", "ContentDate", "ContentTime", "ContentSequence", "ContentTemplateSequence",
            "SeriesNumber", "InstanceNumber", "SeriesDescription", "SpecificCharacterSet", "Manufacturer",
            "CurrentRequestedProcedureEvidenceSequence", "PerformedProcedureCodeSequence",
            "ReferencedPerformedProcedureStepSequence", "ContributingEquipmentSequence", "ConceptNameCodeSequence",
        )
    ],
    *[
        ("segmentation", f"no {keyword}", without(keyword), keyword)
        for keyword in (
            "ImageType", "Rows", "LossyImageCompression", "SegmentationType", "ContentLabel", "SegmentSequence",
            "NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelData",
            "DimensionOrganizationSequence", "DimensionIndexSequence", "FrameOfReferenceUID", "DeviceSerialNumber",
            "PositionReferenceIndicator", "ContentCreatorName", "ReferencedSeriesSequence",
        )
    ],
    ("answer", "verified", setting(VerificationFlag="VERIFIED"), "VerificationFlag"),
    ("text", "verifying observer", verified, "VerifyingObserverSequence"),
    ("answer", "partial", setting(CompletionFlag="PARTIAL"), "CompletionFlag"),
    ("answer", "final", setting(PreliminaryFlag="FINAL"), "PreliminaryFlag"),
    ("text", "Latin-1", setting(SpecificCharacterSet="ISO_IR 100"), "SpecificCharacterSet"),
    ("segmentation", "fractional", setting(SegmentationType="FRACTIONAL"), "SegmentationType"),
    ("answer", "long description", setting(SeriesDescription="AI " + "x" * 60 + " (unverified)"), "SeriesDescription"),
    ("answer", "description hides it", setting(SeriesDescription="AI answer"), "(unverified)"),
    ("answer", "series number", setting(SeriesNumber=3), "SeriesNumber"),
    ("answer", "instance number", setting(InstanceNumber=0), "InstanceNumber"),
    ("answer", "UID with a letter", setting(SOPInstanceUID="1.2.x"), "valid UID"),
    ("answer", "deep UID", at("Device Observer UID", setting(UID="1..2")), "valid UID"),
    ("answer", "strange series", setting(SeriesInstanceUID="1.2.3"), "SeriesInstanceUID"),
    ("answer", "class of another role", setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22"), "SOPClassUID"),
    ("answer", "file meta", lambda d: setting(MediaStorageSOPInstanceUID="1.2")(d.file_meta), "MediaStorageSOPInst"),
    ("answer", "no file meta", lambda d: delattr(d, "file_meta"), "file meta information"),
    ("answer", "implicit", lambda d: setting(TransferSyntaxUID=ImplicitVRLittleEndian)(d.file_meta), "Explicit VR"),
    ("answer", "no syntax", lambda d: delattr(d.file_meta, "TransferSyntaxUID"), "TransferSyntaxUID"),
    ("answer", "no Device UID", lambda d: delattr(d.ContributingEquipmentSequence[0], "DeviceUID"), "Device UID"),
    (
        "answer", "node not named",
        lambda d: [setting(Manufacturer="other")(i) for i in d.ContributingEquipmentSequence], "name the node",
    ),
    (
        "answer", "no purpose",
        lambda d: delattr(d.ContributingEquipmentSequence[0], "PurposeOfReferenceCodeSequence"), "purpose",
    ),
    ("answer", "private", private, "private attribute"),
    ("text", "name in text", text_value("Finding", "Maria: Muster^Maria"), "patient's name"),
    ("text", "spoken name", text_value("Finding", "In Muster Maria a mass"), "patient's name"),
    ("segmentation", "ID in label", segment(setting(SegmentLabel="PAT-004711")), "patient's name or ID"),
    # identity and references
    ("answer", "other patient", setting(PatientID="PAT-004712"), "PatientID differs"),
    ("answer", "other name", setting(PatientName="Muster^Mario"), "PatientName differs"),
    ("segmentation", "other birth date", setting(PatientBirthDate="19700102"), "PatientBirthDate differs"),
    ("lesions", "other study", setting(StudyInstanceUID="1.2.3"), "StudyInstanceUID differs"),
    ("text", "other accession", setting(AccessionNumber="B2"), "AccessionNumber differs"),
    ("answer", "issuer", setting(IssuerOfPatientID="OTHER"), "IssuerOfPatientID differs"),
    ("answer", "absent instance", evidence_item(setting(ReferencedSOPInstanceUID="1.2.3")), "does not exist"),
    ("answer", "class of instance", evidence_item(setting(ReferencedSOPClassUID="1.2.3")), "SOP class"),
    (
        "answer", "series of instance",
        lambda d: setting(SeriesInstanceUID="1.2.3")(
            d.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
        ),
        "a series that is not",
    ),
    (
        "answer", "study of evidence",
        lambda d: setting(StudyInstanceUID="1.2.3")(d.CurrentRequestedProcedureEvidenceSequence[0]),
        "another study",
    ),
    (
        "lesions", "cited, not listed",
        at("Source", lambda i: setting(ReferencedSOPInstanceUID="1.2.3")(i.ReferencedSOPSequence[0])), "cites instance",
    ),
    ("answer", "no predecessor", setting(InstanceNumber=2), "PredecessorDocumentsSequence"),
    ("answer", "predecessor elsewhere", lambda d: predecessor(d, "1.2.3", "1.2.4"), "another series"),
    ("answer", "its own predecessor", lambda d: predecessor(d, d.SeriesInstanceUID, d.SOPInstanceUID), "itself"),
    # any tree
    ("answer", "no value type", at("Finding", without("ValueType")), "value type"),
    ("answer", "no relationship", at("Finding", without("RelationshipType")), "relationship"),
    ("answer", "impossible relationship", at("Finding", setting(RelationshipType="SELECTED FROM")), "may not"),
    ("answer", "no code", at("Finding", without("ConceptCodeSequence")), "ConceptCodeSequence"),
    ("answer", "no meaning", code_of("Finding", CodeMeaning=""), "lacks value, scheme or meaning"),
    ("answer", "long meaning", code_of("Finding", CodeMeaning="m" * 65), "over 64"),
    ("answer", "no name", at("Finding", without("ConceptNameCodeSequence")), "ConceptNameCodeSequence"),
    ("text", "empty text", text_value("Finding", ""), "empty TextValue"),
    ("answer", "no number", at("Certainty of Finding", setting(MeasuredValueSequence=[])), "neither a value"),
    (
        "answer", "no numeric value",
        at("Certainty of Finding", lambda i: delattr(i.MeasuredValueSequence[0], "NumericValue")), "no NumericValue",
    ),
    (
        "answer", "no unit",
        at("Certainty of Finding", lambda i: delattr(i.MeasuredValueSequence[0], "MeasurementUnitsCodeSequence")),
        "no unit",
    ),
    # TID 1500
    ("answer", "title", lambda d: setting(CodeMeaning="Report")(d.ConceptNameCodeSequence[0]), "title"),
    ("answer", "template", lambda d: setting(TemplateIdentifier="2000")(d.ContentTemplateSequence[0]), "TID 1500"),
    *[
        (role, f"no {meaning}", dropping(meaning), meaning)
        for role in ("answer", "lesions")
        for meaning in (
            "Language of Content Item and Descendants", "Observer Type", "Device Observer UID", "Procedure reported",
            "Image Library", "Imaging Measurements", "Tracking Identifier", "Tracking Unique Identifier",
            "Algorithm Name", "Algorithm Version",
        )
    ],
    ("answer", "two libraries", lambda d: repeat(d, "Image Library"), "Image Library"),
    ("answer", "order", lambda d: swap(d, -3, -2), "order"),
    ("answer", "other words", name_of("Imaging Measurements", CodeMeaning="Measurements"), "another meaning"),
    ("lesions", "wrong tie", at("Algorithm Name", setting(RelationshipType="CONTAINS")), "Algorithm Name"),
    ("answer", "library without group", dropping("Image Library Group"), "image library"),
    ("answer", "group without image", at("Image Library Group", lambda g: setting(
        ContentSequence=[i for i in children(g) if i.ValueType != "IMAGE"])(g)), "holds no image"),
    ("answer", "no group", at("Imaging Measurements", setting(ContentSequence=[])), "no measurement group"),
    ("answer", "group of another name", name_of("Measurement Group", CodeMeaning="Group"), "not a Measurement Group"),
    (
        "lesions", "one tracking UID twice",
        lambda d: setting(UID=item(d, "Tracking Unique Identifier").UID)(item(d, "Tracking Unique Identifier", 1)),
        "same tracking UID",
    ),
    ("answer", "two findings", lambda d: repeat(d, "Finding"), "more than one finding"),
    ("answer", "140 %", score(140), "percentage"),
    ("answer", "below zero", score(-1), "percentage"),
    (
        "answer", "certainty called probability",
        name_of("Certainty of Finding", CodeValue="111047", CodeMeaning="Probability of cancer"),
        "probability of cancer",
    ),
    # study answer
    ("answer", "NUM at the root", add_number_at_root, "more than CODE and TEXT"),
    ("answer", "no outcome", dropping("CAD Processing and Findings Summary"), "not coded"),
    ("failed", "no cause", dropping("Conclusion"), "cause"),
    ("answer", "no reason", lambda d: [drop(d, "Comment"), drop(d, "Comment")], "no reason"),
    ("answer", "template of group", group_template("1410"), "TID 1501"),
    ("answer", "no presence", dropping("Presence"), "present, absent"),
    ("answer", "odd presence", code_of("Presence", CodeValue="1"), "present, absent"),
    # text
    ("text", "title", lambda d: setting(CodeValue="1")(d.ConceptNameCodeSequence[0]), "title"),
    ("text", "no findings", dropping("Findings"), "'Findings'"),
    ("text", "no conclusions", dropping("Conclusions"), "'Conclusions'"),
    ("text", "not said", silence, "not verified"),
    ("text", "outcome", lambda d: setting(CodeValue="1")(
        children(item(d, "Conclusions"))[-1].ConceptCodeSequence[0]), "not coded"),
    ("text", "number", lambda d: setting(ValueType="NUM")(item(d, "Finding")), "numbers or coordinates"),
    # lesions
    ("lesions", "template of group", group_template("1501"), "TID 1410"),
    ("lesions", "no region", dropping("Image Region"), "no image region"),
    ("lesions", "no finding", dropping("Finding"), "no finding"),
    ("lesions", "no number", lambda d: [drop(d, "Certainty of Finding"), drop(d, "Long axis")], "no number"),
    ("lesions", "circle", at("Image Region", setting(GraphicType="CIRCLE")), "POLYLINE"),
    ("lesions", "open", outline(lambda data: data[:-2]), "not closed"),
    ("lesions", "two points", outline(lambda data: data[:2] * 2), "too few"),
    ("lesions", "outside", outline(lambda data: [data[0], 16.5, *data[2:-2], data[0], 16.5]), "leaves the image"),
    ("lesions", "left of it", outline(lambda data: [-0.5, data[1], *data[2:-2], -0.5, data[1]]), "leaves the image"),
    ("lesions", "no image", at("Image Region", setting(ContentSequence=[])), "not selected from one image"),
    (
        "lesions", "no such frame",
        at("Image Region", lambda i: setting(ReferencedFrameNumber=2)(
            i.ContentSequence[0].ReferencedSOPSequence[0])), "referenced frame",
    ),
    ("lesions", "answer in it", lambda d: setting(ContentSequence=[*children(d), _evaluations(d)])(d), "belong to"),
    # segmentation
    ("segmentation", "gap", segment(setting(SegmentNumber=3), 1), "segment numbers"),
    *[
        ("segmentation", f"segment without {keyword}", segment(without(keyword)), keyword)
        for keyword in (
            "SegmentLabel", "SegmentAlgorithmType", "SegmentedPropertyCategoryCodeSequence",
            "SegmentedPropertyTypeCodeSequence", "SegmentationAlgorithmIdentificationSequence",
            "SegmentAlgorithmName", "TrackingID", "TrackingUID", "RecommendedDisplayCIELabValue",
        )
    ],
    ("segmentation", "manual", segment(setting(SegmentAlgorithmType="MANUAL")), "AUTOMATIC"),
    ("segmentation", "frame count", setting(NumberOfFrames=7), "NumberOfFrames"),
    (
        "segmentation", "unknown segment",
        frame(lambda g: setting(ReferencedSegmentNumber=9)(g.SegmentIdentificationSequence[0])), "segment 9",
    ),
    (
        "segmentation", "segment without frame",
        frame(lambda g: setting(ReferencedSegmentNumber=2)(g.SegmentIdentificationSequence[0])), "segment 1 has no",
    ),
    ("segmentation", "no segment named", frame(without("SegmentIdentificationSequence")), "segment 0"),
    ("segmentation", "no position", frame(without("PlanePositionSequence")), "plane position"),
    ("segmentation", "no source", frame(without("DerivationImageSequence")), "no source image"),
    ("segmentation", "absent source", frame_source(setting(ReferencedSOPInstanceUID="1.2.3")), "does not exist"),
    ("segmentation", "source class", frame_source(setting(ReferencedSOPClassUID="1.2.3")), "SOP class"),
    ("segmentation", "source frame", frame_source(setting(ReferencedFrameNumber=4)), "referenced frame"),
    ("segmentation", "source size", setting(Rows=8), "Rows and Columns"),
    ("segmentation", "frame of reference", setting(FrameOfReferenceUID="1.2.3"), "frame of reference"),
    ("segmentation", "not listed", setting(ReferencedSeriesSequence=[]), "not listed"),
    ("segmentation", "other tracking", segment(setting(TrackingUID="1.2.3")), "tracked"),
]  # fmt: skip
