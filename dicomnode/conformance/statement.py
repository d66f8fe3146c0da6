"""The statement as a whole, in the order of topics of PS3.2."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dicomnode import __version__
from dicomnode.conformance.accepting import accepting
from dicomnode.conformance.calling import calling
from dicomnode.conformance.document import Block, Heading, Paragraph, table
from dicomnode.conformance.securing import securing
from dicomnode.conformance.services import network_services
from dicomnode.conformance.web_services import web_services
from dicomnode.conformance.writing import writing
from dicomnode.dicom.uids import NODE_MANUFACTURER
from dicomnode.settings import Settings


def write_statement(settings: Settings, day: date) -> Sequence[Block]:
    """Write the statement.

    Args:
        settings: The node's; another node's statement may differ.
        day: Date of issue.
    """
    return (
        Heading(1, f"DICOM Conformance Statement: {NODE_MANUFACTURER} {__version__}"),
        Paragraph(f"Of the node {settings.node.ae_title}, from its settings. Issued {day.isoformat()}."),
        Heading(2, "1 Conformance Statement Overview"),
        Paragraph(
            "dicomnode receives or fetches studies, has models of artificial intelligence look at those that are their "
            "business, and sends the answers as structured reports, segmentations, presentation states and pictures. "
            "It is not a medical device. Nothing that it writes was verified by a human."
        ),
        table(("Network service", "SOP class or transaction", "User (SCU)", "Provider (SCP)"), _overview(settings)),
        Paragraph("Media services: none."),
        *_introduction(),
        *_model(settings),
        *accepting(settings),
        *calling(settings),
        *web_services(settings),
        *_media_and_characters(),
        *securing(settings),
        *writing(settings),
    )


def _overview(settings: Settings) -> Sequence[tuple[str, str, str, str]]:
    return [
        (item.service, item.what, "yes" if item.user else "no", "yes" if item.provider else "no")
        for item in network_services(settings)
    ]


def _introduction() -> Sequence[Block]:
    return (
        Heading(2, "2 Introduction"),
        Paragraph(
            "For those who connect the node to other systems. Interoperability is not shown by comparing statements: "
            "test the connection. Terms are those of DICOM PS3 and of IHE RAD (IOCM, AIR)."
        ),
    )


def _model(settings: Settings) -> Sequence[Block]:
    flow = (
        ("Receives instances by C-STORE or STOW-RS", "Storage SCP, STOW-RS origin server"),
        (
            "Fetches what a PACS lists",
            "QIDO-RS and WADO-RS user agent, Study Root C-FIND, C-GET and C-MOVE SCU",
        ),
        ("Sends evidence and notes of recalls", "Storage SCU, STOW-RS user agent"),
        ("Makes sure that it is there", "Storage Commitment SCU, C-FIND SCU, QIDO-RS user agent"),
        ("Shows what it holds", "QIDO-RS and WADO-RS origin server"),
    )
    return (
        Heading(2, "3 Implementation Model"),
        Paragraph(
            f"One application entity, {settings.node.ae_title}, calls and is called. A study is analysed when it is "
            f"complete: {settings.completion.quiet_period_seconds:g} s without an instance and without an open "
            f"association, {settings.completion.deadline_seconds:g} s after its first instance at the latest"
            + (", and its instances compared with those of a PACS." if settings.completion.ask else ".")
        ),
        table(("Real-world activity", "Application function"), flow),
    )


def _media_and_characters() -> Sequence[Block]:
    return (
        Heading(2, "7 Media Storage"),
        Paragraph("None: the node neither reads nor writes media with a DICOMDIR."),
        Heading(2, "8 Character Sets"),
        Paragraph(
            "Received instances may use any Specific Character Set of PS3.3 C.12.1.1.2, with code extensions; they are "
            "stored byte for byte as they came. Everything that the node writes is in ISO_IR 192 (UTF-8); names keep "
            "all component groups. DICOM JSON is UTF-8."
        ),
    )
