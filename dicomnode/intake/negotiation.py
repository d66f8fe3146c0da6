"""Which presentation contexts the listener accepts (PS3.8 9.3.2, PS3.4 annex B)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pydicom._uid_dict import UID_dictionary
from pynetdicom import ALL_TRANSFER_SYNTAXES
from pynetdicom.pdu_primitives import SOPClassCommonExtendedNegotiation
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from dicomnode.settings.network import Service

STORAGE_SERVICE = "1.2.840.10008.4.2"
# Not encodings of a data set in an association: MIME, XML, and Papyrus' own file format.
_NO_DATA_SET = frozenset({"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20"})
TRANSFER_SYNTAXES = (
    frozenset(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax")
    | frozenset(ALL_TRANSFER_SYNTAXES)
) - _NO_DATA_SET


def is_storage(abstract_syntax: str) -> bool:
    """Whether a SOP class is stored: everything that DICOM does not define as another service.

    Private classes, and those newer than our dictionary, count as storage.
    """
    entry = UID_dictionary.get(abstract_syntax)
    if entry is None:
        return True
    name, kind = entry[0], entry[1]
    other = "Commitment" in name or "Directory" in name or "Creation" in name
    return kind == "SOP Class" and "Storage" in name and not other


def service_of(abstract_syntax: str) -> Service | None:
    """The service that a SOP class belongs to; None for those that the node has not."""
    if abstract_syntax == Verification:
        return "echo"
    if abstract_syntax == StorageCommitmentPushModel:
        return "commit"
    return "store" if is_storage(abstract_syntax) else None


def acceptable_contexts(
    requested: Iterable[PresentationContext], services: Collection[Service]
) -> list[PresentationContext]:
    """What to accept of a request: SOP classes of the services, storage in every transfer syntax of PS3.5.

    The sender's order of transfer syntaxes counts, so that it need not re-encode what it has. A class of another
    service is answered with "abstract syntax not supported" (PS3.8 9.3.3.2). Commitment is taken from its provider
    only, which reports to the node and must ask for that role (PS3.4 J.3.3).
    """
    ranks: dict[str, dict[str, int]] = {}
    for context in requested:
        wanted = ranks.setdefault(str(context.abstract_syntax), {})
        for rank, transfer_syntax in enumerate(map(str, context.transfer_syntax)):
            wanted[transfer_syntax] = min(rank, wanted.get(transfer_syntax, rank))
    accepted = []
    for abstract_syntax, wanted in ranks.items():
        service = service_of(abstract_syntax)
        if service not in services:
            continue
        known = sorted((uid for uid in wanted if uid in TRANSFER_SYNTAXES), key=wanted.__getitem__)
        if known:
            context = build_context(abstract_syntax, known)
            if service == "commit":
                context.scu_role, context.scp_role = False, True
            accepted.append(context)
    return accepted


def storage_by_negotiation(abstract_syntaxes: Iterable[str]) -> dict[str, SOPClassCommonExtendedNegotiation]:
    """Tell pynetdicom that these classes belong to the Storage Service, which it cannot know of private ones."""
    items = {}
    for abstract_syntax in abstract_syntaxes:
        if is_storage(abstract_syntax):
            item = SOPClassCommonExtendedNegotiation()
            item.sop_class_uid = abstract_syntax
            item.service_class_uid = STORAGE_SERVICE
            items[abstract_syntax] = item
    return items
