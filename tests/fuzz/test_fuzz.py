"""Some seconds of every fuzzer; `make fuzz` runs them for longer."""

import os
import random
import struct
import subprocess
import sys
import warnings
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomnode.dicom.decoding import stored_frames
from dicomnode.errors import InputError, NotDicomError, PixelError, SettingsError
from dicomnode.intake.wholeness import require_whole
from dicomnode.peers.multipart import parse_multipart
from dicomnode.settings import load_settings
from tests.factories import make_instance, ramp
from tests.fuzz.__main__ import fuzz_parser, fuzz_pdus
from tests.fuzz.parsers import PARSERS, survives
from tests.node_fixtures import to_toml

SEED = 2026
EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"


@pytest.mark.parametrize("name", PARSERS)
def test_parsers_refuse_in_their_own_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    tries, findings = fuzz_parser(name)(random.Random(SEED), 3.0)
    assert findings == 0 and tries > 20


@pytest.mark.parametrize("name", ["header", "wholeness", "pixels", "multipart"])
@given(data=st.binary(max_size=600))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parsers_survive_any_bytes(name: str, data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        survives(PARSERS[name], data)
        survives(PARSERS[name], bytes(128) + b"DICM" + data)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no build for this machine")
@pytest.mark.parametrize("name", ["header", "wholeness", "multipart"])
def test_parsers_survive_a_search_for_new_paths(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--atheris", name, "--seconds", "4"]
    root = Path(__file__).parent.parent.parent
    there = os.environ | {"TMPDIR": str(tmp_path)}  # libFuzzer ends the process, and its inputs stay
    ended = subprocess.run(command, cwd=root, env=there, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]


def test_the_listener_survives_damaged_pdus(engine: str) -> None:
    tries, findings = fuzz_pdus(random.Random(SEED), 4.0, engine)
    assert findings == 0 and tries > 3


VALUES = st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=20), st.just([]))
TABLES = st.sampled_from(["node", "archive", "receive", "web", "completion", "infer", "models", "storage", "audit"])
KEYS = st.sampled_from(["host", "port", "ae_title", "data_dir", "device", "batch_size", "ask", "file", "unknown"])


@given(st.dictionaries(TABLES, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settings_are_taken_or_refused_with_a_sentence(tmp_path: Path, tables: dict) -> None:
    path = tmp_path / "dicomnode.toml"
    path.write_text(to_toml(tables), encoding="utf-8", errors="replace")
    try:
        load_settings(path)
    except SettingsError as error:
        assert str(path) in str(error)


def _file(tmp_path: Path, body: bytes) -> Path:
    syntax = struct.pack("<HH2sH20s", 2, 0x10, b"UI", 20, EXPLICIT.encode().ljust(20, b"\0"))
    path = tmp_path / "file.dcm"
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(syntax))
    path.write_bytes(bytes(128) + b"DICM" + length + syntax + body)
    return path


def test_a_bomb_of_zeros_is_refused(tmp_path: Path) -> None:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(70)) + squeezer.flush()
    with pytest.raises(NotDicomError, match=r"inflates to more than 6\d MiB"):
        require_whole(_file(tmp_path, body), DEFLATED)


def test_sequences_without_an_end_in_depth_are_refused(tmp_path: Path) -> None:
    nested = struct.pack("<HH2sxxI", 0x9, 0x10, b"SQ", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    with pytest.raises(NotDicomError, match="more than 64 deep"):
        require_whole(_file(tmp_path, nested * 100), EXPLICIT)


def test_more_elements_than_any_device_writes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomnode.intake.wholeness._MOST_ELEMENTS", 1000)
    body = b"".join(struct.pack("<HH2sH", 0x9, 0x1000 + number, b"LO", 0) for number in range(1001))
    with pytest.raises(NotDicomError, match="more than 1000 elements"):
        require_whole(_file(tmp_path, body), EXPLICIT)


def test_a_frame_larger_than_any_image_is_not_decoded() -> None:
    dataset = make_instance(pixels=ramp(8, 8))
    dataset.Rows = dataset.Columns = 65535
    with pytest.raises(PixelError, match="larger than any image"):
        list(stored_frames(dataset))


def test_parts_without_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomnode.peers.multipart._MAXIMUM_PARTS", 10)
    body = b"--b\r\n\r\n\r\n" * 11 + b"--b--"
    with pytest.raises(InputError, match="more than 10 parts"):
        for part in parse_multipart([body], "b"):
            list(part.content)
