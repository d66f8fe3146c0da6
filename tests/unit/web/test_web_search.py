"""QIDO-RS: what is found, and in which form."""

import pytest
from pydicom.dataset import Dataset

from dicomnode.archive import Archive
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.unit.web.conftest import Client, Store

STUDY_UID, PATIENT_NAME, STUDY_DATE, MODALITIES = "0020000D", "00100010", "00080020", "00080061"


def found(client: Client, path: str, **parameters: object) -> list[dict]:
    answer = client.get(f"/dicom-web/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


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
    assert set(uids(found(client, "studies", **parameters))) == expected


def test_paging_gives_each_study_once(client: Client) -> None:
    pages = [found(client, "studies", limit=2, offset=at) for at in (0, 2, 4)]
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


@pytest.mark.parametrize(
    ("name", "fuzzy", "plain"),
    [
        ("garcia", {"1.2.5"}, set()),
        ("JOSE gar", {"1.2.5"}, set()),
        ("García-López^José", {"1.2.5"}, {"1.2.5"}),
        ("lop*", {"1.2.5"}, set()),
        ("yamada", {"1.2.6"}, set()),
        ("山田", {"1.2.6"}, set()),
        ("arcia", set(), set()),
        ("garcia pedro", set(), set()),
        ("*RC*", {"1.2.5"}, {"1.2.5"}),
        ("%", set(), set()),
        ("^", set(), set()),
    ],
)
def test_names_match_fuzzily_where_asked(
    client: Client, store: Store, name: str, fuzzy: set[str], plain: set[str]
) -> None:
    store(study="5", PatientName="García-López^José", ReferringPhysicianName="Çelik^A")
    store(study="6", PatientName="Yamada^Tarou=山田^太郎")
    assert set(uids(found(client, "studies", PatientName=name, fuzzymatching="true"))) == fuzzy
    assert set(uids(found(client, "studies", PatientName=name))) == plain
    by_physician = found(client, "series", ReferringPhysicianName="celik", fuzzymatching="true")
    assert uids(by_physician) == ["1.2.5"]
    assert found(client, "studies", PatientID="p-1", fuzzymatching="true") == []  # names only


def test_keys_of_requests_and_procedure_steps(client: Client, store: Store) -> None:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "S-9", "R-9"
    start = {"PerformedProcedureStepStartDate": "20261105", "PerformedProcedureStepStartTime": "081500"}
    store(study="9", RequestAttributesSequence=[item], **start)
    for parameters in (
        {"RequestAttributesSequence.ScheduledProcedureStepID": "S-9"},
        {"00400275.00401001": "R-*"},
        {"RequestedProcedureID": "R-9"},
        {"PerformedProcedureStepStartDate": "20261101-", "PerformedProcedureStepStartTime": "0800-0900"},
        {"ModalitiesInStudy": "MR", "RequestedProcedureID": "R-9"},
    ):
        (series,) = found(client, "series", **parameters)
        assert uids([series]) == ["1.2.9"]
    assert series["00400244"]["Value"] == ["20261105"]
    assert series["00400275"]["Value"] == [
        {"00400009": {"vr": "SH", "Value": ["S-9"]}, "00401001": {"vr": "SH", "Value": ["R-9"]}}
    ]
    assert len(found(client, "instances", RequestedProcedureID="R-9")) == 1
    assert found(client, "series", RequestedProcedureID="R-8") == []
    assert client.get("/dicom-web/series", params={"ProcedureCodeSequence.CodeValue": "1"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "told", "not_told"),
    [
        ("studies", {"00101010": "030Y", "00100020": "P-9"}, {"00180050", "00081070", "00280100"}),
        ("series", {"00101010": "030Y", "00081070": [{"Alphabetic": "Op^One"}]}, {"00180050", "00280100"}),
        ("instances", {"00101010": "030Y", "00081070": [{"Alphabetic": "Op^One"}], "00280100": [16]}, set()),
    ],
)
def test_includefield_tells_what_the_level_has(
    client: Client, store: Store, path: str, told: dict[str, object], not_told: set[str]
) -> None:
    store(study="9", PatientAge="030Y", OperatorsName="Op^One", SliceThickness="2.5")
    names = "PatientAge,OperatorsName,00180050,BitsAllocated,00091001"
    for asked in (names, "all"):
        (match,) = found(client, path, StudyInstanceUID="1.2.9", includefield=asked)
        for key, value in told.items():
            assert match[key]["Value"] == (value if isinstance(value, list) else [value])
        assert not not_told & match.keys()


def test_the_server_s_own_limit_is_told(archive: Archive, settings: Settings) -> None:
    small = settings.model_copy(update={"web": settings.web.model_copy(update={"maximum_results": 2})})
    client = Client(create_app(archive, small))
    for asked, warned in (({}, True), ({"limit": 50}, True), ({"limit": 2}, False), ({"offset": 2}, False)):
        answer = client.get("/dicom-web/studies", params=asked)
        assert answer.headers.get("warning", "").startswith("299 ") == warned
        assert len(answer.json()) == (1 if "offset" in asked else 2)


def test_only_json_is_offered(client: Client) -> None:
    assert client.get("/dicom-web/studies", headers={"Accept": "application/dicom+xml"}).status_code == 406
    assert client.get("/dicom-web/studies", headers={"Accept": "application/json;q=0.5"}).status_code == 200


def test_malformed_uid_is_refused(client: Client) -> None:
    assert client.get("/dicom-web/studies/..%2f1/series").status_code in (400, 404)
    assert client.get("/dicom-web/studies/abc/series").status_code == 400
