"""The application of the review page: one table, its rows as JSON, their pictures, and changes to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dicomnode import __version__
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.web.headers import SafetyHeaders
from dicomnode.web.pages.frame import Pages, PagesOf, who
from dicomnode.web.problems import add_error_handlers
from dicomnode.web.review.pictures import picture_size, screen_picture
from dicomnode.web.review.table import Row, Table

Which = Literal["image", "mask", "crop"]
PARTS: tuple[Which, ...] = ("image", "mask", "crop")

BASE = "/review"
_STATIC = Path(__file__).parents[1] / "static"


class Change(BaseModel):
    """What a reviewer wants of a row.

    Attributes:
        action: ``swap`` mask and crop, give a ``label``, draw a ``box``, or ``reset`` the row.
        label: For ``label``.
        box: For ``box``: left, top, right, bottom in pixels of the picture; none takes the mask's again.
    """

    model_config = ConfigDict(extra="forbid")

    action: Literal["swap", "label", "box", "reset"]
    label: str = ""
    box: tuple[float, float, float, float] | None = None


def create_review_app(table: Table, hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")) -> FastAPI:
    """Put the application together that shows this page alone.

    Args:
        table: What is reviewed.
        hosts: Names that the page may be asked for under: other sites must not reach it through the reviewer's browser.
    """
    app = FastAPI(title="dicomnode review", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.review = lambda: table
    app.state.pages = Pages()
    add_error_handlers(app)
    app.add_middleware(SafetyHeaders)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    router = APIRouter()
    router.add_api_route("/", page, methods=["GET"])
    _add_rows(router, "")
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


def add_review_routes(router: APIRouter) -> None:
    """The same among the node's pages, behind its login; the app's state says which table is at hand, if any."""
    router.add_api_route(BASE, node_page, methods=["GET"])
    _add_rows(router, BASE)


def _add_rows(router: APIRouter, base: str) -> None:
    router.add_api_route(f"{base}/rows", list_rows, methods=["GET"])
    router.add_api_route(f"{base}/rows/{{number}}", show_row, methods=["GET"])
    router.add_api_route(f"{base}/rows/{{number}}", change_row, methods=["POST"])
    router.add_api_route(f"{base}/rows/{{number}}/{{which}}.png", picture, methods=["GET"])


def _table_of(request: Request) -> Table:
    opened = cast("Callable[[], Table] | None", request.app.state.review)
    if opened is None:
        raise NotFoundError("no table is under review: the settings web.review.table and web.review.data name one")
    return opened()


def _base_of(request: Request) -> str:
    """Where the rows are: below the page in a node, beside it alone."""
    return BASE if request.url.path.startswith(BASE) else ""


TableOf = Annotated[Table, Depends(_table_of)]
BaseOf = Annotated[str, Depends(_base_of)]


def page(request: Request, table: TableOf, pages: PagesOf) -> Response:
    """The page, which asks for everything else."""
    content = {"ae_title": table.name, "version": __version__, **_content(table, "")}
    return pages.show(request, "review.html", content)


def node_page(request: Request, pages: PagesOf) -> Response:
    """The page among the node's; without a table, the one that says how to name one."""
    if request.app.state.review is None:
        return RedirectResponse("/reports#review-title", HTTPStatus.SEE_OTHER)
    return pages.show(request, "review.html", who(request.app.state.settings) | _content(_table_of(request), BASE))


def _content(table: Table, base: str) -> dict[str, object]:
    return {"table_name": table.name, "labels": table.labels, "parts": PARTS, "rows": f"{base}/rows"}


def list_rows(table: TableOf) -> list[dict[str, Any]]:
    """Every row in short."""
    return [
        {"number": row.number, "title": row.title, "noted": bool(row.notes), "changed": bool(row.changes)}
        for row in table.rows()
    ]


def show_row(table: TableOf, base: BaseOf, number: int) -> dict[str, Any]:
    """One row, with the addresses and sizes of its pictures."""
    return _described(table.row(number), base)


def change_row(table: TableOf, base: BaseOf, number: int, change: Change) -> dict[str, Any]:
    """Change a row; the answer is the row as it is now."""
    return _described(_changed(table, number, change), base)


def _changed(table: Table, number: int, change: Change) -> Row:
    if change.action == "swap":
        return table.swap(number)
    if change.action == "label":
        return table.relabel(number, change.label)
    if change.action == "box":
        _check_inside(table.row(number), change.box)
        return table.draw(number, change.box)
    return table.reset(number)


def picture(table: TableOf, number: int, which: Which) -> Response:
    """A row's picture, mask or crop as PNG; its address changes with the file."""
    path = _file(table.row(number), which)
    if path is None:
        raise NotFoundError(f"row {number} has no {which} in the data folder")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(screen_picture(path), media_type="image/png", headers=headers)


def _file(row: Row, which: Which) -> Path | None:
    return {"image": row.image, "mask": row.mask, "crop": row.crop}[which]


def _described(row: Row, base: str) -> dict[str, Any]:
    return {
        "number": row.number,
        "title": row.title,
        "label": row.label,
        "box": row.box,
        "notes": row.notes,
        "changes": row.changes,
        "pictures": {which: _address(row, which, base) for which in PARTS},
    }


def _address(row: Row, which: Which, base: str) -> dict[str, Any] | None:
    path = _file(row, which)
    if path is None:
        return None
    width, height = picture_size(path)
    mark = hashlib.sha256(f"{path} {path.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    name = "/".join(path.parts[-2:])
    return {"address": f"{base}/rows/{row.number}/{which}.png?v={mark}", "width": width, "height": height, "name": name}


def _check_inside(row: Row, box: tuple[float, float, float, float] | None) -> None:
    if box is None or row.image is None:
        return
    width, height = picture_size(row.image)
    if min(box) < 0 or max(box[0], box[2]) > width or max(box[1], box[3]) > height:
        raise UsageError(f"box {box} leaves the picture of {width} x {height} pixels")
