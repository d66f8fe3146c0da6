"""The poller against a PACS that is a table in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from dicomnode.archive import Archive
from dicomnode.dicom.audit import AuditKind
from dicomnode.errors import ArchiveFullError, PeerRefusedError, PeerUnavailableError
from dicomnode.intake.poller import Poller, pause_seconds
from dicomnode.peers.dicomweb import InstanceSummary, StudySummary
from dicomnode.settings import PollerSettings
from tests.archives import NOW, SR, at, contributing, make_file, open_archive, put

SETTINGS = PollerSettings(name="pacs", url="http://pacs", page_size=2, called_ae_title="BRAIN", interval_seconds=10)


class Pacs:
    """Studies as tables of instances; counts what it is asked for."""

    def __init__(self) -> None:
        self.studies: dict[str, dict[str, bytes]] = {}
        self.counts = True
        self.away = False
        self.refused: set[str] = set()
        self.broken: set[str] = set()
        self.searches: list[dict[str, str]] = []
        self.retrieved: list[tuple[str | None, ...]] = []

    def hold(self, uid: str, study: str = "1.2.3", **attributes: object) -> None:
        self.studies.setdefault(study, {})[uid] = make_file(uid, study, **attributes)

    def search_studies(self, filters: Mapping[str, str], limit: int, offset: int) -> list[StudySummary]:
        self._answer()
        self.searches.append(dict(filters))
        rows = [StudySummary(uid, len(held) if self.counts else None) for uid, held in self.studies.items()]
        return rows[offset : offset + limit]

    def search_instances(self, study_instance_uid: str, limit: int, offset: int) -> list[InstanceSummary]:
        self._answer()
        rows = [InstanceSummary(f"{study_instance_uid}.9", uid) for uid in self.studies[study_instance_uid]]
        return rows[offset : offset + limit]

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        self._answer()
        self.retrieved.append((study_instance_uid, series_instance_uid, sop_instance_uid))
        if study_instance_uid in self.refused:
            raise PeerRefusedError("no", 404)
        if study_instance_uid in self.broken:
            raise PeerUnavailableError("500")
        for uid, data in self.studies[study_instance_uid].items():
            if sop_instance_uid in (None, uid):
                yield iter([data[:100], data[100:]])

    def _answer(self) -> None:
        if self.away:
            raise PeerUnavailableError("pacs is away")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path) as opened:
        yield opened


@pytest.fixture
def pacs() -> Pacs:
    return Pacs()


def poll(archive: Archive, pacs: Pacs, settings: PollerSettings = SETTINGS, now: datetime = NOW) -> int:
    """A round of a poller that was just started: what it knows is what the archive remembers."""
    return Poller(settings, archive, pacs, lambda: now, Random(1)).poll(threading.Event())


def test_whole_studies_are_fetched_page_by_page(archive: Archive, pacs: Pacs) -> None:
    for study in ("1.1", "1.2", "1.3"):
        for number in range(3):
            pacs.hold(f"{study}.{number}", study)
    assert poll(archive, pacs) == 9
    assert pacs.retrieved == [("1.1", None, None), ("1.2", None, None), ("1.3", None, None)]
    assert archive.studies.get("1.3").called_ae_titles == ("BRAIN",)
    assert archive.traces.list("1.2")[0].text == "3 of 3 instances fetched by poller pacs"
    assert archive.studies.open_studies()[0].last_released == NOW


def test_a_search_is_audited_once_a_day_and_each_retrieval(archive: Archive, pacs: Pacs) -> None:
    days = [NOW, NOW, NOW + timedelta(days=1)]
    poller = Poller(SETTINGS, archive, pacs, lambda: days[0], Random(1))
    pacs.hold("1.2.3.1")
    while days:
        poller.poll(threading.Event())
        days.pop(0)
    told = [(entry.kind, entry.actor) for entry in reversed(archive.audit.list())]
    search, brought = (AuditKind.QUERY_SENT, "pacs"), (AuditKind.TRANSFERRED, "pacs")
    assert told == [search, brought, search]


@pytest.mark.parametrize("counts", [True, False])
def test_what_is_here_is_not_fetched_again_even_after_a_restart(archive: Archive, pacs: Pacs, counts: bool) -> None:
    pacs.counts = counts
    pacs.hold("1.2.3.1")
    assert poll(archive, pacs) == 1
    assert poll(archive, pacs) == 0
    assert len(pacs.retrieved) == 1


def test_late_instances_are_fetched_alone(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.2.3.1")
    pacs.hold("1.2.3.2")
    poll(archive, pacs)
    pacs.hold("1.2.3.3")
    assert poll(archive, pacs) == 1
    assert pacs.retrieved[1:] == [("1.2.3", "1.2.3.9", "1.2.3.3")]


def test_a_whole_new_series_is_one_request(archive: Archive, pacs: Pacs) -> None:
    put(archive, make_file("1.2.3.1", SeriesInstanceUID="1.2.3.8"))
    pacs.hold("1.2.3.1")
    pacs.hold("1.2.3.2")
    pacs.search_instances = lambda study, limit, offset: [  # type: ignore[method-assign]
        InstanceSummary("1.2.3.8", "1.2.3.1"),
        InstanceSummary("1.2.3.9", "1.2.3.2"),
    ]
    poll(archive, pacs)
    assert pacs.retrieved == [("1.2.3", "1.2.3.9", None)]


def test_the_nodes_own_evidence_is_no_news(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.2.3.1")
    poll(archive, pacs)
    own = make_file("2.25.1", SOPClassUID=SR, ContributingEquipmentSequence=contributing("dicomnode"))
    put(archive, own)
    pacs.studies["1.2.3"]["2.25.1"] = own
    assert poll(archive, pacs) == 0
    assert len(pacs.retrieved) == 1


def test_searches_say_what_the_settings_say(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.2.3.1")
    settings = SETTINGS.model_copy(
        update={"modality": ("MR", "CT"), "days_back": 2, "filters": {"InstitutionName": "East"}}
    )
    assert poll(archive, pacs, settings) == 1
    first = f"{NOW.astimezone():%Y%m}19-"
    assert pacs.searches[0] == {"StudyDate": first, "InstitutionName": "East", "ModalitiesInStudy": "MR"}
    assert pacs.searches[-1]["ModalitiesInStudy"] == "CT"


def test_a_peer_that_ignores_the_offset_does_not_hold_us_for_ever(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.2.3.1")
    search = pacs.search_studies
    pacs.search_studies = lambda filters, limit, offset: search(filters, limit, 0)  # type: ignore[method-assign]
    assert poll(archive, pacs) == 1


def test_a_refused_study_is_asked_for_again_and_holds_up_nobody(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.1.1", "1.1")
    pacs.hold("1.2.1", "1.2")
    pacs.refused = {"1.1"}
    assert poll(archive, pacs) == 1
    pacs.refused = set()
    assert poll(archive, pacs) == 1


def test_a_study_that_the_peer_chokes_on_holds_up_nobody(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.1.1", "1.1")
    pacs.hold("1.2.1", "1.2")
    pacs.broken = {"1.1"}
    with pytest.raises(PeerUnavailableError):
        poll(archive, pacs)
    assert archive.instances.exists("1.2.1")
    pacs.broken = set()
    assert poll(archive, pacs) == 1


def test_an_instance_that_cannot_be_used_is_tried_once(archive: Archive, pacs: Pacs) -> None:
    pacs.hold("1.2.3.1")
    pacs.studies["1.2.3"]["1.2.3.2"] = b"x"
    pacs.studies["1.2.3"]["1.2.3.3"] = make_file("1.9.9", "1.9")
    assert poll(archive, pacs) == 1
    assert poll(archive, pacs) == 0
    assert len(pacs.retrieved) == 1


def test_a_pacs_that_is_away_is_logged_once(archive: Archive, pacs: Pacs, caplog: pytest.LogCaptureFixture) -> None:
    poller = Poller(SETTINGS, archive, pacs, lambda: NOW, Random(1))
    pacs.away = True
    pauses = [poller.step(threading.Event()) for _ in range(4)]
    assert pauses[0] < pauses[2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    pacs.away = False
    assert poller.step(threading.Event()) == 10
    assert caplog.records[-1].getMessage() == "poller pacs: works again"


def test_a_full_archive_is_no_end(archive: Archive, pacs: Pacs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise ArchiveFullError("no space")

    pacs.hold("1.2.3.1")
    with monkeypatch.context() as patched:
        patched.setattr(archive.instances, "new_file", full)
        assert Poller(SETTINGS, archive, pacs, lambda: NOW, Random(1)).step(threading.Event()) > 5
    assert poll(archive, pacs) == 1


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(0, 10, 10), (1, 10, 20), (2, 20, 40), (6, 150, 300), (500, 150, 300)]
)
def test_pauses_grow_to_a_maximum(failures: int, least: float, most: float) -> None:
    pauses = [pause_seconds(SETTINGS, failures, Random(seed)) for seed in range(50)]
    assert least <= min(pauses) <= max(pauses) <= most


def test_a_stop_ends_the_run(archive: Archive, pacs: Pacs) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=Poller(SETTINGS, archive, pacs, lambda: at(0), Random(1)).run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
