"""Pictures of a study: sizes, windows, what is drawn where, heat maps, slides, and what a browser keeps of them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState, JobKind, NewJob, Origin, Way
from dicomnode.dicom.header import read_header
from dicomnode.findings import Attention, HeatMap, Polygon, Result
from dicomnode.inference.result_json import result_to_json
from dicomnode.jobs.publishing import write_answer
from dicomnode.study import SourceReference
from tests.evidence_cases import MODEL, answer, finding, positive
from tests.factories import make_instance, make_slide, write_instance
from tests.slides import make_pictures
from tests.slides import make_slide as make_placed_slide
from tests.unit.web.conftest import Client, Store

API = "/api/v1/studies/1.2.1"
FULL = {"window": "full"}


def shown(response) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(BytesIO(response.content)))


def keep(archive: Archive, dataset) -> None:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    with archive.instances.new_file() as staged:
        staged.write(buffer.getvalue())
        header = read_header(BytesIO(buffer.getvalue()))
        archive.instances.commit(staged, header, Origin(Way.STOW), datetime.now(UTC))


def test_an_image_is_a_picture_with_a_window(client: Client, store: Store) -> None:
    store()
    whole = shown(client.get(f"{API}/images/1.2.1.1.1/1.png", params=FULL))
    assert whole.shape == (4, 6)
    assert (whole[0, 0], whole[3, 5]) == (0, 255)
    narrow = shown(client.get(f"{API}/images/1.2.1.1.1/1.png", params={"window": "12,2"}))
    assert sorted(set(narrow.ravel().tolist())) == [0, 255]


def test_large_images_are_reduced(client: Client, store: Store) -> None:
    pixels = np.zeros((600, 900), np.uint16)
    pixels[:, 450:] = 1000
    store(Rows=600, Columns=900, PixelData=pixels.tobytes())
    picture = shown(client.get(f"{API}/images/1.2.1.1.1/1.png", params={**FULL, "size": 90}))
    assert picture.shape == (60, 90)
    assert (picture[30, 10], picture[30, 80]) == (0, 255)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("images/1.2.1.1.1/2.png", 406),
        ("images/1.2.1.1.1/0.png", 400),
        ("images/9.9/1.png", 404),
        ("images/1.2.1.1.1/1.png?window=wide", 400),
        ("images/1.2.1.1.1/1.png?size=9", 400),
        ("images/1.2.1.1.1/slide.png", 406),
        ("results/1/saliency", 404),
        ("results/1/saliency/1.png", 404),
    ],
)
def test_what_is_no_picture_is_told(client: Client, store: Store, path: str, status: int) -> None:
    store()
    assert client.get(f"{API}/{path}").status_code == status


def test_an_image_of_another_study_is_not_given_out(client: Client, store: Store) -> None:
    store()
    store(study="2")
    assert client.get(f"{API}/images/1.2.2.1.1/1.png").status_code == 404


def test_a_browser_that_has_the_picture_is_told_so(client: Client, store: Store) -> None:
    store()
    first = client.get(f"{API}/images/1.2.1.1.1/1.png")
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    again = client.get(f"{API}/images/1.2.1.1.1/1.png", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{API}/images/1.2.1.1.1/1.png", params=FULL, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_giving_out_pictures_is_audited_once(client: Client, archive: Archive, store: Store) -> None:
    store()
    for _ in range(3):
        client.get(f"{API}/images/1.2.1.1.1/1.png")
    assert [entry.detail for entry in archive.audit.list() if entry.event == "retrieval"] == ["picture"]


def answered(archive: Archive, study: str, make: Callable[[tuple[SourceReference, ...]], Result]) -> int:
    """Let a model answer for a study; gives the result's number."""
    now = datetime.now(UTC)
    (opened,) = archive.studies.open_studies()
    archive.studies.complete(study, "test", opened.arrivals, now)
    archive.deployments.approve(MODEL.name, "d" * 64, DeploymentState.LIVE, now)
    archive.jobs.add_all(study, 1, [NewJob(MODEL.name, "d" * 64, JobKind.INFER, "why", (), (), False)], [], now)
    owner = archive.jobs.claim_name()
    job = archive.jobs.lease(owner, now, 60)
    assert job is not None
    series = archive.studies.get(study).series
    images = tuple(
        SourceReference(i.sop_class_uid, i.sop_instance_uid, i.series_instance_uid) for s in series for i in s.instances
    )
    made = make(images)
    written = write_answer(archive, archive.studies.get(study), made, result_to_json(made), "TESTNODE")
    assert archive.jobs.finish(job.job_id, owner, written.evidence, written.result_json, now)
    return job.job_id


def test_outlines_are_drawn_into_a_picture_where_they_lie(client: Client, archive: Archive, tmp_path) -> None:
    path = write_instance(make_instance(pixels=np.zeros((96, 96), np.uint16)), tmp_path)
    keep(archive, dcmread(path))
    study = str(dcmread(path).StudyInstanceUID)
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([30 + 6 * np.cos(turns), 60 + 6 * np.sin(turns)], axis=1)

    def make(images: tuple[SourceReference, ...]) -> Result:
        lesion = finding("Lesion 1", images, contours=(Polygon(images[0], circle),), mask=None)
        return positive([path], answer=answer(images), findings=(lesion,), images=images)

    answered(archive, study, make)
    base = f"/api/v1/studies/{study}/images/{dcmread(path).SOPInstanceUID}/1.png"
    plain = shown(client.get(base))
    drawn = shown(client.get(base, params={"overlay": "findings"})).astype(int)
    scale = drawn.shape[0] / plain.shape[0]
    yellow = (drawn[..., 0] > 200) & (drawn[..., 2] < 60)
    first = int(57 * scale)  # below the label
    ys, xs = np.nonzero(yellow[first:, : int(45 * scale)])
    # A circle of radius 6 about column 30, row 60; the line is a few pixels of the enlarged picture wide
    assert abs(xs.min() / scale - 24) < 1
    assert abs(xs.max() / scale - 36) < 1
    assert abs((ys.max() + first) / scale - 66) < 1


def test_a_slide_is_put_together_from_its_tiles(client: Client, archive: Archive) -> None:
    pixels = np.zeros((100, 150, 3), np.uint8)
    pixels[:50, :75] = (250, 0, 0)
    pixels[50:, 75:] = (0, 0, 250)
    slide = make_slide(pixels, tile=(32, 32), study="slide")
    keep(archive, slide)
    base = f"/api/v1/studies/{slide.StudyInstanceUID}/images/{slide.SOPInstanceUID}"
    picture = shown(client.get(f"{base}/slide.png"))
    assert picture.shape == (100, 150, 3)
    assert picture[10, 10].tolist() == [250, 0, 0]
    assert picture[90, 140].tolist() == [0, 0, 250]
    assert shown(client.get(f"{base}/slide.png", params={"size": 75})).shape == (50, 75, 3)


def test_a_heat_map_lies_on_its_slide(client: Client, archive: Archive, tmp_path) -> None:

    path = make_placed_slide(tmp_path)
    slide = dcmread(path)
    keep(archive, slide)
    study = str(slide.StudyInstanceUID)
    scores = np.full((3, 4), np.nan, np.float32)
    scores[0, 1], scores[2, 3] = 0.25, 0.9

    def make(images: tuple[SourceReference, ...]) -> Result:
        heat_map = HeatMap(images[0], scores, (0.0, 0.0), (16.0, 16.0))
        said = answer(images[:1])
        return positive([path], answer=said, findings=(), images=images, heat_maps=(heat_map,))

    number = answered(archive, study, make)
    (told,) = client.get(f"/api/v1/studies/{study}/results/{number}/saliency").json()
    assert (told["size"], told["examined"]) == ([64.0, 48.0], 2)
    picture = shown(client.get(told["address"])).astype(int)
    assert picture.shape == (3, 4, 4)
    assert picture[1, 1, 3] == 0
    assert picture[2, 3, 0] > picture[2, 3, 2]
    assert picture[0, 1, 2] > picture[0, 1, 0]
    assert client.get(told["address"].replace("/1.png", "/2.png")).status_code == 404
    page = client.get(f"/studies/{study}").text
    assert f'href="{told["address"]}" x="0" y="0" width="64" height="48"' in page
    assert "slide.png" in page
    assert json.loads(client.get(f"/api/v1/studies/{study}/findings").text)[0]["saliency"][0]["number"] == 1


def test_heat_and_attention_lie_on_a_picture(client: Client, archive: Archive, tmp_path) -> None:
    (path,) = make_pictures(tmp_path, 1, shape=(24, 36))
    keep(archive, dcmread(path))
    study = str(dcmread(path).StudyInstanceUID)
    scores = np.array([[0.0, 0.9]], np.float32)
    corners = np.array([[3.0, 4.0], [9.0, 4.0], [9.0, 10.0], [3.0, 10.0]])

    def make(images: tuple[SourceReference, ...]) -> Result:
        heat_map = HeatMap(images[0], scores, (0.0, 0.0), (18.0, 24.0))
        looked_at = Attention(Polygon(images[0], corners, is_box=True), 0.4)
        said = answer(images[:1])
        more = {"heat_maps": (heat_map,), "attention": (looked_at,)}
        return positive([path], answer=said, findings=(), images=images, **more)

    number = answered(archive, study, make)
    (told,) = client.get(f"/api/v1/studies/{study}/results/{number}/saliency").json()
    picture = shown(client.get(told["address"])).astype(int)
    assert picture.shape == (24, 36, 4)
    assert (picture[12, 5, 3], picture[12, 30, 3] > 0) == (0, True)
    page = client.get(f"/studies/{study}").text
    assert f'href="{told["address"]}" x="0" y="0" width="36" height="24"' in page
    assert f'class="tint-0" data-layer="r{number}-a"><polygon points="3,4 9,4 9,10 3,10"/>' in page


def test_multi_frame_images_are_shown_frame_by_frame(client: Client, archive: Archive) -> None:
    pixels = np.stack([np.full((8, 8, 3), number * 50, np.uint8) for number in range(3)])
    dataset = make_instance(study="cells", modality="XC", pixels=pixels, position=None, orientation=None)
    keep(archive, dataset)
    study = str(dataset.StudyInstanceUID)
    (series,) = client.get(f"/api/v1/studies/{study}/series").json()
    assert series["images"] == 3
    slices = client.get(f"/api/v1/studies/{study}/series/{series['series_uid']}/slices").json()
    assert [int(shown(client.get(s["address"]))[4, 4, 0]) for s in slices] == [0, 50, 100]
