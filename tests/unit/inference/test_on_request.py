"""Questions with files in memory are answered with pictures, boxes and maps, and nothing of the files is left."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.uid import RLELossless

from dicomnode.bundles import load_bundle
from dicomnode.inference.on_request.answering import Answering
from dicomnode.inference.on_request.question import Question, Start
from dicomnode.inference.on_request.wire import receive, send
from dicomnode.web.api.predict_bodies import FileResult
from tests.exam_networks import bright_gmic
from tests.factories import make_instance
from tests.mammograms import make_exam

START = Start(0, "cpu", 4, False, "NODE", 60.0, 4096)
Ask = Callable[..., Any]


def encoded(kind: str, shape: tuple[int, ...] = (30, 40), dtype: str = "uint8", pages: int = 1) -> bytes:
    generator, buffer = np.random.default_rng(1), BytesIO()
    highest = 255 if dtype == "uint8" else 40_000
    pictures = [Image.fromarray(generator.integers(0, highest, shape).astype(dtype)) for _ in range(pages)]
    more = {"save_all": True, "append_images": pictures[1:]} if pages > 1 else {}
    pictures[0].save(buffer, kind, **more)
    return buffer.getvalue()


def stored(dataset: FileDataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def brain(**attributes: Any) -> FileDataset:
    pixels = np.random.default_rng(2).integers(0, 900, (24, 32)).astype(np.uint16)
    return make_instance(pixels=pixels, BodyPartExamined="BRAIN", **attributes)


@pytest.fixture
def ask(make_bundle: Any) -> Ask:
    """A function that asks a small model, in this process, and gives the values of the answer."""
    bundle, answering = load_bundle(make_bundle()), Answering(START)

    def asked(*contents: bytes, **more: Any) -> Any:
        whole = os.memfd_create("whole")
        os.write(whole, b"".join(contents))
        question = Question(str(bundle.path), bundle.digest, tuple(map(len, contents)), 1_000_000, 60.0)
        return answering.answer(replace(question, **more), whole)

    return asked


def memory_files() -> int:
    """How many files in memory this process holds open."""
    return sum("memfd:" in str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink())


def picture_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize(
    "content",
    [
        encoded("PNG"),
        encoded("PNG", dtype="uint16"),
        encoded("JPEG"),
        encoded("TIFF", dtype="uint16"),
        stored(brain()),
    ],
    ids=["png", "png of 16 bits", "jpeg", "tiff of 16 bits", "dicom"],
)
def test_every_format_is_answered(ask: Ask, content: bytes) -> None:
    before = memory_files()
    (result,) = ask(content, pictures=True)["answer"]["results"]
    assert memory_files() == before
    told = FileResult.model_validate(result)
    assert told.answer is not None
    assert told.outcome in ("findings", "no_findings")
    assert {item.name for item in told.answer.classes} == {"tumour", "none"}
    (image,) = told.images
    assert image.picture is not None and image.map is not None
    assert picture_of(image.picture).shape == (image.rows, image.columns)
    assert (image.map.kind, image.map.box) == ("grad_cam", (0.0, 0.0, image.columns, image.rows))
    assert image.map.of == told.answer.classes[0].concept
    assert picture_of(image.map.png).shape == (image.rows, image.columns)


def test_compressed_dicom_is_answered_like_plain(ask: Ask) -> None:
    plain, packed = brain(name="1"), brain(name="1")
    packed.compress(RLELossless, generate_instance_uid=False)
    scores = [ask(stored(item))["answer"]["results"][0]["answer"]["score"] for item in (plain, packed)]
    assert scores[0] == pytest.approx(scores[1])


def test_a_series_is_one_answer_and_every_page_its_own(ask: Ask) -> None:
    slices = [
        stored(brain(name=str(k), position=(0.0, 0.0, 2.0 * k), InstanceNumber=k + 1, SliceThickness=2.0))
        for k in range(3)
    ]
    results = ask(slices[0], encoded("TIFF", pages=2), *slices[1:])["answer"]["results"]
    assert [(item["files"], item["page"]) for item in results] == [([1, 3, 4], 1), ([2], 1), ([2], 2)]
    assert all(FileResult.model_validate(item).answer for item in results)


def test_the_class_that_is_asked_for_is_explained(ask: Ask) -> None:
    for name, meaning in (("tumour", "Neoplasm of brain"), ("none", "Normal")):
        (result,) = ask(encoded("PNG"), of_class=name)["answer"]["results"]
        assert result["images"][0]["map"]["of"]["meaning"] == meaning
    (result,) = ask(encoded("PNG"), grad_cam=False)["answer"]["results"]
    assert result["images"][0]["map"] is None
    assert result["images"][0]["picture"] is None


@pytest.mark.parametrize(
    ("content", "outcome", "words"),
    [
        (b"neither this nor that", "refused", "file 1"),
        (encoded("PNG")[:-200], "refused", "file 1 is damaged"),
        (encoded("PNG", shape=(1200, 1000)), "refused", "1200000 pixels or more"),
        (encoded("PNG", shape=(6, 6)), "out_of_scope", "at least 8 x 8"),
        (stored(brain(Modality="CT")), "out_of_scope", "modality CT is not MR"),
        (stored(brain())[:-700], "refused", "damaged"),
        (b"\0" * 128 + b"DICM" + b"\0" * 50, "refused", "file 1"),
    ],
    ids=["text", "cut picture", "large picture", "small picture", "other modality", "cut instance", "no instance"],
)
def test_what_cannot_be_answered_says_why(ask: Ask, content: bytes, outcome: str, words: str) -> None:
    (bad, good) = ask(content, encoded("PNG"))["answer"]["results"]
    assert (bad["outcome"], bad["answer"], good["answer"] is not None) == (outcome, None, True)
    assert words in bad["reason"]
    assert "/proc" not in str(bad)
    assert FileResult.model_validate(bad)


def test_instances_that_claim_too_many_pixels_are_not_decoded(ask: Ask) -> None:
    bomb = brain()
    bomb.Rows, bomb.Columns, bomb.NumberOfFrames = 60_000, 60_000, 500
    assert ask(stored(bomb))["error"] == "TooMuchError"


def test_of_many_pictures_the_first_are_shown(ask: Ask) -> None:
    results = ask(*[encoded("PNG")] * 50, pictures=True)["answer"]["results"]
    shown = [result["images"][0] for result in results]
    assert [image["picture"] is not None and image["map"] is not None for image in shown] == [True] * 48 + [False] * 2


def test_a_bundle_that_changed_is_not_asked(ask: Ask) -> None:
    assert ask(encoded("PNG"), digest="0" * 64)["error"] == "BundleError"


def test_tiles_have_a_map_of_their_scores(make_colour_bundle: Any) -> None:
    bundle = load_bundle(make_colour_bundle())
    stained = np.full((64, 96, 3), (200, 120, 180), np.uint8)
    stained[:, 64:] = 250
    buffer = BytesIO()
    Image.fromarray(stained).save(buffer, "PNG")
    whole = os.memfd_create("whole")
    os.write(whole, buffer.getvalue())
    question = Question(str(bundle.path), bundle.digest, (len(buffer.getvalue()),), 10**6, 60.0, spacing=0.004)
    (result,) = Answering(START).answer(question, whole)["answer"]["results"]  # type: ignore[index, call-overload]
    found = FileResult.model_validate(result).images[0].map
    assert found is not None
    assert (found.kind, found.box) == ("tile_scores", (0.0, 0.0, 96.0, 64.0))
    assert picture_of(found.png)[..., 1].tolist() == [[255, 255, 0], [255, 255, 0]]  # glass is transparent


def test_messages_arrive_whole_with_their_file() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        content = os.memfd_create("content")
        os.write(content, b"bytes")
        send(ours, {"text": "x" * 100_000}, content)
        os.close(content)
        message, file = receive(theirs)
        assert file is not None
        assert (len(message["text"]), os.pread(file, 10, 0)) == (100_000, b"bytes")
        os.close(file)
        ours.close()
        with pytest.raises(EOFError):
            receive(theirs)


def test_an_exam_is_answered_for_each_side_with_its_saliency(make_exam_bundle: Any, tmp_path: Path) -> None:
    window = {"cc_size": [368, 240], "mlo_size": [368, 240]}
    bundle = load_bundle(bright_gmic(make_exam_bundle, exam=window))
    series = make_exam(tmp_path / "exam").series
    contents = [instance.path.read_bytes() for item in series for instance in item.instances]
    whole = os.memfd_create("whole")
    os.write(whole, b"".join([*contents, encoded("PNG")]))
    lengths = (*map(len, contents), len(encoded("PNG")))
    question = Question(str(bundle.path), bundle.digest, lengths, 10**8, 60.0, pictures=True)
    exam, other = Answering(START).answer(question, whole)["answer"]["results"]  # type: ignore[index, call-overload]
    told = FileResult.model_validate(exam)
    assert told.files == tuple(range(1, len(contents) + 1))
    assert told.answer is not None
    assert {side.laterality.meaning for side in told.answer.sides} == {"Left", "Right"}
    assert {item.name for side in told.answer.sides for item in side.classes} == {"benign", "malignant"}
    assert len(told.images) == 4
    assert {image.map.kind for image in told.images if image.map is not None} == {"saliency"}
    assert all(image.picture and image.attention for image in told.images)
    assert (other["outcome"], "names no breast" in other["reason"]) == ("refused", True)
