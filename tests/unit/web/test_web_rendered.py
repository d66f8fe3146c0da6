"""WADO-RS: rendered images and thumbnails."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from httpx import Response
from PIL import Image
from pydicom.dataset import Dataset

from dicomnode.archive import Archive
from tests.unit.web.conftest import Client, Store, file_bytes, keep, make_dataset
from tests.unit.web.test_web_retrieve import parts

STUDY = "/dicom-web/studies/1.2.1"
SERIES = f"{STUDY}/series/1.2.1.1"
INSTANCE = f"{SERIES}/instances/1.2.1.1.1"
RAMP = np.tile(np.linspace(0, 4000, 40, dtype="<u2"), (20, 1))
PNG = {"Accept": "image/png"}


@pytest.fixture
def ramp(store: Store) -> None:
    """20 rows, 40 columns, dark on the left; its own window shows all of it."""
    store(Rows=20, Columns=40, PixelData=RAMP.tobytes(), WindowCenter=2000, WindowWidth=4000)


def picture(answer: Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content))


def values(answer: Response) -> np.ndarray:
    return np.asarray(picture(answer).convert("L"), int)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "JPEG"),
        ("image/*", "JPEG"),
        ("image/png", "PNG"),
        ("image/gif", "GIF"),
        ("text/html, image/webp, image/png;q=0.9, image/jpeg;q=0.2", "PNG"),
    ],
)
def test_the_picture_comes_as_it_is_liked_best(client: Client, ramp: None, accept: str, kind: str) -> None:
    answer = client.get(f"{INSTANCE}/rendered", headers={"Accept": accept})
    assert picture(answer).format == kind
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert picture(answer).size == (40, 20)


def test_other_media_types_are_406(client: Client, ramp: None) -> None:
    answer = client.get(f"{INSTANCE}/rendered", headers={"Accept": "video/mp4"})
    assert answer.status_code == 406
    assert "image/jpeg" in answer.json()["detail"]


def test_the_image_s_own_window_counts_unless_another_is_asked_for(client: Client, ramp: None) -> None:
    own = values(client.get(f"{INSTANCE}/rendered", headers=PNG))[0]
    assert (own[0], own[-1]) == (0, 255)
    assert own[20] == pytest.approx(128, abs=5)
    narrow = values(client.get(f"{INSTANCE}/rendered?window=1000,10,linear", headers=PNG))[0]
    assert set(narrow.tolist()) == {0, 255}
    assert (narrow == 0).sum() == (RAMP[0] < 995).sum()
    soft = values(client.get(f"{INSTANCE}/rendered?window=2000,4000,sigmoid", headers=PNG))[0]
    assert 0 < soft[0] < soft[20] < soft[-1] < 255


def test_dark_is_dark_where_low_values_are_white(client: Client, store: Store) -> None:
    store(
        Rows=20,
        Columns=40,
        PixelData=RAMP.tobytes(),
        WindowCenter=2000,
        WindowWidth=4000,
        PhotometricInterpretation="MONOCHROME1",
    )
    shown = values(client.get(f"{INSTANCE}/rendered", headers=PNG))[0]
    assert (shown[0], shown[-1]) == (255, 0)


@pytest.mark.parametrize(
    ("viewport", "size", "left_is_darker"),
    [
        ("20,20", (20, 10), True),
        ("80,400", (80, 40), True),
        ("10,10,20,0,10,10", (10, 10), True),
        ("40,20,0,0,-40,20", (40, 20), False),
        ("40,20,,,,-20", (40, 20), True),
    ],
)
def test_viewport(client: Client, ramp: None, viewport: str, size: tuple[int, int], left_is_darker: bool) -> None:
    answer = client.get(f"{INSTANCE}/rendered?viewport={viewport}", headers=PNG)
    assert picture(answer).size == size
    assert (values(answer)[0, 0] < values(answer)[0, -1]) == left_is_darker


@pytest.mark.parametrize(
    "query",
    [
        *("window=1", "window=1,0,linear", "window=a,b,linear", "window=1,2,cubic", "window=nan,1,linear"),
        *("viewport=0,10", "viewport=10", "viewport=10,10,900,900,5,5", "viewport=10,10,-1,0,5,5"),
        *("quality=0", "quality=101", "quality=good", "viewport=99999,10"),
    ],
)
def test_wrong_parameters_are_400(client: Client, ramp: None, query: str) -> None:
    answer = client.get(f"{INSTANCE}/rendered?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["detail"]


def test_quality_and_parameters_without_effect(client: Client, ramp: None) -> None:
    noisy = np.random.default_rng(1).integers(0, 4000, (64, 64), dtype="<u2")
    assert noisy.size
    best = client.get(f"{INSTANCE}/rendered?quality=100")
    least = client.get(f"{INSTANCE}/rendered?quality=1&iccprofile=srgb&annotation=patient")
    assert len(least.content) < len(best.content)
    assert least.headers["warning"].startswith("299 ")
    assert "annotation, iccprofile" in least.headers["warning"]
    assert "warning" not in best.headers


def test_frames_and_moving_pictures(client: Client, archive: Archive) -> None:
    frames = np.stack([np.full((8, 8), value, "<u2") for value in (0, 1000, 2000, 3000)])
    dataset = make_dataset(
        NumberOfFrames=4,
        Rows=8,
        Columns=8,
        FrameTime="50",
        WindowCenter=1500,
        WindowWidth=3001,
        PixelData=frames.tobytes(),
    )
    keep(archive, file_bytes(dataset))
    third = values(client.get(f"{INSTANCE}/frames/3/rendered", headers=PNG))
    assert third[0, 0] == pytest.approx(170, abs=2)
    moving = picture(client.get(f"{INSTANCE}/rendered", headers={"Accept": "image/gif"}))
    assert (moving.n_frames, moving.info["duration"]) == (4, 50)
    each = parts(
        client.get(f"{INSTANCE}/frames/4,1/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    )
    assert [np.asarray(Image.open(BytesIO(content)))[0, 0] for _, content in each] == [255, 0]
    assert client.get(f"{INSTANCE}/frames/5/rendered").status_code == 404
    middle = values(client.get(f"{INSTANCE}/thumbnail", headers=PNG))
    assert middle[0, 0] == third[0, 0]


def test_a_study_s_pictures_and_its_thumbnail(client: Client, store: Store, archive: Archive) -> None:
    for number in (1, 2, 3):
        store(number=number, PixelData=np.full(24, 100 * number, "<u2").tobytes(), WindowCenter=200, WindowWidth=400)
    keep(archive, file_bytes(make_dataset(number=4, PixelData=b"\0" * 10)))  # cannot be decoded
    document = make_dataset(series="2")
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(document, keyword)
    keep(archive, file_bytes(document))
    assert [kind for kind, _ in parts(client.get(f"{STUDY}/rendered"))] == ["image/jpeg"] * 3
    assert len(parts(client.get(f"{SERIES}/rendered"))) == 3
    small = picture(client.get(f"{STUDY}/thumbnail"))
    assert (small.format, small.size) == ("JPEG", (200, 133))
    assert picture(client.get(f"{SERIES}/thumbnail?viewport=30,30")).size == (30, 20)
    answer = client.get(f"{STUDY}/series/1.2.1.2/rendered")
    assert answer.status_code == 404
    assert client.get(f"{STUDY}/series/1.2.1.2/thumbnail").status_code == 404


def test_what_cannot_be_decoded_is_told_by_status(client: Client, archive: Archive) -> None:
    keep(archive, file_bytes(make_dataset(PixelData=b"\0" * 10)))
    assert client.get(f"{INSTANCE}/rendered").status_code == 406
    assert client.get(f"{STUDY}/rendered").status_code == 406


def report() -> Dataset:
    """A structured report of one number."""
    unit, number, root = make_item("mm", "UCUM", "millimeter"), Dataset(), make_dataset(Modality="SR")
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(root, keyword)
    root.ValueType, root.ConceptNameCodeSequence = "CONTAINER", [make_item("126000", "DCM", "Report <b>")]
    number.ValueType, number.RelationshipType = "NUM", "CONTAINS"
    number.ConceptNameCodeSequence = [make_item("81827009", "SCT", "Diameter")]
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12.5", [unit]
    number.MeasuredValueSequence = [measured]
    root.ContentSequence = [number]
    return root


def make_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def test_a_report_is_rendered_as_text(client: Client, archive: Archive) -> None:
    keep(archive, file_bytes(report()))
    page = client.get(f"{INSTANCE}/rendered")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Report &lt;b&gt;</h1>" in page.text
    assert "<li>Diameter: 12.5 mm</li>" in page.text
    plain = client.get(f"{INSTANCE}/rendered", headers={"Accept": "text/plain, text/html;q=0.5"})
    assert plain.text == "Report <b>\n  Diameter: 12.5 mm"
    assert client.get(f"{INSTANCE}/rendered", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert client.get(f"{INSTANCE}/rendered", headers={"Accept": "image/jpeg"}).status_code == 406
    assert client.get(f"{INSTANCE}/thumbnail").status_code == 404


def test_an_encapsulated_document_comes_out_and_other_objects_do_not(client: Client, archive: Archive) -> None:
    document = report()
    del document.ValueType
    keep(archive, file_bytes(document))
    assert client.get(f"{INSTANCE}/rendered").status_code == 404
    document.SOPInstanceUID = document.file_meta.MediaStorageSOPInstanceUID = "1.2.1.1.2"
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocument, document.EncapsulatedDocumentLength = b"%PDF-1.7 x\0", 10
    keep(archive, file_bytes(document))
    answer = client.get(f"{SERIES}/instances/1.2.1.1.2/rendered")
    assert (answer.headers["content-type"], answer.content) == ("application/pdf", b"%PDF-1.7 x")
