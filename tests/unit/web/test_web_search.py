"""QIDO-RS: what is found, and in which form."""

import pytest

from tests.unit.web.conftest import Client, Store

STUDY_UID, PATIENT_NAME, STUDY_DATE, MODALITIES = "0020000D", "00100010", "00080020", "00080061"


def uids(found: list[dict]) -> list[str]:
    return [item[STUDY_UID]["Value"][0] for item in found]


@pytest.fixture(autouse=True)
def three_studies(store: Store) -> None:
    for study in ("1", "2", "3"):
        store(study=study)
    store(study="1", series="2", number=7, SeriesDescription="T2", NumberOfFrames=1)


def test_study_has_the_required_attributes(client: Client) -> None:
    answer = client.get("/dicom-web/studies", params={"StudyInstanceUID": "1.2.1"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    (study,) = answer.json()
    assert study[PATIENT_NAME] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Study 1"}]}
    assert study[MODALITIES] == {"vr": "CS", "Value": ["MR"]}
    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [2]
    assert study["00080050"] == {"vr": "SH"}  # empty, and yet there
    assert study["00081190"]["Value"] == ["http://testserver/dicom-web/studies/1.2.1"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"PatientID": "P-2"}, {"1.2.2"}),
        ({"00100020": "P-2"}, {"1.2.2"}),
        ({"PatientName": "müller*1"}, {"1.2.1"}),
        ({"PatientName": "*"}, {"1.2.1", "1.2.2", "1.2.3"}),
        ({"StudyDate": "20261102-20261103"}, {"1.2.2", "1.2.3"}),
        ({"StudyDate": "-20261101"}, {"1.2.1"}),
        ({"ModalitiesInStudy": "CT"}, set()),
        ({"StudyInstanceUID": "1.2.1,1.2.3"}, {"1.2.1", "1.2.3"}),
        ({"StudyDescription": "Head ?"}, {"1.2.1", "1.2.2", "1.2.3"}),
    ],
)
def test_studies_match(client: Client, parameters: dict[str, str], expected: set[str]) -> None:
    assert set(uids(client.get("/dicom-web/studies", params=parameters).json())) == expected


def test_paging_gives_each_study_once(client: Client) -> None:
    pages = [client.get("/dicom-web/studies", params={"limit": 2, "offset": at}).json() for at in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 1, 0]
    assert set(uids(pages[0] + pages[1])) == {"1.2.1", "1.2.2", "1.2.3"}


def test_series_and_instances_of_a_study(client: Client) -> None:
    series = client.get("/dicom-web/studies/1.2.1/series").json()
    assert [item["0020000E"]["Value"][0] for item in series] == ["1.2.1.1", "1.2.1.2"]
    assert series[1]["0008103E"]["Value"] == ["T2"]
    assert series[1]["00201209"]["Value"] == [1]
    (instance,) = client.get("/dicom-web/studies/1.2.1/series/1.2.1.2/instances").json()
    assert instance["00080018"]["Value"] == ["1.2.1.2.7"]
    assert instance["00280010"]["Value"] == [4]
    assert instance["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    assert len(client.get("/dicom-web/instances").json()) == 4
    assert len(client.get("/dicom-web/studies/1.2.1/instances").json()) == 2
    assert len(client.get("/dicom-web/series", params={"Modality": "MR"}).json()) == 4


def test_includefield_reads_the_file(client: Client) -> None:
    path = "/dicom-web/studies/1.2.1/series/1.2.1.2/instances"
    (plain,) = client.get(path).json()
    assert "00280100" not in plain
    (asked,) = client.get(path, params={"includefield": "BitsAllocated,00280101"}).json()
    assert asked["00280100"]["Value"] == [16]
    assert asked["00280101"]["Value"] == [12]
    (everything,) = client.get(path, params={"includefield": "all"}).json()
    assert everything["00280102"]["Value"] == [11]
    assert "InlineBinary" not in everything["7FE00010"]


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"Nonsense": "1"}, "Nonsense"),
        ({"limit": "-1"}, "limit"),
        ({"offset": "many"}, "offset"),
        ({"StudyDate": "yesterday"}, "date"),
        ({"SOPInstanceUID": "1.2"}, "SOPInstanceUID"),
    ],
)
def test_wrong_queries_say_what_is_wrong(client: Client, parameters: dict[str, str], word: str) -> None:
    answer = client.get("/dicom-web/studies", params=parameters)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]


def test_fuzzy_matching_is_declined_aloud(client: Client) -> None:
    answer = client.get("/dicom-web/studies", params={"fuzzymatching": "true", "PatientID": "P-1"})
    assert answer.headers["warning"].startswith("299 ")
    assert uids(answer.json()) == ["1.2.1"]


def test_only_json_is_offered(client: Client) -> None:
    assert client.get("/dicom-web/studies", headers={"Accept": "application/dicom+xml"}).status_code == 406
    assert client.get("/dicom-web/studies", headers={"Accept": "application/json;q=0.5"}).status_code == 200


def test_malformed_uid_is_refused(client: Client) -> None:
    assert client.get("/dicom-web/studies/..%2f1/series").status_code in (400, 404)
    assert client.get("/dicom-web/studies/abc/series").status_code == 400
