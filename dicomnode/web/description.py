"""The OpenAPI description of the web role, made from its routes: what each takes, answers and asks for.

Routes of the programs' interface have typed bodies, which FastAPI describes; of DICOMweb and the pages
the tables here say what they take and answer.
"""

from __future__ import annotations

import inspect
import re
from http import HTTPStatus
from typing import Any, TypeAlias, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from dicomnode import __version__
from dicomnode.archive.account_records import Role
from dicomnode.archive.study_list import Standing
from dicomnode.findings import Outcome
from dicomnode.web.access.rights import ROUTES, Right
from dicomnode.web.dicomweb.addresses import SERVICE
from dicomnode.web.dicomweb.media import DICOM, DICOM_JSON, MULTIPART, OCTET_STREAM

API = "/api/v1"
DESCRIPTION = f"{API}/openapi.json"

Json: TypeAlias = dict[str, Any]

_PROBLEM, _HTML, _JSON = "application/problem+json", "text/html", "application/json"
_FORM, _EVENTS = "application/x-www-form-urlencoded", "text/event-stream"
_UID: Json = {"type": "string", "pattern": r"^[0-9.]{1,64}$"}
_COUNT: Json = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_TEXT: Json = {"type": "string"}
_BYTES: Json = {"type": "string", "format": "binary"}
_NUMBERS: Json = {"type": "string", "pattern": r"^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*$"}
_PATH_PARAMETERS: dict[str, Json] = {
    "study_uid": _UID,
    "series_uid": _UID,
    "sop_uid": _UID,
    "numbers": _NUMBERS,
    "delivery_id": _COUNT,
    "number": _COUNT,
    "which": {"enum": ["image", "mask", "crop"]},
    "kind": {"enum": ["target", "pacs", "poller"]},
}
_SEARCH: dict[str, Json] = {
    "limit": _COUNT,
    "offset": _COUNT,
    "fuzzymatching": {"type": "boolean"},
    "includefield": _TEXT,
    "StudyInstanceUID": _TEXT,
    "StudyDate": _TEXT,
    "PatientID": _TEXT,
    "ModalitiesInStudy": _TEXT,
}
_RENDERING: dict[str, Json] = {
    "window": {"type": "string", "pattern": r"^-?[0-9]{1,5},[1-9][0-9]{0,4}(,(linear|linear-exact|sigmoid))?$"},
    "viewport": {"type": "string", "pattern": r"^[1-9][0-9]{0,2},[1-9][0-9]{0,2}$"},
    "quality": {"type": "integer", "minimum": 1, "maximum": 100},
}
_STUDIES: dict[str, Json] = {
    "q": {"type": "string", "maxLength": 64},
    "standing": {"enum": ["", *Standing]},
    "modality": {"type": "string", "maxLength": 64},
    "model": {"type": "string", "maxLength": 255},
    "outcome": {"enum": ["", *Outcome]},
    "first": {"type": "string", "pattern": r"^([0-9]{4}-?[0-9]{2}-?[0-9]{2})?$"},
    "last": {"type": "string", "pattern": r"^([0-9]{4}-?[0-9]{2}-?[0-9]{2})?$"},
}
_QUERIES: dict[str, dict[str, Json]] = {
    "/health/ready": {"verbose": _TEXT},
    "/login": {"next": _TEXT},
    "/api/v1/events": {"names": _TEXT},
    "/studies": {**_STUDIES, "offset": _COUNT},
    "/api/v1/studies": {**_STUDIES, "offset": _COUNT, "limit": {"type": "integer", "minimum": 1, "maximum": 200}},
}
_ROLE: Json = {"enum": [str(role) for role in Role]}
_FORMS: dict[str, dict[str, Json]] = {
    "/login": {"name": _TEXT, "password": _TEXT, "next": _TEXT},
    "/password": {"old": _TEXT, "new": _TEXT, "again": _TEXT},
    "/models/{name}/state": {"state": {"enum": ["off", "silent", "live"]}, "digest": _TEXT},
    "/accounts/add": {"name": _TEXT, "role": _ROLE},
    "/accounts/role": {"name": _TEXT, "role": _ROLE},
    "/accounts/disable": {"name": _TEXT},
    "/accounts/enable": {"name": _TEXT},
    "/accounts/reset": {"name": _TEXT},
    "/tokens/add": {"name": _TEXT, "role": _ROLE, "label": _TEXT, "days": {"type": "integer", "minimum": 1}},
    "/tokens/revoke": {"token": _COUNT},
}
_SCHEMAS: Json = {
    "Problem": {
        "description": "RFC 9457.",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT},
    },
    "DicomJson": {
        "description": "The DICOM JSON Model, PS3.18 Annex F.",
        "type": "object",
        "additionalProperties": {"type": "object", "required": ["vr"], "properties": {"vr": _TEXT}},
    },
    "Health": {"type": "object", "required": ["status"], "properties": {"status": _TEXT, "checks": {"type": "object"}}},
}
_LIST_OF_DICOM: Json = {"type": "array", "items": {"$ref": "#/components/schemas/DicomJson"}}
_OF_MEDIA: dict[str, Json] = {
    _PROBLEM: {"$ref": "#/components/schemas/Problem"},
    _JSON: {"$ref": "#/components/schemas/Health"},
    DICOM_JSON: {"$ref": "#/components/schemas/DicomJson"},
}

_PROBLEM_CONTENT: Json = {_PROBLEM: {"schema": _OF_MEDIA[_PROBLEM]}}
_ABOUT = "DICOMweb (PS3.18), the programs' interface, health and pages."
_FASTAPI_INVALID = "422"  # what FastAPI answers to wrong input by itself; this node says 400 by a problem document
# What may befall any request: another host name, too many requests, and a node in trouble.
_ALWAYS = (400, 421, 429, 500, 503)
_REFUSALS = (401, 403)
_WITHOUT_CONTENT = frozenset((204, 303, 304))
# Of the API, what answers with other things than JSON bodies of its own types
_EVENT_STREAM = f"{API}/events"
_UNTYPED = frozenset((DESCRIPTION, _EVENT_STREAM))
# Of each resource that can be read, as RFC 9110 has them.
_IMPLIED = frozenset(("HEAD", "OPTIONS"))


def add_description_route(router: APIRouter) -> None:
    """One document, for programs; there are no interactive pages."""
    router.add_api_route(DESCRIPTION, description, methods=["GET"])


def description(request: Request) -> Response:
    """This description (OpenAPI 3.1)."""
    return JSONResponse(describe(cast(FastAPI, request.app)))


def describe(app: FastAPI) -> Json:
    """The description of an application's routes."""
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    typed = [route for route in routes if route.path.startswith(f"{API}/") and route.path not in _UNTYPED]
    whole = get_openapi(title="dicomnode", version=__version__, routes=typed)
    paths: dict[str, Json] = {}
    for route in routes:
        for method in sorted(set(route.methods or ()) - _IMPLIED):
            known = whole["paths"][route.path_format][method.lower()] if route in typed else None
            operation = _operation(method, route) if known is None else _typed_operation(method, route, known)
            paths.setdefault(route.path_format, {})[method.lower()] = operation
    schemas = {**whole.get("components", {}).get("schemas", {}), **_SCHEMAS}
    schemes = {"token": {"type": "http", "scheme": "bearer"}, "password": {"type": "http", "scheme": "basic"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dicomnode", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": schemes},
    }


def _typed_operation(method: str, route: APIRoute, known: Json) -> Json:
    """What FastAPI says of a route with typed bodies, and the refusals, rights and problems of this node."""
    right = ROUTES.get((method, route.path))
    responses = {status: answer for status, answer in known["responses"].items() if status != _FASTAPI_INVALID}
    refusals = () if right is Right.OPEN else _REFUSALS
    missing = (HTTPStatus.NOT_FOUND.value,) if "{" in route.path or method == "POST" else ()
    for status in (*_ALWAYS, *refusals, *missing):
        responses.setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": _PROBLEM_CONTENT})
    return known | _of_every_operation(method, route, right) | {"responses": responses}


def _operation(method: str, route: APIRoute) -> Json:
    right = ROUTES.get((method, route.path))
    content = _of_every_operation(method, route, right) | {
        "parameters": _parameters(method, route.path_format),
        "responses": _responses(method, route.path_format, right),
    }
    if method == "POST":
        content["requestBody"] = {"content": _body(route.path)}
    return content


def _of_every_operation(method: str, route: APIRoute, right: Right | None) -> Json:
    return {
        "operationId": f"{method.lower()}_{route.path_format}",
        "summary": (inspect.getdoc(route.endpoint) or "").partition("\n")[0],
        "description": f"Needs the right to {right}." if right is not Right.OPEN else "Open to everybody.",
        "security": [] if right is Right.OPEN else [{"token": []}, {"password": []}],
    }


def _body(path: str) -> Json:
    if path.startswith(SERVICE):
        return {MULTIPART: {"schema": _BYTES}, DICOM: {"schema": _BYTES}}
    if path.startswith("/review/"):
        return {_JSON: {"schema": {"type": "object"}}}
    fields = _FORMS.get(path, {})
    # A browser's form carries the token of its page besides; a program that shows a token needs none.
    return {_FORM: {"schema": {"type": "object", "properties": {**fields, "csrf": _TEXT}, "required": list(fields)}}}


def _parameters(method: str, path: str) -> list[Json]:
    named = re.findall(r"{(\w+)}", path)
    found = [{"name": n, "in": "path", "required": True, "schema": _PATH_PARAMETERS.get(n, _TEXT)} for n in named]
    query = _query(path) if method == "GET" else {}
    return found + [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]


def _query(path: str) -> dict[str, Json]:
    if _is_search(path):
        return _SEARCH
    return _RENDERING if path.endswith(("/rendered", "/thumbnail")) else _QUERIES.get(path, {})


def _responses(method: str, path: str, right: Right | None) -> Json:
    statuses, media_types = _answers(method, path)
    answers: Json = {}
    for status in sorted({*statuses, *_ALWAYS, *(() if right is Right.OPEN else _REFUSALS)}):
        types = media_types if status in statuses and status not in _WITHOUT_CONTENT else ()
        errors = (_PROBLEM,) if status >= HTTPStatus.BAD_REQUEST else ()
        content = {media: {"schema": _schema(media, path, status)} for media in (*types, *errors)}
        answers[str(status)] = {"description": HTTPStatus(status).phrase, **({"content": content} if content else {})}
    if "{" in path:
        answers.setdefault("404", answers["400"] | {"description": HTTPStatus.NOT_FOUND.phrase})
    return answers


def _answers(method: str, path: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The statuses of a route whose answers are of its own media types, and those types."""
    if path.startswith("/health"):
        return (200, 503), (_JSON,)
    if path == DESCRIPTION:
        return (200,), (_JSON,)
    if path == "/metrics":
        return (200,), ("text/plain", "application/openmetrics-text")
    if path == _EVENT_STREAM:
        return (200, 400), (_EVENTS,)
    if path.startswith(SERVICE) and method == "POST":
        return (200, 202, 406, 408, 409, 413, 415, 503), (DICOM_JSON,)
    if _is_search(path):
        return (200, 406), (DICOM_JSON,)
    if path.endswith("/metadata"):
        return (200, 304, 406), (DICOM_JSON,)
    if path.startswith(SERVICE) and path.endswith(("/rendered", "/thumbnail")):
        return (200, 304, 406), (MULTIPART, "image/*", _HTML, "text/plain", "application/pdf")
    if path.startswith(SERVICE):
        return (200, 206, 304, 406, 416), (MULTIPART, DICOM, OCTET_STREAM, "image/*")
    if path.startswith("/evidence"):
        return (200,), (DICOM,)
    if path.startswith("/reports/"):
        return (200, 404), (_HTML, _JSON, "image/*")
    if path.startswith("/review/"):
        return (200, 400, 404, 415), (_JSON, "image/png")
    if path.startswith("/login/oidc"):
        return (200, 303, 401, 404, 502), (_HTML,)
    if method == "POST":
        return (200, 303, 400, 401, 403, 404, 408, 409, 413, 429, 502), (_HTML,)
    return (200, 303, 401, 403), (_HTML,)


def _schema(media_type: str, path: str, status: int) -> Json:
    if media_type == DICOM_JSON and status == HTTPStatus.OK and (_is_search(path) or path.endswith("/metadata")):
        return _LIST_OF_DICOM
    if path == DESCRIPTION and media_type == _JSON:
        return {"type": "object", "required": ["openapi", "paths"]}
    if path.startswith(("/reports/", "/review/")) and media_type == _JSON:
        return {}
    return _OF_MEDIA.get(media_type, {})


def _is_search(path: str) -> bool:
    return path.startswith(SERVICE) and path.rpartition("/")[2] in ("studies", "series", "instances")
