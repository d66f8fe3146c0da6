"""Associations that the node opens: to targets and archives of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.conformance.document import Block, Heading, Paragraph, Table, table
from dicomnode.delivery.outcomes import OutcomeKind, statuses
from dicomnode.evidence.ladder import SENDABLE
from dicomnode.settings import PacsSettings, Settings, TargetSettings

_MEANINGS = {
    OutcomeKind.SUCCESS: "delivered",
    OutcomeKind.WARNING: "delivered, with a warning that is kept",
    OutcomeKind.TRANSIENT: "tried again, without end, with growing pauses",
    OutcomeKind.PERMANENT: "refused: kept for an administrator, who may have it tried again",
}


def written_classes() -> tuple[str, ...]:
    """Every SOP class that the node writes, older ones in place of newer ones among them."""
    return tuple(sorted(SENDABLE))


def calling(settings: Settings) -> Sequence[Block]:
    """Section 5."""
    return (
        Heading(2, "5 Association Initiation (SCU)"),
        Heading(3, "5.1 Peers that are called"),
        *_peers(settings),
        Heading(3, "5.2 Presentation contexts of Storage"),
        Paragraph(
            "Each class is proposed in the transfer syntax of the stored document, Explicit VR Little Endian, and in "
            "Implicit VR Little Endian, in contexts of their own; one association at a time for each target. Where a "
            "target does not accept a class, an older kind of object may go in its place (setting fallback), and the "
            "trace says so."
        ),
        table(("SOP class", "UID", "Transfer syntaxes"), _contexts()),
        Heading(3, "5.3 Answers to C-STORE and STOW-RS"),
        _statuses(),
        Heading(3, "5.4 Storage Commitment and Query/Retrieve"),
        *_others(settings),
    )


def _peers(settings: Settings) -> Iterator[Block]:
    rows = [*(_row("target", item) for item in settings.targets), *(_row("archive", item) for item in settings.pacs)]
    if rows:
        yield table(("Kind", "Name", "Where", "TLS", "Timeout"), rows)
    else:
        yield Paragraph("None is set: nothing is sent anywhere.")


def _row(kind: str, item: TargetSettings | PacsSettings) -> tuple[str, ...]:
    where = item.url or f"{item.ae_title} at {item.host}:{item.port}"
    tls = item.tls is not None or where.startswith("https:")
    return kind, item.name, where, "yes" if tls else "no", f"{item.timeout_seconds:g} s"


def _contexts() -> Iterable[tuple[str, ...]]:
    syntaxes = f"{ExplicitVRLittleEndian}, {ImplicitVRLittleEndian}"
    return ((UID(uid).name, uid, syntaxes) for uid in written_classes())


def _statuses() -> Table:
    rows = (
        (f"{lowest:04X}" if lowest == highest else f"{lowest:04X} to {highest:04X}", words, _MEANINGS[kind])
        for lowest, highest, kind, words in statuses()
    )
    other = ("any other", "unknown", _MEANINGS[OutcomeKind.PERMANENT])
    return table(("Status or Failure Reason", "Meaning", "The delivery is"), (*rows, other))


def _others(settings: Settings) -> Iterator[Block]:
    proofs = ((target.name, target.proof or "commitment, else read-back") for target in settings.targets)
    yield Paragraph(
        "Storage Commitment Push Model: N-ACTION after what was sent; the N-EVENT-REPORT is taken on the same or a new "
        "association. Read-back: C-FIND at the IMAGE level or QIDO-RS. What is missing is sent again."
    )
    yield table(("Target", "Proof of delivery"), proofs)
    fetched = ((pacs.name, pacs.retrieve or ("wado" if pacs.url else "c-get")) for pacs in settings.pacs)
    yield Paragraph("Archives are asked by Study Root C-FIND or QIDO-RS, and instances fetched as the table says.")
    yield table(("Archive", "Retrieve"), fetched)
