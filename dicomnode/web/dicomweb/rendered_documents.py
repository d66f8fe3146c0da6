"""WADO-RS: structured reports as text and encapsulated documents as they are (PS3.18 8.7.4, text category)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from fastapi import Request
from fastapi.responses import Response
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode import __version__
from dicomnode.archive.held import HeldInstance
from dicomnode.dicom.content_tree import ContentItem, read_content
from dicomnode.errors import NotFoundError
from dicomnode.web.dicomweb.conditional import caching_headers, has_already, not_modified
from dicomnode.web.dicomweb.found import instance_address, tag_of
from dicomnode.web.dicomweb.media import accepted, not_acceptable
from dicomnode.web.dicomweb.multipart import Part, single_response

_HTML, _PLAIN, _PDF = "text/html", "text/plain", "application/pdf"


def rendered_document(request: Request, held: HeldInstance) -> Response:
    """An object that is no image, in words.

    Raises:
        NotFoundError: It is no document either.
        HTTPException: 406, the client takes none of its forms.
    """
    dataset = dcmread(held.instance.path, force=True)
    forms = _forms(dataset)
    if not forms:
        raise NotFoundError("this is neither an image nor a document that can be shown, thus it cannot be rendered")
    media_type = _chosen(request, list(forms))
    tag = tag_of(request, [held], "rendered", media_type, __version__)
    if has_already(request, tag):
        return not_modified(request, tag)
    kind = media_type if media_type == _PDF else f"{media_type}; charset=utf-8"
    part = Part(kind, f"{instance_address(request, held)}/rendered", forms[media_type](dataset))
    return single_response(part, caching_headers(tag))


def _forms(dataset: Dataset) -> dict[str, Callable[[Dataset], bytes]]:
    """What a document can be shown as, the default first."""
    if "ValueType" in dataset:
        return {_HTML: _as_html, _PLAIN: _as_text}
    if dataset.get("MIMETypeOfEncapsulatedDocument") == _PDF and "EncapsulatedDocument" in dataset:
        return {_PDF: _encapsulated}
    return {}


def _chosen(request: Request, offered: list[str]) -> str:
    for wanted in accepted(request):
        for media_type in offered:
            if wanted.part in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
                return media_type
    raise not_acceptable(f"this document comes as {' or '.join(offered)}")


def _encapsulated(dataset: Dataset) -> bytes:
    length = dataset.get("EncapsulatedDocumentLength")
    return bytes(dataset.EncapsulatedDocument)[: None if length is None else int(length)]


def _as_text(dataset: Dataset) -> bytes:
    return "\n".join(_lines(read_content(dataset), 0)).encode()


def _lines(item: ContentItem, depth: int) -> Iterator[str]:
    yield "  " * depth + ": ".join(word for word in (item.concept, item.value) if word)
    for child in item.children:
        yield from _lines(child, depth + 1)


def _as_html(dataset: Dataset) -> bytes:
    root = read_content(dataset)
    title = escape(root.concept or "Structured report")
    body = "".join(_list_items(root))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><ul>{body}</ul></body></html>"
    ).encode()


def _list_items(item: ContentItem) -> Iterator[str]:
    for child in item.children:
        words = ": ".join(escape(word) for word in (child.concept, child.value) if word)
        below = "".join(_list_items(child))
        yield f"<li>{words}{f'<ul>{below}</ul>' if below else ''}</li>"
