"""What a peer accepts, learnt by proposing it: presentation contexts are negotiated, nothing is sent (PS3.8 7.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from dicomnode.errors import PeerRefusedError
from dicomnode.peers.association import MAXIMUM_CONTEXTS, SOP_CLASS_NOT_SUPPORTED, DimsePeer, associated

# What the node may ask of a peer besides storing.
SERVICES: tuple[str, ...] = (
    Verification,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)
_OF_SERVICES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What a peer answered.

    Attributes:
        accepted: Transfer syntaxes accepted for each abstract syntax; classes that it refused are absent.
        implementation_class_uid: Of the peer (PS3.7 D.3.3.2); empty if it accepted no association.
        implementation_version_name: Likewise, and empty if it does not tell.
        maximum_length: Largest PDU that it receives, bytes; 0 of one without a limit, None if unknown.
    """

    accepted: Mapping[str, tuple[str, ...]]
    implementation_class_uid: str
    implementation_version_name: str
    maximum_length: int | None


def probe(peer: DimsePeer, sop_classes: Sequence[str], transfer_syntaxes: Sequence[str]) -> Negotiated:
    """Propose every SOP class with every transfer syntax, each pair in a context of its own, and the services.

    Args:
        peer: Who is asked.
        sop_classes: Storage SOP classes.
        transfer_syntaxes: Those that the sender can encode.

    Raises:
        PeerUnavailableError: No association.
    """
    pairs = [(sop_class, syntax) for sop_class in sop_classes for syntax in transfer_syntaxes]
    pairs += [(service, syntax) for service in SERVICES for syntax in _OF_SERVICES]
    accepted: dict[str, list[str]] = {}
    about: tuple[str, str, int | None] = ("", "", None)
    for batch in _batches(pairs):
        try:
            with associated(peer, batch) as association:
                about = _about(association)
                for context in association.accepted_contexts:
                    accepted.setdefault(str(context.abstract_syntax), []).append(str(context.transfer_syntax[0]))
        except PeerRefusedError as error:
            if error.status != SOP_CLASS_NOT_SUPPORTED:
                raise
    return Negotiated({uid: tuple(syntaxes) for uid, syntaxes in accepted.items()}, *about)


def _batches(pairs: Sequence[tuple[str, str]]) -> Iterator[list[PresentationContext]]:
    for start in range(0, len(pairs), MAXIMUM_CONTEXTS):
        yield [build_context(*pair) for pair in pairs[start : start + MAXIMUM_CONTEXTS]]


def _about(association: Association) -> tuple[str, str, int | None]:
    acceptor = association.acceptor
    class_uid, version = acceptor.implementation_class_uid, acceptor.implementation_version_name
    return str(class_uid or ""), str(version or "").strip(), acceptor.maximum_length
