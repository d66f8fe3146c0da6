"""What the web role writes into the audit trail."""

from datetime import timedelta

from dicomnode.archive import Archive
from dicomnode.dicom.audit import AuditKind
from dicomnode.web.auditing import GivenOut
from tests.unit.web.conftest import NOW, Client, Store


def test_a_search_is_written_down_without_its_values(client: Client, store: Store, archive: Archive) -> None:
    store(study="1")
    client.get("/dicom-web/studies", params={"PatientName": "Somebody*", "StudyDate": "20261101-"})
    (entry,) = archive.audit.list()
    assert (entry.kind, entry.detail) == (AuditKind.QUERY, "QIDO-RS search for studies by PatientName, StudyDate")


def test_a_study_that_is_given_out_is_written_down_once(client: Client, store: Store, archive: Archive) -> None:
    for number in (1, 2):
        store(study="1", number=number)
    store(study="2")
    for address in ("1", "1/series/1.2.1.1", "2", "2/metadata"):
        assert client.get(f"/dicom-web/studies/1.2.{address}").status_code == 200
    second, first = archive.audit.list()
    assert (first.kind, second.kind) == (AuditKind.ACCESSED, AuditKind.ACCESSED)
    assert [item.study_instance_uid for entry in (first, second) for item in entry.objects] == ["1.2.1", "1.2.2"]


def test_a_study_that_is_told_of_is_written_down_once(client: Client, store: Store, archive: Archive) -> None:
    store(study="1")
    for part in ("", "/findings", "/trace", "/series"):
        assert client.get(f"/api/v1/studies/1.2.1{part}").status_code == 200
    assert client.get("/api/v1/studies/1.2.9/evidence").status_code == 404
    (entry,) = archive.audit.list()
    assert (entry.kind, entry.detail) == (AuditKind.ACCESSED, "API")


def test_a_search_in_the_list_is_written_down_without_its_values(client: Client, archive: Archive) -> None:
    for address in ("/api/v1/studies", "/studies", "/studies?q=SECRET7&modality=MR", "/studies?q=SECRET7&modality=MR"):
        assert client.get(address).status_code == 200
    (entry,) = archive.audit.list()
    assert (entry.kind, entry.detail) == (AuditKind.QUERY, "list of studies by modality, search")


def test_after_a_while_it_is_told_again() -> None:
    given = GivenOut()
    said = [given.is_new("anna@h", "1.2", NOW + timedelta(minutes=minutes)) for minutes in (0, 9, 11, 12)]
    assert said == [True, False, True, False]
    assert given.is_new("bob@h", "1.2", NOW)
