"""The Conformance Statement says what the code does, and follows the settings."""

from __future__ import annotations

from datetime import date

import pytest
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE, build_context

from dicomnode.cli.main import main
from dicomnode.conformance import to_html, to_markdown, write_statement
from dicomnode.conformance.accepting import storage_classes
from dicomnode.conformance.calling import written_classes
from dicomnode.conformance.document import Heading, Table, table
from dicomnode.conformance.sample import sample_documents
from dicomnode.conformance.web_services import transactions
from dicomnode.delivery.outcomes import dimse_outcome
from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID
from dicomnode.errors import ArchiveFullError, ConflictError
from dicomnode.evidence import check
from dicomnode.evidence.identity import ROLES
from dicomnode.intake.negotiation import TRANSFER_SYNTAXES, acceptable_contexts
from dicomnode.intake.statuses import answer_to
from dicomnode.settings import Settings
from tests.listeners import listening

DAY = date(2026, 11, 21)
OPEN = {"receive": {"accept_unknown_peers": True, "port": 0}}


@pytest.fixture(scope="module")
def plain():
    return write_statement(Settings(), DAY)


def statement(**settings):
    return write_statement(Settings.model_validate(settings), DAY)


def rows(blocks, first: str) -> tuple[tuple[str, ...], ...]:
    """The rows of the table whose first header is this."""
    return next(block.rows for block in blocks if isinstance(block, Table) and block.headers[0] == first)


def test_stated_storage_classes_are_those_that_are_accepted():
    every = [uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"]
    offered = [build_context(uid, ["1.2.840.10008.1.2.1"]) for uid in every]
    accepted = {str(context.abstract_syntax) for context in acceptable_contexts(offered, {"store"})}
    assert accepted == set(storage_classes())
    assert len(accepted) > 100


def test_stated_tables_are_those_of_the_code(plain):
    assert {uid for _, uid in rows(plain, "Storage SOP class")} == set(storage_classes())
    assert {uid for _, uid in rows(plain, "Transfer syntax")} == TRANSFER_SYNTAXES
    assert {uid for _, uid, _ in rows(plain, "SOP class")} == set(written_classes())
    stated = {status: again for status, _, _, again in rows(plain, "Status")}
    for error, again in ((ArchiveFullError("full"), "yes"), (ConflictError("other"), "no"), (RuntimeError(), "no")):
        assert stated[f"{answer_to(error).dimse_status:04X}"] == again
    for status, words, _ in rows(plain, "Status or Failure Reason")[:-1]:
        assert words in dimse_outcome(int(status[:4], 16)).status


def test_a_live_listener_negotiates_what_is_stated(tmp_path, engine):
    receive = OPEN["receive"] | {"engine": engine}
    settings = Settings.model_validate({"receive": receive, "node": {"data_dir": tmp_path, "ae_title": "STATED"}})
    stated = dict(rows(write_statement(settings, DAY), "Property"))
    entity = AE("TEST")
    contexts = [build_context(uid, sorted(TRANSFER_SYNTAXES)[:3]) for uid in storage_classes()[:120]]
    with listening(settings) as (port, _):
        association = entity.associate("127.0.0.1", port, contexts=contexts)
        assert association.is_established
        acceptor = association.acceptor
        assert {str(cx.abstract_syntax) for cx in association.accepted_contexts} == set(storage_classes()[:120])
        assert stated["Maximum PDU size received"] == f"{acceptor.maximum_length} bytes"
        assert stated["Implementation Class UID"] == str(acceptor.implementation_class_uid) == IMPLEMENTATION_CLASS_UID
        assert stated["Implementation Version Name"] == acceptor.implementation_version_name
        assert acceptor.asynchronous_operations == (1, 1)
        association.release()


def test_every_document_is_stated_and_passes_the_gate():
    documents = sample_documents("DICOMNODE")
    assert set(documents) == {*ROLES, "withdrawn"}
    for kind, dataset in documents.items():
        assert check(dataset, None, lambda _: True) == (), kind


def test_every_resource_of_the_web_server_is_stated():
    stated = set(transactions())
    assert ("Store (STOW-RS)", "POST", "/dicom-web/studies") in stated
    assert len({name for name, _, _ in stated}) == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"node": {"ae_title": "OTHER"}}, "| AE title | OTHER |"),
        ({"receive": {"maximum_pdu_bytes": 16384}}, "16384 bytes"),
        (OPEN, "| Storage | see 4.3 and 5.2 | no | yes |"),
        ({"peers": [{"name": "mr1", "ae_title": "MR1", "addresses": ["192.0.2.0/24"]}]}, "| MR1 | 192.0.2.0/24 |"),
        (
            {"targets": [{"name": "pacs", "host": "192.0.2.1", "port": 104, "ae_title": "PACS", "proof": "read-back"}]},
            "| pacs | read-back |",
        ),
        ({"pacs": [{"name": "web", "url": "https://192.0.2.1/dicom-web"}]}, "| web | wado |"),
        (
            {
                "receive": {
                    "tls": {"certificate": "c.pem", "key": "k.pem", "client_ca": "ca.pem", "profile": "extended"}
                }
            },
            "| DIMSE listener | Extended BCP 195 TLS (Annex B.11) | required |",
        ),
        ({"audit": {"syslog_host": "192.0.2.9"}}, "syslog over TLS (RFC 5425) to 192.0.2.9:6514"),
    ],
)
def test_settings_change_it(plain, settings, said):
    assert said not in to_markdown(plain)
    assert said in to_markdown(statement(**settings))


def test_cells_and_html_are_escaped():
    blocks = [Heading(1, "a < b"), table(("x|y",), [["1|2\n3"]])]
    assert "| 1\\|2 3 |" in to_markdown(blocks)
    assert "<h1>a &lt; b</h1>" in to_html(blocks)


def test_the_command_writes_a_file(tmp_path, capsys):
    path = tmp_path / "statement.html"
    assert main(["conformance", "--output", str(path)]) == 0
    assert path.read_text().startswith("<!doctype html>")
    assert "statement.html" in capsys.readouterr().out
