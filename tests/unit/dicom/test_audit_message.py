"""Audit messages: the XML of PS3.15 A.5.1."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from pydicom.sr._concepts_dict import concepts

from dicomnode.dicom.audit import AuditEntry, AuditKind, AuditObject, AuditOutcome
from dicomnode.dicom.audit_message import _FORMS, Reporter, audit_message

REPORTER = Reporter("DICOMNODE", "node.example.org", 4711)
AT = datetime(2026, 11, 21, 22, 0, 0, 123456, UTC)
MR = "1.2.840.10008.5.1.4.1.1.4"
# The order of elements in the schema of A.5.1
ORDER = ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification", "ParticipantObjectIdentification"]


def message(kind: AuditKind, **more: object) -> ElementTree.Element:
    values: dict[str, object] = {"event": "event", "detail": "detail", "kind": kind, "at": AT} | more
    text = audit_message(AuditEntry(**values), REPORTER)
    assert "\n" not in text
    return ElementTree.fromstring(text)


def code(element: ElementTree.Element | None) -> str | None:
    return None if element is None else element.get("csd-code")


@pytest.mark.parametrize(
    ("kind", "event", "event_type", "action"),
    [
        (AuditKind.START, "110100", "110120", "E"),
        (AuditKind.STOP, "110100", "110121", "E"),
        (AuditKind.LOG_USED, "110101", None, "R"),
        (AuditKind.BEGIN_TRANSFER, "110102", None, "E"),
        (AuditKind.ACCESSED, "110103", None, "R"),
        (AuditKind.TRANSFERRED, "110104", None, "C"),
        (AuditKind.STUDY_DELETED, "110105", None, "D"),
        (AuditKind.EXPORT, "110106", None, "R"),
        (AuditKind.QUERY, "110112", None, "E"),
        (AuditKind.QUERY_SENT, "110112", None, "E"),
        (AuditKind.SECURITY_ALERT, "110113", "110132", "E"),
        (AuditKind.NODE_AUTHENTICATION, "110113", "110126", "E"),
        (AuditKind.USERS, "110113", "110137", "E"),
        (AuditKind.CONFIGURATION, "110113", "110131", "E"),
        (AuditKind.LOGIN, "110114", "110122", "E"),
        (AuditKind.LOGOUT, "110114", "110123", "E"),
        (AuditKind.OTHER, "node", None, "E"),
    ],
)
def test_the_event_of_each_kind(kind: AuditKind, event: str, event_type: str | None, action: str) -> None:
    found = message(kind, actor="MR1@192.0.2.1", objects=(AuditObject("1.2.3"),))
    assert [child.tag for child in found] == sorted((child.tag for child in found), key=ORDER.index)
    identification = found.find("EventIdentification")
    assert identification is not None
    assert identification.get("EventActionCode") == action
    assert identification.get("EventDateTime") == "2026-11-21T22:00:00.123+00:00"
    assert code(identification.find("EventID")) == event
    assert code(identification.find("EventTypeCode")) == event_type
    requestors = [participant.get("UserIsRequestor") for participant in found.iter("ActiveParticipant")]
    assert sorted(requestors) == ["false", "true"]


def test_every_kind_but_other_has_a_form() -> None:
    assert set(_FORMS) == set(AuditKind) - {AuditKind.OTHER}


def test_the_codes_are_dicoms() -> None:
    known = {value: meaning for words in concepts["DCM"].values() for value, (meaning, _) in words.items()}
    for form in _FORMS.values():
        for value, meaning in filter(None, (form.event, form.event_type, form.node_role, form.actor_role)):
            assert known[value].startswith(meaning), value


def test_a_transfer() -> None:
    study = AuditObject("1.2.3", ((MR, 7), ("1.2.840.10008.5.1.4.1.1.2", 1)))
    found = message(AuditKind.TRANSFERRED, actor="MR1@192.0.2.1", objects=(study,))
    sender, node = found.findall("ActiveParticipant")
    assert sender.attrib == {
        "UserID": "MR1",
        "UserIsRequestor": "true",
        "NetworkAccessPointID": "192.0.2.1",
        "NetworkAccessPointTypeCode": "2",
    }
    assert (code(sender.find("RoleIDCode")), code(node.find("RoleIDCode"))) == ("110153", "110152")
    assert (node.get("UserID"), node.get("NetworkAccessPointID")) == ("DICOMNODE", "node.example.org")
    (item,) = found.findall("ParticipantObjectIdentification")
    assert item.get("ParticipantObjectID") == "1.2.3"
    assert code(item.find("ParticipantObjectIDTypeCode")) == "110180"
    classes = [(part.get("UID"), part.get("NumberOfInstances")) for part in item.iter("SOPClass")]
    assert classes == [(MR, "7"), ("1.2.840.10008.5.1.4.1.1.2", "1")]


def test_an_export_names_its_destination() -> None:
    found = message(AuditKind.EXPORT, actor="pacs", objects=(AuditObject("1.2.3"),))
    destination = found.findall("ActiveParticipant")[0]
    assert code(destination.find("RoleIDCode")) == "110154"
    assert code(destination.find("MediaIdentifier/MediaType")) == "110037"


def test_a_query_tells_its_keys() -> None:
    found = message(AuditKind.QUERY, actor="anna@192.0.2.9", detail="studies by PatientName")
    query = found.find("ParticipantObjectIdentification/ParticipantObjectQuery")
    assert query is not None and base64.b64decode(query.text or "") == b"studies by PatientName"


def test_an_alert_and_awkward_characters() -> None:
    found = message(AuditKind.SECURITY_ALERT, actor="<&\"'@192.0.2.9", outcome=AuditOutcome.SERIOUS_FAILURE)
    assert found.findall("ActiveParticipant")[0].get("UserID") == "<&\"'"
    assert found.find("EventIdentification").get("EventOutcomeIndicator") == "8"
    detail = found.find("ParticipantObjectIdentification/ParticipantObjectDetail")
    assert detail is not None and b"detail" in base64.b64decode(detail.get("value", ""))
