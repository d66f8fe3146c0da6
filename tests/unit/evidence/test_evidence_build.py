"""What the documents of a result say, and how they are filed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import InputError
from dicomnode.evidence import (
    NodeIdentity,
    PreviousEvidence,
    check,
    evidence_instance_uid,
    evidence_series_uid,
    evidence_uids,
    to_bytes,
)
from dicomnode.evidence.gate.subject import children, concept, descendants
from dicomnode.evidence.identity import ROLES, device_uid, series_description, series_number
from dicomnode.evidence.stamp import local_time
from dicomnode.findings import ClassScore, Code, Outcome, Polygon
from tests.evidence_cases import (
    BRAIN,
    CREATED,
    GLIOMA,
    MASS,
    MODEL,
    NODE,
    SQUARE,
    answer,
    built,
    documents,
    finding,
    negative,
    positive,
    references,
    square,
    unanswered,
)
from tests.factories import CORONAL, make_enhanced, make_instance, make_series, write_instance

GLIOBLASTOMA = Code("1163375002", "SCT", "Glioblastoma")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return make_series(tmp_path, 5)


def read_back(dataset: Dataset) -> Dataset:
    return dcmread(BytesIO(to_bytes(dataset)))


def headers(paths: list[Path]) -> list[Dataset]:
    return [dcmread(path, stop_before_pixels=True) for path in paths]


def sentences(dataset: Dataset) -> str:
    return "\n".join(str(item.TextValue) for _, _, item in descendants(dataset) if item.ValueType == "TEXT")


def numbers(dataset: Dataset) -> list[tuple[str, float]]:
    return [
        (concept(item)[2], float(item.MeasuredValueSequence[0].NumericValue))
        for _, _, item in descendants(dataset)
        if item.ValueType == "NUM" and item.RelationshipType == "CONTAINS"
    ]


def codes(dataset: Dataset, name: str) -> list[str]:
    return [
        concept(item, "ConceptCodeSequence")[0]
        for _, _, item in descendants(dataset)
        if item.ValueType == "CODE" and concept(item)[2] == name
    ]


def test_positive_result_has_four_documents_that_pass_the_gate(paths: list[Path]) -> None:
    made = documents(positive(paths), paths)
    assert list(made) == list(ROLES)
    for dataset in made.values():
        assert check(read_back(dataset), headers(paths), companions=list(made.values())) == ()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_has_an_answer_and_a_text_of_its_own(paths: list[Path], outcome: Outcome) -> None:
    result = {Outcome.FINDINGS: positive, Outcome.NO_FINDINGS: negative}.get(outcome, lambda p: unanswered(p, outcome))(
        paths
    )
    made = documents(result, paths)
    expected = {Outcome.FINDINGS: "111242", Outcome.NO_FINDINGS: "111241"}.get(outcome, "111245")
    assert codes(made["answer"], "CAD Processing and Findings Summary") == [expected]
    assert codes(made["text"], "Conclusion")[0] == expected
    assert set(made) == (set(ROLES) if outcome is Outcome.FINDINGS else {"answer", "text"})
    assert all(check(read_back(dataset), headers(paths)) == () for dataset in made.values())


def test_the_five_outcomes_are_five_different_codings(paths: list[Path]) -> None:
    results = [positive(paths), negative(paths), *(unanswered(paths, o) for o in list(Outcome)[2:])]
    names = ("CAD Processing and Findings Summary", "Summary of Analyses", "Conclusion")
    coded = [tuple(tuple(codes(documents(r, paths)["answer"], name)) for name in names) for r in results]
    assert len(set(coded)) == 5


def test_same_result_gives_the_same_bytes(paths: list[Path]) -> None:
    first = [to_bytes(made.dataset) for made in built(positive(paths), paths)]
    assert first == [to_bytes(made.dataset) for made in built(positive(paths), list(reversed(paths)))]


def test_no_series_is_shared_and_uids_follow_the_parts(paths: list[Path]) -> None:
    result = positive(paths)
    made = built(result, paths)
    assert len({item.series_instance_uid for item in made}) == len({item.sop_instance_uid for item in made}) == 4
    for item in made:
        series = evidence_series_uid(result.study_instance_uid, MODEL.name, item.role)
        assert item.series_instance_uid == item.dataset.SeriesInstanceUID == series
        expected = evidence_instance_uid(series, result.input_digest, MODEL.digest, item.role)
        assert item.sop_instance_uid == item.dataset.SOPInstanceUID == expected
        assert evidence_uids(result, item.role) == (series, expected)
        assert valid_uid(expected)


@pytest.mark.parametrize("change", [{"input_digest": "cd" * 32}, {"model": replace(MODEL, digest="ef" * 32)}])
def test_other_input_or_model_makes_another_object_in_the_same_series(
    paths: list[Path], change: dict[str, object]
) -> None:
    before, after = built(positive(paths), paths), built(positive(paths, **change), paths)
    assert [item.series_instance_uid for item in before] == [item.series_instance_uid for item in after]
    assert not {item.sop_instance_uid for item in before} & {item.sop_instance_uid for item in after}


def test_unprocessed_run_does_not_take_the_uid_of_the_later_answer(paths: list[Path]) -> None:
    failed, refused = (evidence_uids(unanswered(paths, o), "answer")[1] for o in (Outcome.FAILED, Outcome.REFUSED))
    assert len({failed, refused, evidence_uids(positive(paths), "answer")[1]}) == 3


def test_superseding_documents_count_on_and_name_their_predecessor(paths: list[Path]) -> None:
    before = {item.role: item for item in built(positive(paths), paths)}
    previous = {
        role: PreviousEvidence(item.sop_instance_uid, str(item.dataset.SOPClassUID), 3) for role, item in before.items()
    }
    for item in built(positive(paths, input_digest="cd" * 32), paths, previous=previous):
        assert item.instance_number == item.dataset.InstanceNumber == 4
        assert check(read_back(item.dataset), headers(paths)) == ()
        if item.role != "segmentation":
            series = item.dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
            assert series.SeriesInstanceUID == item.series_instance_uid
            reference = series.ReferencedSOPSequence[0]
            assert reference.ReferencedSOPInstanceUID == before[item.role].sop_instance_uid


def test_the_same_object_made_again_keeps_its_number(paths: list[Path]) -> None:
    result = positive(paths)
    uid = evidence_uids(result, "answer")[1]
    again = built(result, paths, previous={"answer": PreviousEvidence(uid, "1.2.840.10008.5.1.4.1.1.88.34", 2)})[0]
    assert again.instance_number == 2
    assert "PredecessorDocumentsSequence" not in again.dataset


def test_score_is_a_probability_only_if_calibrated_and_of_cancer(paths: list[Path]) -> None:
    images = references(paths)
    for calibrated, code, name in (
        (True, GLIOBLASTOMA, "Probability of cancer"),
        (False, GLIOBLASTOMA, "Certainty of Finding"),
        (True, MASS, "Certainty of Finding"),
    ):
        said = answer(images[:1], concept=code, calibrated=calibrated, classes=())
        made = documents(positive(paths, answer=said), paths)
        assert numbers(made["answer"]) == [(name, 93.0)]
        assert {n for n, _ in numbers(made["lesions"])} == {"Certainty of Finding", "Long axis"}
        assert ("a calibrated probability" in sentences(made["text"]).replace("not a cal", "")) == calibrated


def test_answer_gives_each_class_a_group_with_its_own_finding(paths: list[Path]) -> None:
    dataset = documents(positive(paths), paths)["answer"]
    assert codes(dataset, "Finding") == ["126952004", "393564001", "17621005"]
    assert numbers(dataset) == [("Certainty of Finding", value) for value in (93.0, 90.0, 7.0)]
    assert codes(dataset, "Presence") == ["52101004"]


def test_answer_names_the_images_that_carried_it(paths: list[Path]) -> None:
    images = references(paths)
    dataset = documents(positive(paths, answer=answer(images[1:3], classes=())), paths)["answer"]
    cited = [
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for _, _, item in descendants(dataset)
        if concept(item)[2] == "Source of Measurement"
    ]
    assert cited == [image.sop_instance_uid for image in images[1:3]]


def test_every_lesion_has_closed_outlines_and_the_tracking_of_its_segment(paths: list[Path]) -> None:
    result = positive(paths)
    made = documents(result, paths)
    report = hd.sr.Comprehensive3DSR.from_dataset(read_back(made["lesions"])).content
    planar = report.get_planar_roi_measurement_groups()
    volumetric = report.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in (*planar, *volumetric)] == ["Lesion 1", "Lesion 2"]
    closed = np.concatenate([SQUARE, SQUARE[:1]])
    np.testing.assert_array_equal(planar[0].roi.value, closed)
    assert len(volumetric[0].roi) == 2
    segments = hd.seg.Segmentation.from_dataset(read_back(made["segmentation"]))
    tracked = [(str(uid), label) for label, uid in segments.get_tracking_ids()]
    assert sorted(tracked) == sorted((f.tracking_uid, f.label) for f in result.findings)


def test_segmentation_holds_the_masks_of_the_touched_images_only(paths: list[Path]) -> None:
    result = positive(paths)
    dataset = read_back(documents(result, paths)["segmentation"])
    assert dataset.NumberOfFrames == 3
    masks = hd.seg.Segmentation.from_dataset(dataset)
    for number, lesion in enumerate(result.findings, 1):
        uids = [image.sop_instance_uid for image in lesion.mask.images]  # type: ignore[union-attr]
        pixels = masks.get_pixels_by_source_instance(uids, segment_numbers=[number])[..., 0]
        np.testing.assert_array_equal(pixels, lesion.mask.pixels)  # type: ignore[union-attr]
    assert dataset.FrameOfReferenceUID == headers(paths)[0].FrameOfReferenceUID


def test_overlapping_lesions_keep_their_own_pixels(paths: list[Path]) -> None:
    images = references(paths)
    big = square(images[:1])
    big.pixels[:, 2:14, 2:14] = True
    lesions = (finding("Lesion 1", images[:1]), finding("Lesion 2", images[:1], mask=big))
    masks = hd.seg.Segmentation.from_dataset(
        read_back(documents(positive(paths, findings=lesions), paths)["segmentation"])
    )
    pixels = masks.get_pixels_by_source_instance([images[0].sop_instance_uid])
    assert [int(pixels[..., k].sum()) for k in (0, 1)] == [30, 144]


def test_frames_of_an_enhanced_image_are_named(tmp_path: Path) -> None:
    path = write_instance(make_enhanced(6, orientation=CORONAL, order=[3, 1, 0, 2, 5, 4]), tmp_path)
    result = positive([path])
    made = documents(result, [path])
    segmentation = read_back(made["segmentation"])
    frames = [
        int(group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for group in segmentation.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(frames) == [1, 5, 6]
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())
    source = headers([path])[0]
    for group, frame in zip(segmentation.PerFrameFunctionalGroupsSequence, frames, strict=True):
        expected = source.PerFrameFunctionalGroupsSequence[frame - 1].PlanePositionSequence[0].ImagePositionPatient
        assert group.PlanePositionSequence[0].ImagePositionPatient == expected
    assert "frame 1 of image" in sentences(made["text"])


@pytest.mark.parametrize("modality", ["MG", "DX", "CR", "OT", "XC", "SM"])
def test_images_without_a_place_in_the_patient_get_outlines_but_no_masks(tmp_path: Path, modality: str) -> None:
    path = write_instance(make_instance(modality=modality, position=None, orientation=None), tmp_path)
    made = documents(positive([path]), [path])
    assert set(made) == {"answer", "text", "lesions"}
    assert "No segmentation object" in sentences(made["text"])
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())


def test_enhanced_image_may_orient_each_frame_for_itself(tmp_path: Path) -> None:
    source = make_enhanced(3)
    shared = source.SharedFunctionalGroupsSequence[0]
    for frame in source.PerFrameFunctionalGroupsSequence:
        frame.PlaneOrientationSequence = shared.PlaneOrientationSequence
        frame.PixelMeasuresSequence = shared.PixelMeasuresSequence
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence
    path = write_instance(source, tmp_path)
    made = documents(positive([path]), [path])
    assert made["segmentation"].NumberOfFrames == 3
    del source.PerFrameFunctionalGroupsSequence[1].PlaneOrientationSequence
    assert "segmentation" not in documents(positive([path]), [write_instance(source, path)])


def test_source_without_frame_of_reference_gets_no_masks_and_is_told(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 3, modality="CT", FrameOfReferenceUID=None)
    made = documents(positive(paths), paths)
    assert "segmentation" not in made
    assert "No segmentation object" in sentences(made["text"])


def test_lesions_in_two_orientations_or_at_one_position_get_no_masks(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", 1) + make_series(tmp_path / "b", 1, series="other", orientation=CORONAL)
    assert "several series or orientations" in sentences(documents(positive(paths), paths)["text"])
    paths = make_series(tmp_path / "c", 2, spacing=(1.0, 1.0, 0.0))
    made = documents(positive(paths), paths)
    assert "segmentation" not in made
    assert "at one position" in sentences(made["text"])


def test_mask_without_outline_is_boxed(paths: list[Path]) -> None:
    lesion = finding("Lesion 1", references(paths)[:2], contours=())
    dataset = documents(positive(paths, findings=(lesion,)), paths)["lesions"]
    outlines = [list(item.GraphicData) for _, _, item in descendants(dataset) if item.ValueType == "SCOORD"]
    assert outlines == [[4, 5, 9, 5, 9, 11, 4, 11, 4, 5]] * 2
    assert codes(dataset, "Geometric purpose of region") == ["75958009"]


def test_finding_without_outline_and_mask_leaves_the_lesions_out(paths: list[Path]) -> None:
    lesion = finding("Lesion 1", references(paths)[:1], contours=(), mask=None)
    assert set(documents(positive(paths, findings=(lesion,)), paths)) == {"answer", "text"}


def test_box_is_said_to_bound_its_lesion(paths: list[Path]) -> None:
    image = references(paths)[0]
    lesion = finding("Lesion 1", [image], contours=(Polygon(image, SQUARE, is_box=True),))
    assert codes(documents(positive(paths, findings=(lesion,)), paths)["lesions"], "Geometric purpose of region")


def test_text_says_what_where_how_sure_and_by_which_model(paths: list[Path]) -> None:
    words = sentences(documents(positive(paths), paths)["text"])
    for part in (
        "Neoplasm of brain (Brain) is present: score 93 %, a certainty, not a calibrated probability; threshold 50 %.",
        "Scores of the classes: Glioma 90 %, Normal 7 %.",
        "Lesion 1: Mass, Brain, certainty 87 %, Long axis 24 mm, on image 1 of series 1.",
        "The answer was carried by image 1 of series 1.",
        "not verified by a human",
        "Model: brain_mri_lesion_detector, version 0.1.0, by dicomnode (SHA-256 0123456789abcdef).",
        "Each slice is scored alone; the study's score is the mean of its 3 highest.",
        "threshold 0.5 on the box score",
        "Images given to the model: 5.",
        "Not for: diagnosis of children.",
    ):
        assert part in words


def test_unanswered_text_gives_the_reason_and_is_not_negative(paths: list[Path]) -> None:
    words = sentences(documents(unanswered(paths, Outcome.REFUSED), paths)["text"])
    assert "Reason: localizer and slices do not fit." in words
    assert "This is not a negative result." in words


def test_unanswered_result_cites_what_is_there(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(paths[0].read_bytes()[:200])
    (tmp_path / "noise.dcm").write_bytes(b"no DICOM at all")
    dataset = documents(unanswered(paths, Outcome.REFUSED), [broken, tmp_path / "noise.dcm", *paths])["answer"]
    series = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert len(series.ReferencedSOPSequence) == 2


def test_study_without_images_is_cited_as_composite_objects(tmp_path: Path) -> None:
    waveform = make_instance(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1", Modality="ECG", Rows=None, PixelData=None)
    path = write_instance(waveform, tmp_path)
    made = documents(unanswered([path], Outcome.OUT_OF_SCOPE), [path])
    kinds = {item.ValueType for _, _, item in descendants(made["answer"]) if "ReferencedSOPSequence" in item}
    assert kinds == {"COMPOSITE"}
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())


def test_classes_with_one_code_are_tracked_apart(paths: list[Path]) -> None:
    twice = (ClassScore(GLIOMA, 0.6), ClassScore(GLIOMA, 0.4))
    dataset = documents(positive(paths, answer=answer(references(paths)[:1], classes=twice)), paths)["answer"]
    assert check(read_back(dataset), headers(paths)) == ()


def test_documents_share_no_element(paths: list[Path]) -> None:
    made = documents(positive(paths), paths)
    made["answer"].PatientID = "CHANGED"
    assert made["text"].PatientID == made["segmentation"].PatientID == "TEST-1"


def test_private_sop_class_is_cited_as_it_is(tmp_path: Path) -> None:
    path = write_instance(make_instance(SOPClassUID="1.2.3.4.5.6"), tmp_path)
    made = documents(unanswered([path], Outcome.OUT_OF_SCOPE), [path])
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())


def test_no_readable_source_is_an_error(tmp_path: Path, paths: list[Path]) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(bytes(300))
    with pytest.raises(InputError, match="none of its 1 files can be read"):
        built(unanswered(paths, Outcome.FAILED), [broken])


def test_image_that_is_not_among_the_sources_is_an_error(paths: list[Path]) -> None:
    with pytest.raises(InputError, match=r"which is not among the source files"):
        built(positive(paths), paths[:-1])


def test_source_that_lacks_everything_optional_still_gets_its_documents(tmp_path: Path) -> None:
    lacking = dict.fromkeys(
        (
            "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
            "AccessionNumber", "ReferringPhysicianName", "SliceThickness", "SeriesNumber", "InstanceNumber",
            "Manufacturer", "SpecificCharacterSet", "StudyDescription",
        )
    )  # fmt: skip
    paths = make_series(tmp_path, 3, **lacking)
    made = documents(positive(paths), paths)
    assert set(made) == set(ROLES)
    assert all(check(read_back(dataset), headers(paths)) == () for dataset in made.values())


@pytest.mark.filterwarnings("ignore:(Invalid value|The value length):UserWarning")
def test_invalid_dates_and_sex_of_the_source_are_left_empty(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, PatientBirthDate="1970.01.01", StudyTime="10h", PatientSex="W", PatientAge="42")
    for dataset in documents(positive(paths), paths).values():
        assert (dataset.PatientBirthDate, dataset.StudyTime, dataset.PatientSex) == ("", "", "")
        assert not dataset.PatientAge
        assert check(read_back(dataset), headers(paths)) == ()


def test_contributing_equipment_names_model_and_node(paths: list[Path]) -> None:
    for dataset in documents(positive(paths), paths).values():
        model, node = dataset.ContributingEquipmentSequence
        assert (model.Manufacturer, model.ManufacturerModelName, model.SoftwareVersions) == (
            MODEL.manufacturer,
            MODEL.name,
            MODEL.version,
        )
        assert model.DeviceUID == device_uid(MODEL) != device_uid(replace(MODEL, digest="ef" * 32))
        assert (node.Manufacturer, node.StationName) == ("dicomnode", NODE.ae_title)


def test_exam_is_the_source_s_procedure_where_it_is_coded(tmp_path: Path) -> None:
    procedure = Dataset()
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "X1", "99LOCAL", "Head MR"
    paths = make_series(tmp_path, 2, ProcedureCodeSequence=[procedure])
    made = documents(positive(paths), paths)
    assert codes(made["answer"], "Procedure reported") == codes(made["text"], "Procedure reported") == ["X1"]


def test_incomplete_items_of_the_source_s_sequences_stay_behind(tmp_path: Path) -> None:
    complete, incomplete, coded = Dataset(), Dataset(), Dataset()
    complete.PatientID, complete.TypeOfPatientID, incomplete.PatientID = "OTHER-1", "TEXT", "OTHER-2"
    complete.private_block(0x0011, "SOMEONE", create=True).add_new(0x01, "LO", "private")
    coded.CodeMeaning = "no value"
    sequences = {"OtherPatientIDsSequence": [complete, incomplete], "ProcedureCodeSequence": [coded]}
    paths = make_series(tmp_path, 2, **sequences)
    for dataset in documents(positive(paths), paths).values():
        assert [item.PatientID for item in dataset.OtherPatientIDsSequence] == ["OTHER-1"]
        assert "ProcedureCodeSequence" not in dataset
        assert check(read_back(dataset), headers(paths)) == ()


def test_threshold_is_a_parameter_of_the_algorithm(paths: list[Path]) -> None:
    made = documents(positive(paths), paths)
    assert "operating threshold = 0.5" in sentences(made["answer"])
    assert "operating threshold = 0.5" in sentences(made["lesions"])


def test_a_class_keeps_its_tracking_whatever_its_rank(paths: list[Path]) -> None:
    def tracked(*classes: ClassScore) -> dict[str, str]:
        said = answer(references(paths)[:1], classes=classes)
        items = [i for _, _, i in descendants(documents(positive(paths, answer=said), paths)["answer"])]
        names = [str(i.TextValue) for i in items if concept(i)[2] == "Tracking Identifier"]
        return dict(zip(names, [str(i.UID) for i in items if "Unique" in concept(i)[2]], strict=True))

    first, second = ClassScore(GLIOMA, 0.9), ClassScore(BRAIN, 0.1)
    assert tracked(first, second) == tracked(second, first)


def test_exam_follows_the_modality_otherwise(paths: list[Path]) -> None:
    assert codes(documents(positive(paths), paths)["answer"], "Procedure reported") == ["25056-3"]


def test_content_time_is_the_result_s_on_the_study_s_clock(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, TimezoneOffsetFromUTC="-0330")
    for dataset in documents(positive(paths), paths).values():
        assert (dataset.ContentDate, dataset.ContentTime) == ("20260102", "074213")
        assert dataset.TimezoneOffsetFromUTC == "-0330"
    assert local_time(CREATED, "+0530").utcoffset() == timedelta(hours=5, minutes=30)
    assert local_time(CREATED, "") == CREATED == datetime(2026, 1, 2, 11, 12, 13, tzinfo=UTC)


def test_lossy_source_is_told_in_the_segmentation(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, LossyImageCompression="01", LossyImageCompressionRatio=10)
    dataset = documents(positive(paths), paths)["segmentation"]
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 10)


@pytest.mark.parametrize("name", ["m", "x" * 80])
def test_series_description_fits_and_number_is_stable(name: str) -> None:
    model = replace(MODEL, name=name)
    for role in ROLES:
        description = series_description(model, role)
        assert len(description) <= 64
        assert description.startswith(f"AI {name[:10]}")
        assert description.endswith("(unverified)")
        assert series_number(name, role) == series_number(name, role) >= 9001
    assert len({series_number(name, role) for role in ROLES}) == 4


def test_mask_of_another_size_is_an_error(paths: list[Path]) -> None:
    images = references(paths)[:1]
    lesion = finding("Lesion 1", images, mask=square(images, (32, 32)))
    with pytest.raises(InputError, match=r"mask of Lesion 1 has shape \(32, 32\)"):
        built(positive(paths, findings=(lesion,)), paths)


def test_long_labels_and_odd_scores_are_written_as_they_are(paths: list[Path]) -> None:
    images = references(paths)
    said = answer(images[:1], score=1 / 3, classes=(ClassScore(GLIOMA, 1e-9), ClassScore(BRAIN, 1.0)))
    made = documents(positive(paths, answer=said), paths, node=NodeIdentity("A" * 16, "0.1.0"))
    assert numbers(made["answer"]) == [("Certainty of Finding", value) for value in (33.3333, 0.0, 100.0)]
    assert check(read_back(made["answer"]), headers(paths)) == ()


def test_library_groups_images_by_series(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", 2) + make_series(tmp_path / "b", 3, series="other", shape=(8, 8))
    dataset = documents(unanswered(paths, Outcome.REFUSED), paths)["answer"]
    library = next(item for item in children(dataset) if concept(item)[2] == "Image Library")
    images = [sum(item.ValueType == "IMAGE" for item in children(group)) for group in children(library)]
    assert images == [2, 3]


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люксембург^Роза"),
        ("ISO_IR 126", "Διονυσιος^Νικος"),
        ("ISO_IR 138", "שרון^דבורה"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 192", "Buc^Jérôme=王^小東"),
    ],
)
def test_names_of_every_alphabet_stay_intact(tmp_path: Path, character_set: str | list[str], name: str) -> None:
    paths = make_series(tmp_path, 2, SpecificCharacterSet=character_set, PatientName=name, ReferringPhysicianName=name)
    for dataset in documents(positive(paths), paths).values():
        back = read_back(dataset)
        assert back.SpecificCharacterSet == "ISO_IR 192"
        assert str(back.PatientName) == str(back.ReferringPhysicianName) == name
        assert name.encode() in to_bytes(dataset)
        assert check(back, headers(paths)) == ()
