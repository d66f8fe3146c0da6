"""DICOMweb, from the routes that the web server offers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastapi import APIRouter
from fastapi.routing import APIRoute

from dicomnode.conformance.document import Block, Heading, Paragraph, table
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
            f"what it holds. A STOW-RS request has {web.maximum_request_bytes} bytes at most. Metadata are "
            "application/dicom+json; instances application/dicom in the stored transfer syntax; frames as stored or "
            "application/octet-stream. Instances that are refused are named in a Store Instances Response with the "
            "reasons of section 4.4."
        ),
        table(("Transaction", "Method", "Resource"), transactions()),
        Paragraph("URI service (WADO-URI), worklist (UPS-RS) and notifications are not offered."),
    )
