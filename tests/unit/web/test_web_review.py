"""The review page: rows and pictures over HTTP, changes in a table of their own."""

import csv
import json
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydantic import ValidationError

from dicomnode.archive import Archive
from dicomnode.errors import NotFoundError, RecipeError, SettingsError
from dicomnode.learning.data.reviewing import TableReview, open_review
from dicomnode.learning.data.sources import load_samples
from dicomnode.learning.recipes.recipe import DataSection
from dicomnode.node.reviewing import review_of
from dicomnode.settings import ReviewSettings, Settings
from dicomnode.web.app import create_app
from dicomnode.web.review import create_review_app, serve_review
from dicomnode.web.review.pictures import screen_picture
from tests.cbis import FAULTY, TABLES, write_cbis
from tests.unit.web.conftest import Client

HOST = {"Host": "localhost"}
BOXED = DataSection(
    layout="cbis_ddsm", classes=("benign", "benign_without_callback", "malignant"), valid="train", with_boxes=True
)


@pytest.fixture
def cbis(tmp_path: Path) -> Path:
    return write_cbis(tmp_path / "cbis", dated=True)


@pytest.fixture
def review(cbis: Path) -> TableReview:
    return open_review(cbis / TABLES[0], cbis)


@pytest.fixture
def reviewer(review: TableReview) -> Client:
    return Client(create_review_app(review))


def get(client: Client, address: str) -> dict:
    answer = client.get(address, headers=HOST)
    assert answer.status_code == 200, answer.text
    return answer.json()


def change(client: Client, number: int, **wanted: object) -> dict:
    answer = client.request("POST", f"/rows/{number}", json=wanted, headers=HOST)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_rows_come_with_sizes_notes_and_the_box_of_the_mask(reviewer: Client) -> None:
    assert [row["noted"] for row in get(reviewer, "/rows")] == [False, True, True, True, True]
    row = get(reviewer, "/rows/1")

    assert row["title"] == "Mass-Training_P_00001_LEFT_CC_2" and row["label"] == "BENIGN"
    assert row["box"] == [25, 40, 35, 50] and "exchanged" in row["notes"][0] and row["changes"] == []
    sizes = {part: (shown["width"], shown["height"]) for part, shown in row["pictures"].items()}
    assert sizes == {"image": (40, 60), "mask": (40, 60), "crop": (8, 10)}


def test_pictures_are_small_pngs_of_what_the_file_shows(reviewer: Client) -> None:
    mask = get(reviewer, "/rows/0")["pictures"]["mask"]
    answer = reviewer.get(mask["address"], headers=HOST)

    assert answer.headers["content-type"] == "image/png"
    with Image.open(BytesIO(answer.content)) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (60, 40) and (pixels[20:30, 10:18] == 255).all() and pixels.sum() == 80 * 255


def test_a_large_picture_is_reduced(tmp_path: Path) -> None:
    Image.fromarray(np.arange(3000 * 1700, dtype=np.uint16).reshape(3000, 1700)).save(tmp_path / "large.png")
    with Image.open(BytesIO(screen_picture(tmp_path / "large.png"))) as picture:
        assert picture.size == (850, 1500)


def test_changes_go_to_a_new_table_and_training_takes_them(cbis: Path, reviewer: Client) -> None:
    original = (cbis / TABLES[0]).read_bytes()

    assert change(reviewer, 0, action="label", label="BENIGN")["label"] == "BENIGN"
    assert change(reviewer, 2, action="box", box=[1, 2, 30, 40.5])["box"] == [1, 2, 30, 40.5]
    swapped = change(reviewer, 3, action="swap")

    assert swapped["changes"] == ["swapped"] and swapped["pictures"]["mask"]["width"] == 8
    assert (cbis / TABLES[0]).read_bytes() == original
    table = (cbis / TABLES[0]).with_stem(f"{Path(TABLES[0]).stem}_reviewed")
    assert [row["reviewed"] for row in rows_of(table)] == ["relabelled", "", "box", "swapped", ""]
    assert rows_of(table)[1]["ROI mask file path"].endswith(".dcm\n")  # what nobody touched is as it was
    by_name = {sample.name[14:21]: sample for sample in load_samples(BOXED, cbis)}
    assert by_name["P_00001"].box_labels == (0, 0) and by_name["P_00002"].boxes == ((1, 2, 30, 40.5),)
    assert not list(cbis.glob("*.part"))


def test_a_swap_twice_and_a_reset_are_as_before(reviewer: Client) -> None:
    before = get(reviewer, "/rows/0")

    assert change(reviewer, 0, action="swap")["pictures"]["mask"] != before["pictures"]["mask"]
    assert change(reviewer, 0, action="swap") == before
    change(reviewer, 0, action="label", label="MALIGNANT")
    change(reviewer, 0, action="box", box=[0, 0, 5, 5])
    assert change(reviewer, 0, action="box")["box"] == before["box"]
    assert change(reviewer, 0, action="reset") == before


def test_a_review_is_gone_on_with(cbis: Path, reviewer: Client) -> None:
    change(reviewer, 1, action="label", label="MALIGNANT")

    again = open_review(cbis / TABLES[0], cbis)

    assert (again.row(1).label, again.row(1).changes) == ("MALIGNANT", ("relabelled",))
    assert open_review(again.reviewed_table, cbis).name == TABLES[0]
    assert again.reset(1).label == "BENIGN" and again.row(1).changes == ()
    again.reviewed_table.write_text("a,b\n1,2\n")
    with pytest.raises(RecipeError, match="has other rows than"):
        open_review(cbis / TABLES[0], cbis)


@pytest.mark.parametrize(
    ("number", "wanted", "status", "complaint"),
    [
        (99, {"action": "swap"}, 404, "has no row 99: it has 5"),
        (0, {"action": "label", "label": "NICE"}, 400, "class 'NICE' is none of"),
        (0, {"action": "box", "box": [5, 5, 5, 9]}, 400, "has no area"),
        (0, {"action": "box", "box": [5, 5, 41, 9]}, 400, "leaves the picture of 40 x 60 pixels"),
        (0, {"action": "burn"}, 400, "action"),
        (0, {"action": "box", "box": [1, 2]}, 400, "box"),
        (0, {"action": "swap", "path": "/etc"}, 400, "path"),
    ],
)
def test_what_cannot_be_changed_is_said(
    cbis: Path, reviewer: Client, number: int, wanted: dict, status: int, complaint: str
) -> None:
    answer = reviewer.request("POST", f"/rows/{number}", json=wanted, headers=HOST)

    assert answer.status_code == status and complaint in answer.json()["detail"]
    assert not list(cbis.glob("*_reviewed.csv"))


def test_other_sites_and_plain_forms_are_kept_out(reviewer: Client) -> None:
    assert reviewer.get("/", headers={"Host": "evil.example"}).status_code == 400
    form = {"Content-Type": "text/plain", **HOST}
    assert reviewer.request("POST", "/rows/0", content=json.dumps({"action": "swap"}), headers=form).status_code == 400
    policy = reviewer.get("/", headers=HOST).headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_the_page_offers_every_label_and_no_inline_script(reviewer: Client) -> None:
    page = reviewer.get("/", headers=HOST).text

    assert all(f'data-label="{label}"' in page for label in ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK"))
    assert "<script>" not in page and "style=" not in page
    for name in ("review.js", "review.css", "style.css"):
        assert reviewer.get(f"/static/{name}", headers=HOST).status_code == 200


def test_a_table_of_paths_and_labels_is_reviewed_too(tmp_path: Path) -> None:
    Image.new("L", (20, 10), 9).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("path,label\na.png,cyst\nb.png,mass\n../../etc/passwd,cyst\n")
    review = open_review(tmp_path / "labels.csv", tmp_path)
    client = Client(create_review_app(review))

    row = change(client, 0, action="label", label="mass")

    assert row["pictures"]["mask"] is None and row["box"] is None and row["label"] == "mass"
    assert change(client, 0, action="box", box=[1, 2, 3, 4])["box"] == [1, 2, 3, 4]
    assert get(client, "/rows/1")["pictures"]["image"] is None
    assert client.get("/rows/2/image.png", headers=HOST).status_code == 404
    assert rows_of(review.reviewed_table)[0] == {
        "path": "a.png",
        "label": "mass",
        "box": "1 2 3 4",
        "reviewed": "box, relabelled",
    }
    assert client.request("POST", "/rows/0", json={"action": "swap"}, headers=HOST).status_code == 400


def test_paths_of_files_that_are_not_here_stay_as_they_were(cbis: Path, tmp_path: Path) -> None:
    for path in (cbis / "CBIS-DDSM" / "Mass-Training_P_00001_LEFT_CC_1").rglob("*.dcm"):
        path.unlink()
    review = open_review(cbis / TABLES[0], cbis)
    review.relabel(0, "BENIGN")

    before, after = rows_of(cbis / TABLES[0])[0], rows_of(review.reviewed_table)[0]
    assert {column for column, value in after.items() if before.get(column) != value} == {"pathology", "reviewed"}


def test_a_foreign_table_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(RecipeError, match="has neither the columns of CBIS-DDSM nor path and label"):
        open_review(tmp_path / "a.csv", tmp_path)
    with pytest.raises(RecipeError, match="does not exist; give the folder"):
        open_review(tmp_path / "a.csv", tmp_path / "nowhere")


def test_the_page_is_served_and_ends_when_told(review: TableReview) -> None:
    ports: list[int] = []
    began, stop = Event(), Event()

    def ready(port: int) -> None:
        ports.append(port)
        began.set()

    server = Thread(target=serve_review, args=(review, "127.0.0.1", 0, ready, stop))
    server.start()
    assert began.wait(60)
    try:
        rows = httpx.get(f"http://127.0.0.1:{ports[0]}/rows", timeout=60).json()
        with pytest.raises(SettingsError, match=r"--host 127\.0\.0\.1 --port \d+: cannot listen there"):
            serve_review(review, "127.0.0.1", ports[0], ready)
    finally:
        stop.set()
        server.join()
    assert len(rows) == len(FAULTY)


def test_a_node_shows_it_behind_its_login(
    archive: Archive, settings: Settings, guarded: FastAPI, review: TableReview
) -> None:
    app = create_app(archive, settings)
    client = Client(app)
    assert client.get("/review").headers["location"].startswith("/reports")
    assert client.get("/review/rows").status_code == 404
    app.state.review = lambda: review
    assert 'data-rows="/review/rows"' in client.get("/review").text
    row = get(client, "/review/rows/0")
    mask = row["pictures"]["mask"]["address"]
    assert mask.startswith("/review/rows/0/mask.png?v=") and client.get(mask).headers["content-type"] == "image/png"
    changed = client.request("POST", "/review/rows/0", json={"action": "label", "label": "BENIGN"})
    assert changed.json()["label"] == "BENIGN"

    guarded.state.review = lambda: review
    assert Client(guarded).get("/review/rows/0").status_code == 401
    assert Client(guarded).get(mask).status_code == 401


def test_a_node_opens_the_table_of_its_settings_when_somebody_looks(cbis: Path) -> None:
    assert review_of(ReviewSettings.model_validate({})) is None
    wanted = review_of(ReviewSettings(table=cbis / TABLES[0], data=cbis))
    assert wanted is not None and wanted().name == TABLES[0] and wanted() is wanted()
    missing = review_of(ReviewSettings(table=cbis / "none.csv", data=cbis))
    assert missing is not None
    with pytest.raises(NotFoundError, match=r"web\.review: .*does not exist"):
        missing()
    with pytest.raises(ValidationError, match="both table and data"):
        ReviewSettings(table=cbis / TABLES[0])
