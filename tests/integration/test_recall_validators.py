"""Rejection notes and withdrawn reports before dicom3tools' dciodvfy and DCMTK's dsrdump."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dicomnode.evidence import to_bytes
from dicomnode.evidence.rejection import rejection_note
from dicomnode.evidence.withdrawal import withdrawn_report
from dicomnode.evidence.withdrawn import Cause
from tests.evidence_cases import documents, positive, read_back
from tests.factories import make_series
from tests.integration.studies import judged_by_dciodvfy
from tests.withdrawals import withdrawal

pytestmark = [pytest.mark.dciodvfy, pytest.mark.dcmtk]


def test_every_note_is_sound(tmp_path):
    paths = make_series(tmp_path / "in", 3)
    made = {kind: read_back(dataset) for kind, dataset in documents(positive(paths), paths).items()}
    notes = [rejection_note(withdrawal(made, cause=cause), made["answer"], 1) for cause in Cause]
    notes += [withdrawn_report(withdrawal(made), made[kind], kind) for kind in ("answer", "text", "lesions")]
    for number, note in enumerate(notes):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(to_bytes(note.dataset))
        assert judged_by_dciodvfy(path) == []
        command = [shutil.which("dsrdump") or "dsrdump", "+Pl", str(path)]
        dumped = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert dumped.returncode == 0, dumped.stderr
        assert "withdrawn" in dumped.stdout
        assert not [line for line in dumped.stderr.splitlines() if line.startswith("E:")]
