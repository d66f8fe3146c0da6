"""The languages of the pages: English in the templates, others in gettext catalogues, chosen by the browser.

A folder beside this file is a language; each ``.po`` file in it holds the texts of one page or of a few
that belong together. Catalogues are read as they are: there is no compile step.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from fastapi import Request

from dicomnode.web.dicomweb.media import parse_accept
from dicomnode.words import marked as marked

ENGLISH = "en"

_FOLDER = Path(__file__).parent


def known_languages() -> tuple[str, ...]:
    """English and every language that there is a folder for."""
    return (ENGLISH, *sorted(folder.name for folder in _FOLDER.iterdir() if any(folder.glob("*.po"))))


def read_translations(language: str) -> Translations:
    """All catalogues of one language as one; English has none, its texts stand for themselves."""
    whole = Translations()
    for path in sorted((_FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            catalog = read_po(file, locale=language, abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalog)
        compiled.seek(0)
        whole.add(Translations(compiled))
    return whole


def language_of(request: Request) -> str:
    """What the browser asks for, among what there is (RFC 9110 12.5.4); English where nothing fits."""
    wanted = [item.name.replace("-", "_") for item in parse_accept(request.headers.get("accept-language", ENGLISH))]
    return negotiate_locale(wanted, known_languages(), aliases={}) or ENGLISH
