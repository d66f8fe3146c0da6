"""Ways to break a heat map or a tally, and what the gate must say of each."""

from __future__ import annotations

from pydicom.dataset import Dataset

from tests.evidence_mutations import Change, at, drop, dropping, frame, frame_source, segment, setting, without


def origin(**values: float) -> Change:
    return lambda dataset: setting(**values)(dataset.TotalPixelMatrixOriginSequence[0])


def measures(**values: object) -> Change:
    return lambda dataset: setting(**values)(dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0])


def value(meaning: str, number: float) -> Change:
    return at(meaning, lambda item: setting(NumericValue=number)(item.MeasuredValueSequence[0]))


def unit(meaning: str, code: str) -> Change:
    return at(
        meaning,
        lambda item: setting(CodeValue=code)(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]),
    )


def two_segments(dataset: Dataset) -> None:
    dataset.SegmentSequence = [dataset.SegmentSequence[0], dataset.SegmentSequence[0]]


EXAMINED, REACHED = "Number of tiles examined", "Number of tiles that reached the operating point"
SHARE = "Percentage of tiles that reached the operating point"

# Document, what is done to it, how, and a word of the problem that the gate must name
SLIDE_MUTATIONS: list[tuple[str, str, Change, str]] = [
    *[
        (role, name, change, word)
        for role in ("slide", "picture")
        for name, change, word in (
            ("binary", setting(SegmentationType="BINARY"), "SegmentationType"),
            ("occupancy", setting(SegmentationFractionalType="OCCUPANCY"), "SegmentationFractionalType"),
            ("other maximum", setting(MaximumFractionalValue=100), "MaximumFractionalValue"),
            ("no pixels", setting(PixelData=b"\0\0"), "one byte for each pixel"),
            ("two segments", two_segments, "one segment"),
            ("not explained", segment(without("SegmentDescription")), "SegmentDescription"),
            ("no algorithm", segment(without("SegmentAlgorithmName")), "SegmentAlgorithmName"),
            ("no source", frame(without("DerivationImageSequence")), "no source image"),
            ("absent source", frame_source(setting(ReferencedSOPInstanceUID="1.2.3")), "does not exist"),
            ("other patient", setting(PatientID="TEST-2"), "PatientID differs"),
            ("not listed", setting(ReferencedSeriesSequence=[]), "not listed"),
            ("description hides it", setting(SeriesDescription="AI heat map"), "(unverified)"),
        )
    ],
    ("slide", "pixels said to be the slide's", frame_source(setting(SpatialLocationsPreserved="YES")), "Preserved"),
    ("slide", "no frame of reference", without("FrameOfReferenceUID"), "where on the slide"),
    ("slide", "other frame of reference", setting(FrameOfReferenceUID="1.2.3"), "frame of reference"),
    ("slide", "no indicator", without("PositionReferenceIndicator"), "PositionReferenceIndicator"),
    ("slide", "no origin", without("TotalPixelMatrixOriginSequence"), "where on the slide"),
    ("slide", "origin of the matrix moved", origin(XOffsetInSlideCoordinateSystem=20.4), "plane position"),
    ("slide", "no plane position", frame(without("PlanePositionSlideSequence")), "no plane position"),
    ("slide", "turned", setting(ImageOrientationSlide=[1, 0, 0, 0, 1, 0]), "orientation"),
    ("slide", "too coarse", measures(PixelSpacing=[0.02, 0.02]), "leaves the image"),
    ("slide", "elsewhere", origin(YOffsetInSlideCoordinateSystem=41), "leaves the image"),
    ("picture", "pixels not the picture's", frame_source(setting(SpatialLocationsPreserved="NO")), "Preserved"),
    (
        "picture",
        "no spacing",
        lambda d: delattr(d.SharedFunctionalGroupsSequence[0], "PixelMeasuresSequence"),
        "Pixel Measures",
    ),
    ("picture", "size", setting(Rows=12), "Rows and Columns"),
    ("tally", "nothing examined", dropping(EXAMINED), "lacks the number examined"),
    ("tally", "nothing positive", dropping(REACHED), "lacks the number examined"),
    ("tally", "no percentage", dropping(SHARE), "needs a percentage"),
    ("tally", "percentage only", lambda d: [drop(d, EXAMINED), drop(d, REACHED)], "lacks the number examined"),
    ("tally", "more than all", value(REACHED, 413), "counts 413 of 412"),
    ("tally", "half a tile", value(EXAMINED, 412.5), "counts 37 of 412.5"),
    ("tally", "wrong percentage", value(SHARE, 37), "percentage of tiles is 37"),
    ("tally", "other unit", unit(EXAMINED, "{cells}"), "unit"),
]
