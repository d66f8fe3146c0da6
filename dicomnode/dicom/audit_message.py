"""Audit messages as XML by the schema of PS3.15 A.5.1, one line each.

Where they depart from A.5.3: no participant object says who the patient is, and a query's values are left out. The
trail names studies by UID; who is in a study, only the archive says.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from dicomnode.dicom.audit import AuditEntry, AuditKind, split_actor

_DCM, _OWN = "DCM", "99DICOMNODE"
_SYSTEM_OBJECT, _REPORT, _SECURITY_RESOURCE, _QUERY = "2", "3", "13", "24"  # ParticipantObjectTypeCode and its role
_MACHINE_NAME, _IP_ADDRESS = "1", "2"
_APPLICATION_SERVER = "4"  # AuditSourceTypeCode, an application server
_STUDY_INSTANCE_UID, _SOP_CLASS_UID = ("110180", "Study Instance UID"), ("110181", "SOP Class UID")
_NODE_ID, _URI = ("110182", "Node ID"), ("110037", "URI")
_APPLICATION, _DESTINATION, _SOURCE = ("110150", "Application"), ("110152", "Destination"), ("110153", "Source")
_DESTINATION_MEDIA = ("110154", "Destination Media")

Code = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports.

    Attributes:
        ae_title: The node's AE title.
        host: Its machine.
        process_id: Of the process that reports.
    """

    ae_title: str
    host: str
    process_id: int


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of event is written: PS3.15 A.5.3, codes of CID 400, 401 and 402.

    Attributes:
        event: EventID.
        action: EventActionCode.
        event_type: EventTypeCode.
        node_role: RoleIDCode of the node.
        actor_role: RoleIDCode of the other participant.
        node_asks: Whether the node is the requestor.
    """

    event: Code
    action: str
    event_type: Code | None = None
    node_role: Code | None = None
    actor_role: Code | None = None
    node_asks: bool = False


_ACTIVITY, _AUTHENTICATION = ("110100", "Application Activity"), ("110114", "User Authentication")
_ALERT = ("110113", "Security Alert")
_FORMS = {
    AuditKind.START: _Form(_ACTIVITY, "E", ("110120", "Application Start"), _APPLICATION),
    AuditKind.STOP: _Form(_ACTIVITY, "E", ("110121", "Application Stop"), _APPLICATION),
    AuditKind.LOG_USED: _Form(("110101", "Audit Log Used"), "R"),
    AuditKind.BEGIN_TRANSFER: _Form(
        ("110102", "Begin Transferring DICOM Instances"), "E", None, _SOURCE, _DESTINATION, node_asks=True
    ),
    AuditKind.TRANSFERRED: _Form(("110104", "DICOM Instances Transferred"), "C", None, _DESTINATION, _SOURCE),
    AuditKind.ACCESSED: _Form(("110103", "DICOM Instances Accessed"), "R", None, _SOURCE, _DESTINATION),
    AuditKind.STUDY_DELETED: _Form(("110105", "DICOM Study Deleted"), "D", node_asks=True),
    AuditKind.EXPORT: _Form(("110106", "Export"), "R", None, _SOURCE, _DESTINATION_MEDIA, node_asks=True),
    AuditKind.QUERY: _Form(("110112", "Query"), "E", None, _DESTINATION, _SOURCE),
    AuditKind.QUERY_SENT: _Form(("110112", "Query"), "E", None, _SOURCE, _DESTINATION, node_asks=True),
    AuditKind.LOGIN: _Form(_AUTHENTICATION, "E", ("110122", "Login")),
    AuditKind.LOGOUT: _Form(_AUTHENTICATION, "E", ("110123", "Logout")),
    AuditKind.SECURITY_ALERT: _Form(_ALERT, "E", ("110132", "Use of Restricted Function"), node_asks=True),
    AuditKind.NODE_AUTHENTICATION: _Form(_ALERT, "E", ("110126", "Node Authentication"), node_asks=True),
    AuditKind.USERS: _Form(_ALERT, "E", ("110137", "User Security Attributes Changed"), node_asks=True),
    AuditKind.CONFIGURATION: _Form(_ALERT, "E", ("110131", "Software Configuration"), node_asks=True),
}
_OTHER = _Form(("node", "Event of the node"), "E", node_asks=True)


def audit_message(entry: AuditEntry, reporter: Reporter) -> str:
    """The message of an entry, without line breaks.

    Args:
        entry: What happened.
        reporter: Who says so.
    """
    form = _FORMS.get(entry.kind, _OTHER)
    message = Element("AuditMessage")
    _identify(message, entry, form)
    _take_part(message, entry, form, reporter)
    source = SubElement(message, "AuditSourceIdentification", AuditSourceID=reporter.ae_title)
    kind = {"csd-code": _APPLICATION_SERVER, "codeSystemName": "DCM", "originalText": "Application server process"}
    SubElement(source, "AuditSourceTypeCode", kind)
    _concern(message, entry, form, reporter)
    return tostring(message, encoding="unicode")


def _identify(message: Element, entry: AuditEntry, form: _Form) -> None:
    at = entry.at.isoformat(timespec="milliseconds")
    attributes = {"EventActionCode": form.action, "EventDateTime": at, "EventOutcomeIndicator": str(int(entry.outcome))}
    event = SubElement(message, "EventIdentification", attributes)
    _code(event, "EventID", form.event)
    if form.event_type is not None:
        _code(event, "EventTypeCode", form.event_type)
    SubElement(event, "EventOutcomeDescription").text = (
        f"{entry.event}: {entry.detail}" if entry.detail else entry.event
    )


def _take_part(message: Element, entry: AuditEntry, form: _Form, reporter: Reporter) -> None:
    name, address = split_actor(entry.actor)
    if entry.actor:
        actor = _participant(message, name or address, not form.node_asks, address, _IP_ADDRESS)
        if form.actor_role is not None:
            _code(actor, "RoleIDCode", form.actor_role)
        if form.actor_role is _DESTINATION_MEDIA:
            _code(SubElement(actor, "MediaIdentifier"), "MediaType", _URI)
    asks = form.node_asks or not entry.actor
    node = _participant(message, reporter.ae_title, asks, reporter.host, _MACHINE_NAME)
    node.set("AlternativeUserID", str(reporter.process_id))
    if form.node_role is not None:
        _code(node, "RoleIDCode", form.node_role)


def _participant(message: Element, user: str, asks: bool, address: str, address_type: str) -> Element:
    attributes = {"UserID": user, "UserIsRequestor": str(asks).lower()}
    if address:
        attributes |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": address_type}
    return SubElement(message, "ActiveParticipant", attributes)


def _concern(message: Element, entry: AuditEntry, form: _Form, reporter: Reporter) -> None:
    for item in entry.objects:
        study = _object(message, item.study_instance_uid, _REPORT, _STUDY_INSTANCE_UID)
        SubElement(study, "ParticipantObjectName").text = "study"
        described = SubElement(study, "ParticipantObjectDescription")
        for sop_class_uid, count in item.sop_classes:
            SubElement(described, "SOPClass", UID=sop_class_uid, NumberOfInstances=str(count))
    if form.event[0] == "110112":
        query = _object(message, "query", _QUERY, _SOP_CLASS_UID)
        # Which keys were asked for; their values may name a patient
        SubElement(query, "ParticipantObjectQuery").text = base64.b64encode(entry.detail.encode()).decode()
    elif form.event is _ALERT:
        subject = _object(message, reporter.ae_title, _SECURITY_RESOURCE, _NODE_ID)
        SubElement(subject, "ParticipantObjectName").text = reporter.ae_title
        value = base64.b64encode(json.dumps({"event": entry.event, "detail": entry.detail}).encode()).decode()
        SubElement(subject, "ParticipantObjectDetail", type="Alert Description", value=value)


def _object(message: Element, identifier: str, role: str, id_type: Code) -> Element:
    attributes = {
        "ParticipantObjectID": identifier,
        "ParticipantObjectTypeCode": _SYSTEM_OBJECT,
        "ParticipantObjectTypeCodeRole": role,
    }
    found = SubElement(message, "ParticipantObjectIdentification", attributes)
    _code(found, "ParticipantObjectIDTypeCode", id_type)
    return found


def _code(parent: Element, name: str, code: Code) -> None:
    value, meaning = code
    scheme = _DCM if value.isdigit() else _OWN
    SubElement(parent, name, {"csd-code": value, "codeSystemName": scheme, "originalText": meaning})
