"""Associations that the node accepts: who may call, what is negotiated, how each error is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from dicomnode.conformance.document import Block, Heading, Paragraph, Table, table
from dicomnode.conformance.services import offered
from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.intake.admission import Peer, rules_of
from dicomnode.intake.negotiation import TRANSFER_SYNTAXES, is_storage
from dicomnode.intake.statuses import answers
from dicomnode.settings import Settings


def storage_classes() -> tuple[str, ...]:
    """Every standard SOP class that the listener stores."""
    return tuple(sorted(uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and is_storage(uid)))


def accepting(settings: Settings) -> Sequence[Block]:
    """Section 4."""
    return (
        Heading(2, "4 Association Acceptance (SCP)"),
        Heading(3, "4.1 Policies"),
        _policies(settings),
        Heading(3, "4.2 Who may call"),
        *_callers(settings),
        Heading(3, "4.3 Presentation contexts"),
        *_contexts(settings),
        Heading(3, "4.4 Statuses of C-STORE"),
        _statuses(),
    )


def _policies(settings: Settings) -> Table:
    receive = settings.receive
    listens = f"{receive.host} port {receive.port}"
    others = ", ".join(sorted(rules_of(settings).own_ae_titles - {settings.node.ae_title}))
    return table(
        ("Property", "Value"),
        (
            ("Application context name", "1.2.840.10008.3.1.1.1"),
            ("AE title", settings.node.ae_title),
            ("Other AE titles", others or "none"),
            ("Called AE title must match", "yes" if receive.require_called_ae_title else "no"),
            ("Listens on", listens),
            ("Maximum PDU size received", f"{receive.maximum_pdu_bytes} bytes"),
            ("Simultaneous associations", str(receive.maximum_associations)),
            ("Network timeout", f"{receive.network_timeout_seconds:g} s"),
            ("Association without a stored instance is aborted after", f"{receive.idle_timeout_seconds:g} s"),
            ("Asynchronous operations window", "not supported: one operation at a time, whatever is proposed"),
            ("Message fragments of several presentation contexts", _interleaved(settings)),
            ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
            ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
            ("SOP Class Common Extended Negotiation", "accepted: a class of the Storage Service Class is stored"),
            ("SOP Class Extended Negotiation", "not used"),
            ("User Identity Negotiation", "not used; peers are known by AE title, address and certificate"),
        ),
    )


def _interleaved(settings: Settings) -> str:
    if settings.receive.engine == "own":
        return "may be interleaved; messages are answered in the order in which they end"
    return "may not be interleaved"


def _callers(settings: Settings) -> Iterator[Block]:
    rules = rules_of(settings)
    if rules.accept_unknown_peers:
        yield Paragraph("Peers that are not named may echo and store.")
    else:
        yield Paragraph("A peer that is not named here is rejected (permanent, calling AE title not recognised).")
    if rules.peers:
        headers = ("AE title", "From", "May", "TLS required", "Simultaneous associations")
        yield table(headers, (_caller(peer) for peer in rules.peers))
    yield Paragraph(
        "Over a limit, or while there is no room on the disk, associations that would store are rejected for now "
        "(transient, local limit exceeded)."
    )


def _caller(peer: Peer) -> tuple[str, ...]:
    places = ", ".join((*map(str, peer.networks), *peer.hosts)) or "any address"
    limit = "no limit of its own" if peer.maximum_associations is None else str(peer.maximum_associations)
    return (
        peer.ae_title,
        places,
        ", ".join(sorted(peer.may)),
        "yes" if peer.require_tls else "no",
        limit,
    )


def _contexts(settings: Settings) -> Iterator[Block]:
    may = offered(settings)
    if "store" not in may:
        yield Paragraph("No peer may store; the tables say what one that may could.")
    yield Paragraph(
        "Accepted are Verification, every SOP class below, and every private class or class newer than this table, as "
        "storage: the node keeps what it does not understand. Storage level 2 (Full); elements are neither discarded "
        "nor coerced. Of the transfer syntaxes offered for a class the first that is in the list is accepted. The "
        "role is SCP; for Storage Commitment Push Model, from a target, SCU after role selection (N-EVENT-REPORT)."
    )
    yield table(("Transfer syntax", "UID"), ((_name(uid), uid) for uid in sorted(TRANSFER_SYNTAXES)))
    yield table(("Storage SOP class", "UID"), ((_name(uid), uid) for uid in storage_classes()))


def _statuses() -> Table:
    stored = ("0000", "success", "The instance and the record of its arrival survive a power cut.", "")
    failed = (
        (f"{answer.dimse_status:04X}", answer.comment, _when(kind), "yes" if answer.transient else "no")
        for kind, answer in answers()
    )
    return table(("Status", "Error Comment", "When", "Worth another try"), (stored, *failed))


def _when(kind: type[Exception]) -> str:
    if kind is Exception:
        return "Anything else."
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]


def _name(uid: str) -> str:
    name = UID(uid).name
    return "private or without a name" if name == uid else name
