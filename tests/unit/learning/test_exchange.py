"""DICOM out to pictures and annotations, and annotations back to DICOM: what comes back is what went out."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from dicomnode.cli.main import main
from dicomnode.learning.data.annotations import (
    AnnotatedImage,
    AnnotationSet,
    Region,
    read_class_masks,
    read_coco,
    read_kitti,
    write_class_masks,
    write_coco,
    write_kitti,
)
from dicomnode.learning.data.shapes import Outline, encode_runs, mask_box, shape_mask
from dicomnode.learning.exchange.geometry import read_geometries
from tests.factories import AXIAL, make_instance, write_instance
from tests.mammograms import make_mammogram

PERSON = ("--observer", "Reader^One", "--organisation", "Clinic")


def export(folder: Path, out: Path, *more: str) -> None:
    assert main(["export", str(folder), "--out", str(out), *more]) == 0


def annotate(annotations: Path, pictures: Path, source: Path, out: Path, *who: str) -> list[Path]:
    line = ["annotate", str(annotations), "--geometry", str(pictures / "geometry"), "--source", str(source)]
    assert main([*line, "--out", str(out), *(who or PERSON)]) == 0
    return sorted(out.rglob("*.dcm"))


@pytest.fixture
def mammograms(tmp_path: Path) -> Path:
    """Two views of one exam, one of them stored inverted as MONOCHROME1."""
    folder = tmp_path / "study"
    folder.mkdir()
    for side, inverted in (("L", False), ("R", True)):
        drawn = make_mammogram(side, "MLO", size=(128, 96), monochrome1=inverted)
        write_instance(drawn.dataset, folder)
    return folder


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """Three slices with a place in the patient."""
    folder = tmp_path / "slices"
    folder.mkdir()
    for number in range(3):
        place = {"position": (0.0, 0.0, 5.0 * number), "orientation": AXIAL, "SliceThickness": 5.0}
        attributes = {"InstanceNumber": number + 1, "FrameOfReferenceUID": "1.2.3.4", "PixelSpacing": [0.5, 0.25]}
        write_instance(make_instance(name=str(number), **place, **attributes), folder)
    return folder


def test_pictures_are_bright_and_give_the_stored_values_back(mammograms: Path, tmp_path: Path) -> None:
    export(mammograms, tmp_path / "out")

    geometries = read_geometries(tmp_path / "out" / "geometry")

    assert {(g.laterality, g.view, g.is_mirrored) for g in geometries.values()} == {
        ("L", "MLO", False),
        ("R", "MLO", True),
    }
    for path in mammograms.iterdir():
        dataset, geometry = dcmread(path), geometries[path.stem]
        with Image.open(tmp_path / "out" / geometry.picture) as picture:
            assert picture.mode == "I;16"
            pixels = np.asarray(picture).astype(int)
        stored = geometry.high - pixels if geometry.is_mirrored else geometry.low + pixels
        assert (stored == dataset.pixel_array).all()
        assert (geometry.rows, geometry.columns, geometry.bits_stored) == (128, 96, 12)
        assert pixels[0, 0] < 200 or pixels[0, -1] < 200  # air is dark in both


def test_nothing_of_the_patient_is_written(mammograms: Path, tmp_path: Path) -> None:
    export(mammograms, tmp_path / "out", "--format", "coco")

    dataset = dcmread(next(mammograms.iterdir()))
    said = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))
    for secret in (str(dataset.PatientName), str(dataset.PatientID), str(dataset.get("StudyDate"))):
        assert len(secret) > 3 and secret not in said


def test_frames_and_signed_values(tmp_path: Path) -> None:
    pixels = (np.arange(3 * 16 * 16).reshape(3, 16, 16) - 300).astype(np.int16)
    path = write_instance(make_instance(modality="CT", pixels=pixels, RescaleIntercept=-1024), tmp_path)

    export(path, tmp_path / "out")

    found = [g for _, g in sorted(read_geometries(tmp_path / "out" / "geometry").items())]
    assert [geometry.frame_number for geometry in found] == [1, 2, 3]
    with Image.open(tmp_path / "out" / found[2].picture) as picture:
        assert (np.asarray(picture).astype(int) + found[2].low == pixels[2]).all()
    assert found[0].rescale_intercept == -1024 and found[0].low == -32768


def test_colour_is_written_as_it_is_seen(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    path = write_instance(make_instance(modality="XC", pixels=pixels, position=None), tmp_path)

    export(path, tmp_path / "out")

    with Image.open(next((tmp_path / "out" / "images").iterdir())) as picture:
        assert (np.asarray(picture) == pixels).all()


def test_a_pixel_beyond_its_bits_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_instance(make_mammogram(size=(64, 48), over_range=True).dataset, tmp_path)
    (tmp_path / "notes.dcm").write_text("no DICOM")

    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out")]) == 1

    said = capsys.readouterr().err
    assert "1 pixel value does not fit the 12 bits stored" in said and "notes.dcm" in said


def drawn_on(pictures: Path) -> tuple[AnnotationSet, dict[str, np.ndarray]]:
    """A mask on the first picture and an outline on the second."""
    first, second, *_ = sorted(read_geometries(pictures / "geometry").values(), key=lambda g: g.stem)
    mask = np.zeros((first.rows, first.columns), np.bool_)
    mask[3:9, 4:12], mask[3, 4] = True, False
    box = mask_box(mask)
    assert box is not None
    outline = Outline((((2.0, 2.0), (10.0, 2.0), (10.0, 8.0), (2.0, 8.0)),))
    size = (first.columns, first.rows)
    images = (
        AnnotatedImage(first.picture, size, (Region("mass", box, encode_runs(mask)),)),
        AnnotatedImage(second.picture, size, (Region("cyst", (2.0, 2.0, 10.0, 8.0), outline),)),
    )
    masks = {first.sop_instance_uid: mask, second.sop_instance_uid: shape_mask(outline, first.rows, first.columns)}
    return AnnotationSet(("mass", "cyst"), images), masks


def masks_of(segmentation: Path) -> dict[str, np.ndarray]:
    dataset = dcmread(segmentation)
    frames = np.atleast_3d(dataset.pixel_array.T).T
    sources = [
        groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for groups in dataset.PerFrameFunctionalGroupsSequence
    ]
    return dict(zip(map(str, sources), frames.astype(bool), strict=True))


def test_masks_go_to_dicom_and_come_back(slices: Path, tmp_path: Path) -> None:
    export(slices, tmp_path / "out")
    annotations, masks = drawn_on(tmp_path / "out")
    write_coco(annotations, tmp_path / "drawn.json")

    lesions, segmentation = annotate(tmp_path / "drawn.json", tmp_path / "out", slices, tmp_path / "back")

    assert segmentation.name == "segmentation.dcm" and lesions.name == "lesions.dcm"
    found = masks_of(segmentation)
    assert all((found[uid] == mask).all() for uid, mask in masks.items())
    both = [*slices.iterdir(), segmentation]
    assert main(["export", *map(str, both), "--out", str(tmp_path / "again"), "--format", "masks"]) == 0
    again = read_class_masks(tmp_path / "again")
    regions = {Path(image.path).stem: image.regions for image in again.images}
    for uid, mask in masks.items():
        assert [region.shape for region in regions[uid]] == [encode_runs(mask)]
    assert again.classes == ("Mass", "cyst")


def test_segments_leave_as_coco_and_kitti_too(slices: Path, tmp_path: Path) -> None:
    export(slices, tmp_path / "out")
    annotations, masks = drawn_on(tmp_path / "out")
    write_coco(annotations, tmp_path / "drawn.json")
    _, segmentation = annotate(tmp_path / "drawn.json", tmp_path / "out", slices, tmp_path / "back")
    both = [str(path) for path in (*slices.iterdir(), segmentation)]

    for kind in ("coco", "kitti"):
        assert main(["export", *both, "--out", str(tmp_path / kind), "--format", kind, "--classes", "bone"]) == 0

    coco, kitti = read_coco(tmp_path / "coco" / "annotations.json"), read_kitti(tmp_path / "kitti")
    assert coco.classes == ("bone", "Mass", "cyst") and len(coco.images) == len(kitti.images) == 3
    boxes = {Path(image.path).stem: [region.box for region in image.regions] for image in kitti.images}
    assert boxes == {Path(image.path).stem: [region.box for region in image.regions] for image in coco.images}
    assert {uid: [mask_box(mask)] for uid, mask in masks.items()}.items() <= boxes.items()


def test_what_a_person_drew_is_the_persons(slices: Path, tmp_path: Path) -> None:
    export(slices, tmp_path / "out")
    write_coco(drawn_on(tmp_path / "out")[0], tmp_path / "drawn.json")

    lesions, segmentation = (
        dcmread(path) for path in annotate(tmp_path / "drawn.json", tmp_path / "out", slices, tmp_path / "back")
    )

    said = str(lesions)
    assert "Person Observer Name" in said and "Reader^One" in said and "Clinic" in said
    assert "Algorithm Name" not in said and "Certainty" not in said and "Artificial" not in said + str(segmentation)
    assert "Long axis" in said and "Neoplasm" not in said
    assert [item.SegmentAlgorithmType for item in segmentation.SegmentSequence] == ["MANUAL", "MANUAL"]
    assert segmentation.ContentCreatorName == "Reader^One"
    source = dcmread(next(slices.iterdir()))
    for document in (lesions, segmentation):
        assert (document.PatientID, document.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
        assert "ContributingEquipmentSequence" not in document and "Reader" not in document.SeriesDescription


def test_what_a_tool_drew_is_the_tools(slices: Path, tmp_path: Path) -> None:
    export(slices, tmp_path / "out")
    annotations, masks = drawn_on(tmp_path / "out")
    write_class_masks(annotations, tmp_path / "drawn")
    who = ("--tool", "Painter", "--tool-version", "3.1", "--code", "cyst=103552005,SCT,Cyst")

    lesions, segmentation = annotate(tmp_path / "drawn", tmp_path / "out", slices, tmp_path / "back", *who)

    said = str(dcmread(lesions))
    assert "Painter" in said and "Manual Processing" in said and "103552005" in said
    items = dcmread(segmentation).SegmentSequence
    assert {item.SegmentAlgorithmType for item in items} == {"SEMIAUTOMATIC"}
    assert all((masks_of(segmentation)[uid] == mask).all() for uid, mask in masks.items())


def test_boxes_on_mammograms_keep_their_side(mammograms: Path, tmp_path: Path) -> None:
    export(mammograms, tmp_path / "out")
    annotations, _ = drawn_on(tmp_path / "out")
    write_kitti(annotations, tmp_path / "out")

    said = [str(dcmread(path)) for path in annotate(tmp_path / "out", tmp_path / "out", mammograms, tmp_path / "back")]

    assert len(said) == 2 and all("Bounded by" in words for words in said)
    assert {("24028007" in words, "7771000" in words) for words in said} == {(True, False), (False, True)}


def test_masks_on_mammograms_are_a_segmentation_for_each(mammograms: Path, tmp_path: Path) -> None:
    export(mammograms, tmp_path / "out")
    annotations, masks = drawn_on(tmp_path / "out")
    write_coco(annotations, tmp_path / "drawn.json")

    files = annotate(tmp_path / "drawn.json", tmp_path / "out", mammograms, tmp_path / "back")

    found = {uid: mask for path in files if "segmentation" in path.name for uid, mask in masks_of(path).items()}
    assert len(files) == 4 and all((found[uid] == mask).all() for uid, mask in masks.items())


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("size", "annotate the picture as exported"),
        ("name", "no geometry of this name"),
        ("nothing", "nothing is drawn on any picture"),
        ("geometry", "columns: Field required; export the image anew"),
        ("source", "is not among the sources; give its DICOM file too"),
    ],
)
def test_what_does_not_belong_together_is_named(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, complaint: str
) -> None:
    export(slices, tmp_path / "out")
    annotations, _ = drawn_on(tmp_path / "out")
    write_coco(annotations, tmp_path / "drawn.json")
    text = (tmp_path / "drawn.json").read_text()
    changed = {
        "size": text.replace('"width": 16', '"width": 17'),
        "name": text.replace("images/", "images/x"),
        "nothing": json.dumps(json.loads(text) | {"annotations": []}),
    }
    (tmp_path / "drawn.json").write_text(changed.get(fault, text))
    sidecar = next((tmp_path / "out" / "geometry").iterdir())
    if fault == "geometry":
        sidecar.write_text(json.dumps({k: v for k, v in json.loads(sidecar.read_text()).items() if k != "columns"}))
    elif fault == "source":
        for path in slices.iterdir():
            if path.stem in text:
                path.unlink()
    line = ["annotate", str(tmp_path / "drawn.json"), "--geometry", str(sidecar.parent), "--source", str(slices)]

    assert main([*line, "--out", str(tmp_path / "back"), *PERSON]) == 1

    assert complaint in capsys.readouterr().err


def test_a_file_that_is_there_twice_is_exported_once(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = min(slices.iterdir())
    (slices / "copy.dcm").write_bytes(first.read_bytes())

    assert main(["export", str(slices), "--out", str(tmp_path / "out"), "--format", "kitti"]) == 1

    assert f"is instance {first.stem} again" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 3


def test_a_geometry_survives_its_file(slices: Path, tmp_path: Path) -> None:
    export(slices, tmp_path / "out")
    geometry = min(read_geometries(tmp_path / "out" / "geometry").values(), key=lambda g: g.image_position_patient[2])

    assert geometry.pixel_spacing == (0.5, 0.25) and geometry.image_orientation_patient == AXIAL
    assert geometry.frame_of_reference_uid == "1.2.3.4" and asdict(geometry)["frame_number"] is None


def test_a_wrong_code_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["annotate", "a.json", "--geometry", "g", "--source", str(tmp_path), "--out", "o", *PERSON]
    assert main([*line, "--code", "mass=1,SCT"]) == 2
    assert "write CLASS=VALUE,SCHEME,MEANING" in capsys.readouterr().err
