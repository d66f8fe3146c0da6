"""A PACS asked by DIMSE, played by an SCP that answers as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    MRImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.peers.asking import HeldStudy
from dicomnode.peers.pacs import open_pacs
from dicomnode.settings import PacsSettings
from tests.archives import MR, make_file
from tests.peers_fixtures import free_port

Serve = Callable[..., PacsSettings]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an SCP with handlers for C-FIND, C-GET and C-MOVE; its settings."""
    servers = []

    def start(retrieve: str = "c-get", **handlers) -> PacsSettings:
        entity = AE(ae_title="PACS")
        entity.dimse_timeout = 5
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
        entity.add_supported_context(MRImageStorage, ExplicitVRLittleEndian, scu_role=True, scp_role=True)
        bound = [(getattr(evt, f"EVT_C_{name.upper()}"), handler) for name, handler in handlers.items()]
        servers.append(entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound))
        port = servers[-1].server_address[1]
        return PacsSettings(
            name="pacs", ae_title="PACS", host="127.0.0.1", port=port, retrieve=retrieve, timeout_seconds=5
        )

    yield start
    for server in servers:
        server.shutdown()


def answers(*datasets: Dataset):
    def answer(event):
        level = event.identifier.QueryRetrieveLevel
        for dataset in datasets:
            if dataset.QueryRetrieveLevel == level:
                yield 0xFF00, dataset

    return answer


def study(**attributes: object) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    dataset.StudyInstanceUID = "1.2"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 144", "Люксембург"),
        ("ISO_IR 126", "Διονυσιος"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Müller^Jörg=山田"),
    ],
)
def test_names_survive_in_every_component_group(serve, character_set, name):
    settings = serve(find=answers(study(SpecificCharacterSet=character_set, PatientName=name)))
    with open_pacs(settings, "DICOMNODE") as pacs:
        assert pacs.study("1.2").patient_name == name


def test_what_a_pacs_does_not_tell_is_empty(serve):
    with open_pacs(serve(find=answers(study())), "DICOMNODE") as pacs:
        assert pacs.study("1.2") == HeldStudy("1.2", "", "", "", "", "", None)
        assert pacs.study("1.3") is None  # an SCP that ignores the key


def test_another_issuers_patient_is_another_patient(serve):
    rows = [study(PatientID="P", IssuerOfPatientID=issuer, StudyInstanceUID=uid) for uid, issuer in
            (("1.1", "A"), ("1.2", "B"), ("1.3", ""))]  # fmt: skip
    with open_pacs(serve(find=answers(*rows)), "DICOMNODE") as pacs:
        assert [held.study_instance_uid for held in pacs.studies_of_patient("P", "A")] == ["1.1", "1.3"]
        assert len(pacs.studies_of_patient("P")) == 3
        assert pacs.studies_of_patient("p") == []


def images(count: int):
    def send(event):
        yield count
        for number in range(count):
            yield 0xFF00, dcmread(BytesIO(make_file(f"1.2.{number}", "1.2")))

    return send


def held_image() -> Dataset:
    dataset = study(SeriesInstanceUID="1.2.9", SOPInstanceUID="1.2.0", SOPClassUID=MR)
    dataset.QueryRetrieveLevel = "IMAGE"
    return dataset


def held_series() -> Dataset:
    dataset = study(SeriesInstanceUID="1.2.9")
    dataset.QueryRetrieveLevel = "SERIES"
    return dataset


def test_no_instance_is_sent_before_the_one_before_it_was_read(serve):
    stored: list[str] = []

    def send(event):
        yield 4
        for number in range(4):
            stored.append(f"1.2.{number}")
            yield 0xFF00, dcmread(BytesIO(make_file(f"1.2.{number}", "1.2")))

    settings = serve(find=answers(held_series(), held_image()), get=send)
    with open_pacs(settings, "DICOMNODE") as pacs:
        for number, pieces in enumerate(pacs.retrieve("1.2")):
            assert dcmread(BytesIO(b"".join(pieces))).SOPInstanceUID == f"1.2.{number}"
            assert len(stored) == number + 1
    assert len(stored) == 4


def test_a_reader_may_leave_early(serve):
    with open_pacs(serve(find=answers(held_series(), held_image()), get=images(50)), "DICOMNODE") as pacs:
        files = pacs.retrieve("1.2")
        next(files)
        files.close()


def test_a_transfer_that_is_cut_off_is_told(serve):
    def send(event):
        yield 3
        yield 0xFF00, dcmread(BytesIO(make_file("1.2.0", "1.2")))
        event.assoc.abort()

    settings = serve(find=answers(held_series(), held_image()), get=send)
    with open_pacs(settings, "DICOMNODE") as pacs, pytest.raises(PeerUnavailableError, match="cut off"):
        list(pacs.retrieve("1.2"))


def failing(status: int):
    def fail(event):
        if event.event.name == "EVT_C_MOVE":
            yield None, None
        else:
            yield 1
            yield status, None

    return fail


def test_a_refusal_names_its_status(serve):
    settings = serve(find=answers(held_series(), held_image()), get=failing(0xC001))
    with open_pacs(settings, "DICOMNODE") as pacs, pytest.raises(PeerRefusedError, match="0xC001"):
        list(pacs.retrieve("1.2"))
    settings = serve(find=answers(held_series(), held_image()), get=failing(0xA702))
    with open_pacs(settings, "DICOMNODE") as pacs, pytest.raises(PeerUnavailableError, match="0xA702"):
        list(pacs.retrieve("1.2"))


def test_a_pacs_that_does_not_know_the_node_says_so(serve):
    settings = serve(retrieve="c-move", move=failing(0xA801))
    with open_pacs(settings, "DICOMNODE") as pacs, pytest.raises(PeerRefusedError, match="does not know DICOMNODE"):
        list(pacs.retrieve("1.2"))


@pytest.mark.parametrize("where", [{"url": "http://127.0.0.1:{port}"}, {"ae_title": "PACS", "host": "127.0.0.1"}])
@pytest.mark.parametrize("ask", [lambda pacs: pacs.study("1.2"), lambda pacs: list(pacs.retrieve("1.2"))])
def test_a_pacs_that_is_away_is_told(where, ask):
    port = free_port()
    place = {key: value.format(port=port) for key, value in where.items()} | ({} if "url" in where else {"port": port})
    with open_pacs(PacsSettings(name="pacs", **place), "DICOMNODE") as pacs, pytest.raises(PeerUnavailableError):
        ask(pacs)


@pytest.mark.parametrize("where", [{"url": "http://127.0.0.1:1"}, {"ae_title": "P", "host": "127.0.0.1", "port": 1}])
def test_nothing_is_fetched_where_the_settings_say_so(where):
    with (
        open_pacs(PacsSettings(name="pacs", retrieve="none", **where), "DICOMNODE") as pacs,
        pytest.raises(PeerRefusedError, match="retrieve = none"),
    ):
        list(pacs.retrieve("1.2"))
