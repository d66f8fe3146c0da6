"""Ways to break a presentation state, a picture or the attention document, and what the gate must say of each."""

from __future__ import annotations

from pydicom.dataset import Dataset

from tests.evidence_mutations import Change, code_of, dropping, setting, without


def annotation(change: Change) -> Change:
    return lambda dataset: change(dataset.GraphicAnnotationSequence[0])


def graphic(change: Change) -> Change:
    return annotation(lambda item: change(item.GraphicObjectSequence[0]))


def area(change: Change) -> Change:
    return lambda dataset: change(dataset.DisplayedAreaSelectionSequence[0])


def image(change: Change) -> Change:
    return lambda dataset: change(dataset.ReferencedSeriesSequence[0].ReferencedImageSequence[0])


def source(change: Change) -> Change:
    return lambda dataset: change(dataset.SourceImageSequence[0])


def silence(dataset: Dataset) -> None:
    for item in dataset.GraphicAnnotationSequence:
        item.TextObjectSequence[0].UnformattedTextValue = "Lesion"


# Document, what is done to it, how, and a word of the problem that the gate must name
EXAM_MUTATIONS: list[tuple[str, str, Change, str]] = [
    *[
        ("presentation", f"no {keyword}", without(keyword), keyword)
        for keyword in (
            "ContentLabel", "PresentationCreationDate", "PresentationCreationTime", "ReferencedSeriesSequence",
            "DisplayedAreaSelectionSequence", "PresentationLUTShape", "ContentDescription", "ContentCreatorName",
            "Manufacturer", "PatientName", "GraphicAnnotationSequence", "GraphicLayerSequence",
        )
    ],
    ("presentation", "label hides it", setting(ContentLabel="FINDINGS"), "ContentLabel"),
    ("presentation", "description hides it", setting(SeriesDescription="AI"), "(unverified)"),
    ("presentation", "other modality", setting(Modality="MG"), "Modality"),
    ("presentation", "other patient", setting(PatientID="TEST-2"), "PatientID differs"),
    ("presentation", "absent image", image(setting(ReferencedSOPInstanceUID="1.2.3")), "does not exist"),
    (
        "presentation", "series of image",
        lambda d: setting(SeriesInstanceUID="1.2.3")(d.ReferencedSeriesSequence[0]), "a series that is not",
    ),
    ("presentation", "graphics elsewhere", annotation(
        lambda i: setting(ReferencedSOPInstanceUID="1.2.3")(i.ReferencedImageSequence[0])), "does not list"),
    ("presentation", "strange layer", annotation(setting(GraphicLayer="OTHER")), "layer"),
    ("presentation", "no graphics", annotation(setting(GraphicObjectSequence=[])), "draws nothing"),
    ("presentation", "not said", silence, "without the words 'not verified'"),
    ("presentation", "part of the image", area(setting(DisplayedAreaTopLeftHandCorner=[2, 1])), "whole image"),
    ("presentation", "two areas", lambda d: d.DisplayedAreaSelectionSequence.append(
        d.DisplayedAreaSelectionSequence[0]), "one displayed area"),
    ("presentation", "no window", without("SoftcopyVOILUTSequence"), "window"),
    ("presentation", "reversed", setting(PresentationLUTShape="INVERSE"), "greys reversed"),
    ("presentation", "open", graphic(setting(GraphicData=[4, 5, 9, 5, 9, 11, 4, 11, 4, 6])), "not closed"),
    ("presentation", "points", graphic(setting(NumberOfGraphicPoints=4)), "number of points"),
    ("presentation", "outside", graphic(setting(GraphicData=[4, 5, 17, 5, 9, 11, 4, 11, 4, 5])), "leaves the image"),
    ("presentation", "class of another role", setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "SOPClassUID"),
    *[
        ("picture", f"no {keyword}", without(keyword), keyword)
        for keyword in ("ConversionType", "Rows", "PixelData", "SourceImageSequence", "InstanceNumber", "StudyID")
    ],
    ("picture", "taken for a mammogram", setting(Modality="MG"), "Modality"),
    ("picture", "original", setting(ImageType=["ORIGINAL", "PRIMARY"]), "ImageType"),
    ("picture", "few pixels", setting(PixelData=b"\0\0"), "three bytes"),
    ("picture", "spacing", setting(PixelSpacing=[0.1, 0.1]), "PixelSpacing is present"),
    ("picture", "not said", setting(DerivationDescription="Reduced"), "not verified"),
    ("picture", "burnt in", setting(BurnedInAnnotation="YES"), "BurnedInAnnotation"),
    ("picture", "other side", setting(Laterality="R"), "Laterality"),
    ("picture", "turned", setting(PatientOrientation=["P", "L"]), "PatientOrientation"),
    ("picture", "absent source", source(setting(ReferencedSOPInstanceUID="1.2.3")), "does not exist"),
    ("picture", "two sources", lambda d: d.SourceImageSequence.append(d.SourceImageSequence[0]), "2 source images"),
    ("picture", "other name", setting(PatientName="Someone^Else"), "PatientName differs"),
    ("attention", "no region", dropping("Image Region"), "no image region"),
    ("attention", "no number", dropping("Share of the network's attention"), "no number"),
    ("attention", "called a mass", code_of("Finding", CodeValue="4147007", CodeMeaning="Mass"), "is no lesion"),
    ("lesions", "called attention", code_of("Finding", CodeValue="attention_region"), "is no lesion"),
    ("attention", "other side", code_of("Laterality", CodeValue="24028007"), "image of the other"),
]  # fmt: skip
