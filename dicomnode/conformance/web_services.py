"""DICOMweb, from the routes that the web server offers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydicom.uid import UID

from dicomnode.archive.matching import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS
from dicomnode.conformance.document import Block, Heading, Paragraph, table
from dicomnode.dicom.transcoding import offered_syntaxes
from dicomnode.settings import Settings
from dicomnode.web.dicomweb.pixels import add_pixel_routes
from dicomnode.web.dicomweb.qido import add_search_routes
from dicomnode.web.dicomweb.rendered import add_rendered_routes
from dicomnode.web.dicomweb.stow import add_store_routes
from dicomnode.web.dicomweb.wado import add_retrieve_routes

_ROUTES = (
    ("Search (QIDO-RS)", add_search_routes),
    ("Retrieve (WADO-RS)", add_retrieve_routes),
    ("Retrieve (WADO-RS)", add_pixel_routes),
    ("Retrieve (WADO-RS)", add_rendered_routes),
    ("Store (STOW-RS)", add_store_routes),
)


def transactions() -> Iterator[tuple[str, str, str]]:
    """Transaction, method and path of each resource."""
    for name, add_routes in _ROUTES:
        router = APIRouter()
        add_routes(router)
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield name, " ".join(sorted(route.methods or ())), route.path


def web_services(settings: Settings) -> Sequence[Block]:
    """Section 6."""
    web = settings.web
    scheme = "https" if web.tls.enabled else "http"
    return (
        Heading(2, "6 DICOMweb Services (PS3.18)"),
        Paragraph(
            f"Origin server at {scheme}://{web.host}:{web.port}, Studies resource, with the node's own results among "
            "what it holds. Answers to GET and HEAD of what is retrieved have a strong entity tag (If-None-Match); "
            "those in JSON are compressed (gzip) where the client takes it, instances, frames and pictures never are."
        ),
        table(("Transaction", "Method", "Resource"), transactions()),
        *_search(settings),
        *_retrieval(),
        *_storage(settings),
        Paragraph("URI service (WADO-URI), worklist (UPS-RS) and notifications are not offered."),
    )


def _search(settings: Settings) -> Iterator[Block]:
    yield Heading(3, "6.1 Search (QIDO-RS)")
    yield table(
        ("Level", "Matching keys"),
        (
            ("Study", ", ".join(sorted(STUDY_KEYS))),
            ("Series, and those of studies", ", ".join(sorted(SERIES_KEYS))),
            ("Instance, and those of series and studies", ", ".join(sorted(INSTANCE_KEYS))),
        ),
    )
    yield Paragraph(
        "Keys are named by keyword or tag; ScheduledProcedureStepID and RequestedProcedureID also as items of Request "
        "Attributes Sequence, of which the first item is searched. Single value, wild card (* and ?), range of dates "
        "and times, list of UIDs, and universal matching; a key that is not listed is refused with 400. Person names "
        "match without regard to case, other text with regard to it. With fuzzymatching=true, Patient's Name and "
        "Referring Physician's Name match besides if each word that is asked for begins a word of the name, in any of "
        "its groups and in any order, without regard to case and diacritical marks."
    )
    yield Paragraph(
        "includefield is answered at every level: of studies and series from one of their instances, with attributes "
        "of the Patient, Study, Series, Equipment and Frame of Reference modules; of instances with any attribute. An "
        f"answer tells {settings.web.maximum_results} matches at most, with Warning 299 if there are more; limit and "
        "offset page through them. No match is an empty list with status 200."
    )


def _retrieval() -> Iterator[Block]:
    made = ", ".join(UID(uid).name for uid in offered_syntaxes())
    yield Heading(3, "6.2 Retrieve (WADO-RS)")
    yield table(
        ("Resource", "Media types", "Transfer syntaxes"),
        (
            ("Instances", "application/dicom, bare or in multipart/related", f"as stored (*), {made}"),
            (
                "Frames, pixel data",
                "as stored; application/octet-stream; image/jls, image/jp2, image/dicom-rle",
                "as stored (*), or made from what can be decoded",
            ),
            ("Bulk data", "application/octet-stream, bare or in multipart/related; byte ranges", "uncompressed"),
            ("Metadata", "application/dicom+json", ""),
            ("Rendered, thumbnail", "image/jpeg, image/png, image/gif (moving for frames of one image)", ""),
            ("Rendered documents", "SR: text/html, text/plain; encapsulated PDF: application/pdf", ""),
        ),
    )
    yield Paragraph(
        "Ranges with quality values and wild cards are weighed; what none of them can be answered with is refused "
        "with 406 and the reason. Without a transfer syntax an instance comes in Explicit VR Little Endian, or as "
        "stored where it is lossy or cannot be decoded here. Rewritten instances keep their SOP Instance UID; "
        "compression is lossless. Objects without pixels are never compressed."
    )
    yield Paragraph(
        "Pictures are rendered with the image's own VOI LUT or window, else from its range of values. Query "
        "parameters: window (linear, linear-exact, sigmoid), viewport, quality. annotation and iccprofile have no "
        "effect, which a Warning says. Presentation states are not applied."
    )


def _storage(settings: Settings) -> Iterator[Block]:
    yield Heading(3, "6.3 Store (STOW-RS)")
    yield Paragraph(
        "Instances come as multipart/related of application/dicom, one alone as application/dicom, or as "
        "multipart/related of application/dicom+json with their bulk data, each named by Content-Location; the frames "
        f"of compressed pixel data are a part each. A request has {settings.web.maximum_request_bytes} bytes at most. "
        "The Store Instances Response (application/dicom+json) names what is refused with the reasons of section 4.4; "
        "metadata in another character set than UTF-8 are stored with Warning Reason B000. Status 200: all stored, "
        "202: some, or with warnings, 409: none, 503: none now, and trying again may help."
    )
