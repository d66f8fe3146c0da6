"""A heat map on its way from a result to the archive, and to the targets that want it."""

from __future__ import annotations

from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.archive.records import EvidenceState
from dicomnode.jobs.publishing import addressed, write_answer
from dicomnode.settings import Settings
from tests.archives import put
from tests.evidence_cases import tiled
from tests.exam_cases import make_exam, screened
from tests.factories import as_study
from tests.slides import make_slide


def test_overlays_go_where_they_are_wanted(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "node": {"data_dir": tmp_path / "data"},
            "targets": [
                {"name": "pacs", "url": "http://127.0.0.1:1"},
                {
                    "name": "plain",
                    "url": "http://127.0.0.1:2",
                    "send": {"picture": False, "presentation_state": False, "attention": False, "heat_map": False},
                },
            ],
        }
    )
    paths = make_exam(tmp_path)
    archive = Archive.open(settings)
    for path in paths:
        put(archive, path.read_bytes())
    written = write_answer(archive, as_study(paths), screened(paths), "{}", "NODE").evidence
    archive.close()
    assert {item.state for item in written} == {EvidenceState.READY}
    unwanted = {item.role: item.unwanted_by for item in addressed(written, settings.targets)}
    switched_off = {"presentation", "attention", "picture", "picture-3"}
    switched_off |= {f"heat-map{part}" for part in ("", "-2", "-3", "-4")}
    assert {role for role, names in unwanted.items() if names == ("plain",)} == switched_off
    assert all(unwanted[role] == () for role in set(unwanted) - switched_off)


def test_a_heat_map_is_kept_and_goes_where_it_is_wanted(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "node": {"data_dir": tmp_path / "data"},
            "targets": [
                {"name": "pacs", "url": "http://127.0.0.1:1"},
                {"name": "plain", "url": "http://127.0.0.1:2", "send": {"heat_map": False}},
            ],
        }
    )
    path = make_slide(tmp_path)
    archive = Archive.open(settings)
    put(archive, path.read_bytes())
    written = write_answer(archive, as_study([path]), tiled([path]), "{}", "NODE").evidence
    archive.close()
    assert [(item.role, item.state) for item in written] == [
        (role, EvidenceState.READY) for role in ("answer", "text", "heat-map")
    ]
    unwanted = {item.role: item.unwanted_by for item in addressed(written, settings.targets)}
    assert unwanted == {"answer": (), "text": (), "heat-map": ("plain",)}
