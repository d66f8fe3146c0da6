"""The shipped models answer real pictures over HTTP within seconds; a process that is killed is replaced."""

from __future__ import annotations

import csv
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import bundle_digest
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.peers_fixtures import wait_for
from tests.unit.web.conftest import Client

MODELS = Path(__file__).parents[2] / "models"
CLASSIFIER, DETECTOR = "brain_mri_tumor_classifier", "brain_mri_lesion_detector"
NAMES = (CLASSIFIER, DETECTOR, "blood_cell_classifier", "histology_idc_classifier")
MEMORY_MIB = 2048

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """An application with the shipped models approved, and little memory for the process that asks them."""
    settings = Settings.model_validate(
        {
            "node": {"data_dir": tmp_path_factory.mktemp("predict")},
            "models": {"folder": MODELS},
            "web": {"allowed_hosts": ["testserver"], "accounts": {"required": False}},
            "infer": {"device": "cpu"},
            "predict": {"memory_mib": MEMORY_MIB},
        }
    )
    with Archive.open(settings) as archive:
        for name in NAMES:
            archive.deployments.approve(name, bundle_digest(MODELS / name), DeploymentState.OFF, datetime.now(UTC))
        made = create_app(archive, settings)
        yield made
        made.state.predictions.close()


def show(app: FastAPI, model: str, *contents: bytes, **query: Any) -> httpx.Response:
    files = [("file", ("file", content)) for content in contents]
    return Client(app).request("POST", "/api/v1/predict", params={"model": model, **query}, files=files)


def picture(kind: str = "PNG", size: tuple[int, int] = (128, 128), mode: str = "L") -> bytes:
    buffer = BytesIO()
    Image.new(mode, size).save(buffer, kind, **({"compression": "tiff_deflate"} if kind == "TIFF" else {}))
    return buffer.getvalue()


def child() -> int | None:
    """The process that predicts, found by its parent and its command line."""
    for folder in Path("/proc").iterdir():
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"dicomnode.inference.on_request" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except (OSError, IndexError, ValueError):
            continue
    return None


def data(name: str) -> Path:
    folder = Path(os.environ.get("DICOMNODE_TEST_DATA", "")) / name
    if not os.environ.get("DICOMNODE_TEST_DATA") or not folder.is_dir():
        pytest.skip(f"{name} is not on this machine")
    return folder


def labelled(folder: Path, label: str) -> bytes:
    with (folder / "labels.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["split"], row["label"]) == ("test", label)]
    return (folder / rows[0]["path"]).read_bytes()


@pytest.mark.data
@pytest.mark.parametrize(
    ("model", "folder", "label", "query"),
    [
        (CLASSIFIER, "brain_mri", "glioma", {}),
        (CLASSIFIER, "brain_mri", "notumor", {}),
        ("blood_cell_classifier", "blood_cells", "erythroblast", {}),
        ("histology_idc_classifier", "breast_histology", "idc", {"spacing": 0.004}),
    ],
)
def test_a_real_picture_is_answered(app: FastAPI, model: str, folder: str, label: str, query: dict[str, Any]) -> None:
    answer = show(app, model, labelled(data(folder), label), pictures=True, **query).json()
    (result,) = answer["results"]
    assert result["answer"]["classes"][0]["name"] == label
    (image,) = result["images"]
    assert image["picture"].startswith("data:image/png;base64,")
    assert image["map"]["kind"] == ("tile_scores" if query else "grad_cam")


@pytest.mark.data
def test_a_detector_gives_boxes_and_masks_and_is_quick_once_it_is_loaded(app: FastAPI) -> None:
    path = min(path for path in (data("brain_mri_boxes") / "test").rglob("*.jpg"))
    show(app, DETECTOR, path.read_bytes())
    begun = time.monotonic()
    (result,) = show(app, DETECTOR, path.read_bytes(), masks=True).json()["results"]
    assert time.monotonic() - begun < 20  # a quarter of a second on two free cores
    (image,) = result["images"]
    assert [box for box in image["boxes"] if box["reaches_threshold"]]
    assert len(image["outlines"]) == len(image["masks"]) == len(result["findings"]) > 0


@pytest.mark.data
def test_whatever_dicom_is_given_each_file_gets_its_answer(app: FastAPI) -> None:
    paths = [path for path in sorted(data("dicom_samples").rglob("*")) if path.suffix not in (".csv", ".md")]
    contents = [path.read_bytes() for path in paths if path.is_file()]
    answer = show(app, CLASSIFIER, *contents)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert {number for result in results for number in result["files"]} == set(range(1, len(contents) + 1))
    assert "/proc" not in answer.text


def test_memory_is_bounded(app: FastAPI) -> None:
    refused = show(app, CLASSIFIER, picture("TIFF", (12_000, 12_000), "F"))
    assert refused.status_code == 413, refused.text
    assert "memory" in refused.json()["detail"]
    assert show(app, CLASSIFIER, picture()).status_code == 200


def test_a_process_that_is_killed_while_it_works_is_replaced(app: FastAPI) -> None:
    assert show(app, CLASSIFIER, picture()).status_code == 200
    first = child()
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(show, app, CLASSIFIER, picture())
        wait_for(lambda: not asked.done() and busy(app), 30, "the question on its way")
        os.kill(first, signal.SIGKILL)
        answer = asked.result(120)
    # It died before it took the question or over it: then the next one is answered.
    assert answer.status_code in (200, 500)
    assert show(app, CLASSIFIER, picture()).status_code == 200
    assert child() not in (None, first)
    app.state.predictions.close()
    assert child() is None


def busy(app: FastAPI) -> bool:
    """Whether a question is with the process."""
    return bool(app.state.predictions._turn.locked())
