"""`dicomnode demo` as a user runs it: processes, ports, pictures, and nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread

from dicomnode.demo.objects import masks
from dicomnode.demo.phantom import draw_phantom
from dicomnode.demo.pictures import SYNTHETIC

pytestmark = pytest.mark.timeout(500)
ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"


def demo(out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "dicomnode", "demo", "--out", str(out), "--models", str(MODELS), *options]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the words of a demo that ran to its end."""
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(demo(out), capture_output=True, text=True, timeout=420, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_answer_is_readable_on_the_terminal(ended: tuple[Path, str]) -> None:
    out, words = ended
    assert SYNTHETIC in words
    assert "Lesion 1" in words
    assert "not verified by a human" in words
    assert str(out / "report.txt") in words
    assert "unproven" not in words
    assert "sent 3 CT instances" in words
    assert "why the CT was not processed: http://127.0.0.1:" in words
    assert (out / "report.txt").read_text().count("Findings") == 2


def test_evidence_came_back_as_files(ended: tuple[Path, str]) -> None:
    datasets = [dcmread(path) for path in sorted((ended[0] / "evidence").iterdir())]
    assert sorted(item.Modality for item in datasets) == ["SEG", "SR", "SR", "SR", "SR", "SR"]
    assert {item.PatientID for item in datasets} == {"DEMO-1"}
    assert {item.get("VerificationFlag", "UNVERIFIED") for item in datasets} == {"UNVERIFIED"}


def test_detector_finds_what_was_drawn(ended: tuple[Path, str]) -> None:
    """Contour on the mass: the SEG overlaps the drawn one on every slice that both have."""
    segmentation = next(
        dataset for path in (ended[0] / "evidence").iterdir() if (dataset := dcmread(path)).Modality == "SEG"
    )
    found, drawn = masks(segmentation), draw_phantom().lesion
    numbers = {image.SOPInstanceUID: image.InstanceNumber - 1 for image in map(dcmread, (ended[0] / "study").iterdir())}
    volume = np.zeros_like(drawn)
    for uid, mask in found.items():
        volume[numbers[uid]] = mask
    assert (volume & drawn).sum() / (volume | drawn).sum() > 0.3


def test_pictures_are_there(ended: tuple[Path, str]) -> None:
    pictures = {path.name for path in (ended[0] / "pictures").iterdir()}
    assert {"overview.png", "montage.png"} < pictures
    assert any(name.startswith("slice-") for name in pictures)
    with Image.open(ended[0] / "pictures" / "overview.png") as overview:
        assert overview.width > 1000


def test_nothing_is_left_running(ended: tuple[Path, str]) -> None:
    for system in ("node", "pacs"):
        assert list((ended[0] / system / "run").glob("*.json")) == []


def test_keep_leaves_both_running_until_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen(demo(tmp_path / "out", "--keep", "--json"), stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            result = _first_json(process)
            for address in result["addresses"].values():
                assert requests.get(address, timeout=20).status_code == 200
            page = requests.get(result["addresses"]["its page of the study"], timeout=20).text
            assert "brain_mri_lesion_detector" in page
        finally:
            process.send_signal(signal.SIGINT)
            ended = _wait_or_kill(process, 30)
    assert ended == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(result["addresses"]["the second PACS, its page"], timeout=5)


def _wait_or_kill(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _first_json(process: subprocess.Popen[bytes]) -> dict:
    """What a running process printed so far, once it is a whole JSON object."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    text, deadline = b"", time.monotonic() + 420
    while time.monotonic() < deadline and process.poll() is None:
        text += process.stdout.read() or b""
        try:
            return json.loads(text)
        except ValueError:
            time.sleep(0.2)
    raise AssertionError("the demo ended or gave nothing in time")
