"""The content digest of an instance survives being sent by DCMTK and Orthanc, however they write it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from dicomnode.dicom.digest import content_digest
from dicomnode.dicom.part10 import part10_preamble
from tests.factories import make_enhanced, write_instance

ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


def _send(scp: Any, path: Path, *options: str) -> None:
    target = ("-aec", scp.ae_title, "127.0.0.1", str(scp.port))
    subprocess.run(["storescu", *options, *target, str(path)], check=True, env=ENVIRONMENT, timeout=60)


def _received(scp: Any, path: Path, syntax: str) -> Path:
    sent = dcmread(path)
    (body,) = scp.received.values()
    head = part10_preamble(sent.SOPClassUID, sent.SOPInstanceUID, syntax, "STORESCU")
    copy = path.with_suffix(".received")
    copy.write_bytes(head + body)
    return copy


@pytest.mark.dcmtk
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("lengths", ["explicit", "undefined"])
def test_uncompressed(tmp_path: Path, store_scp: Callable[..., Any], syntax: str, lengths: str) -> None:
    dataset = make_enhanced(3)
    if lengths == "undefined":
        for element in dataset.iterall():
            element.is_undefined_length = element.VR == "SQ"
    path = write_instance(dataset, tmp_path / "sent.dcm")
    scp = store_scp(syntaxes=[syntax])
    _send(scp, path)
    copy = _received(scp, path, syntax)
    assert copy.read_bytes() != path.read_bytes()
    assert content_digest(copy) == content_digest(path)


@pytest.mark.dcmtk
def test_compressed(tmp_path: Path, store_scp: Callable[..., Any]) -> None:
    dataset = make_enhanced(3)
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    path = write_instance(dataset, tmp_path / "sent.dcm")
    scp = store_scp(syntaxes=[RLELossless])
    _send(scp, path, "-xr")
    assert content_digest(_received(scp, path, RLELossless)) == content_digest(path)


@pytest.mark.orthanc
def test_forwarded_by_orthanc(tmp_path: Path, store_scp: Callable[..., Any], orthanc: Any) -> None:
    path = write_instance(make_enhanced(3), tmp_path / "sent.dcm")
    scp = store_scp(syntaxes=[ExplicitVRLittleEndian])
    orthanc.add_modality("next", scp.ae_title, scp.port)
    orthanc.upload(path)
    orthanc.send_all("next")
    assert content_digest(_received(scp, path, ExplicitVRLittleEndian)) == content_digest(path)
