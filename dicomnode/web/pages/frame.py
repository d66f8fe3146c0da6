"""What all pages share: the templates in the reader's language, who looks, and what is said of the node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape

from dicomnode import __version__
from dicomnode.settings import Settings
from dicomnode.web.languages import known_languages, language_of, read_translations
from dicomnode.web.pages.navigation import ways_of
from dicomnode.web.pages.words import word_of

_QUOTED = re.compile("`([^`]+)`")
_TEMPLATES = Path(__file__).parents[1] / "templates"


class Pages:
    """The page templates, which escape everything that they print, in every language."""

    def __init__(self) -> None:
        self._templates = {language: _templates(language) for language in known_languages()}

    def show(
        self,
        request: Request,
        name: str,
        content: Mapping[str, object],
        status: int = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page in the language that the browser asks for."""
        language = language_of(request)
        sent = {"Content-Language": language, "Vary": "Accept-Language", **(headers or {})}
        return self._templates[language].TemplateResponse(request, name, {**content}, status, sent)


def _templates(language: str) -> Jinja2Templates:
    templates = Jinja2Templates(directory=_TEMPLATES, context_processors=[_visitor])
    templates.env.add_extension("jinja2.ext.i18n")
    # "newstyle": values are filled in after translation, and escaped
    templates.env.install_gettext_translations(read_translations(language), newstyle=True)  # type: ignore[attr-defined]
    templates.env.globals["language"] = language
    templates.env.filters["utc"] = _utc
    templates.env.filters["word"] = word_of
    templates.env.filters["size"] = _size
    templates.env.filters["coded"] = _coded
    return templates


def _visitor(request: Request) -> dict[str, object]:
    """Who looks at a page, and where they may go from it; nobody and nowhere where pages need no login."""
    principal = getattr(request.state, "principal", None)
    return {"principal": principal, "ways": ways_of(request, principal)}


def _pages_of(request: Request) -> Pages:
    return cast(Pages, request.app.state.pages)


PagesOf = Annotated[Pages, Depends(_pages_of)]


def who(settings: Settings) -> dict[str, object]:
    """What every page says of the node."""
    return {"ae_title": settings.node.ae_title, "version": __version__}


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _size(count: int) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    amount, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.0f} {units[0]}" if amount >= 100 or units[0] == "bytes" else f"{amount:.1f} {units[0]}"


def _coded(text: str) -> Markup:
    """What stands between backticks, as code; escapes the rest, unless it is escaped already."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped one step before
