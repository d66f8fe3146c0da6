"""Every text of the pages exists in every language, and is the translation of what it stands beside."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import dicomnode.watch
import dicomnode.web
from dicomnode.web.languages import ENGLISH, known_languages
from tests.unit.web.conftest import Client

WEB = Path(dicomnode.web.__file__).parent
WATCH = Path(dicomnode.watch.__file__).parent  # alarms are shown on pages too
OTHERS = [language for language in known_languages() if language != ENGLISH]
_JINJA = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
_TRANSLATED = re.compile(r"{%-?\s*trans\b.*?endtrans\s*-?%}", re.DOTALL)
_FIELD = re.compile(r"%\((\w+)\)s")


def used_texts() -> dict[str, tuple[str, ...]]:
    """Texts that the pages show, with where they stand; of plurals both forms, joined as a tuple."""
    found: dict[str, tuple[str, ...]] = {}
    methods = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
    options = {"templates/**.html": {"silent": "false"}}
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
    texts = [*extract_from_dir(WEB, methods, options, keywords), *extract_from_dir(WATCH, methods, options, keywords)]
    for path, line, message, _comments, _context in texts:
        forms = message if isinstance(message, tuple) else (message,)
        found.setdefault(forms[0], (f"{path}:{line}", *forms))
    return found


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_is_missing_or_left_over(language: str) -> None:
    used = used_texts()
    there = {}
    for path in (WEB / "languages" / language).glob("*.po"):
        with path.open("rb") as file:
            for message in read_po(file, locale=language, abort_invalid=True):
                if message.id:
                    forms = message.id if isinstance(message.id, tuple | list) else (message.id,)
                    told = message.string if isinstance(message.string, tuple | list) else (message.string,)
                    assert not message.fuzzy, f"{path.name}: {forms[0]!r} is marked fuzzy"
                    there[forms[0]] = told
    missing = sorted(f"{used[text][0]}: {text!r}" for text in used.keys() - there.keys())
    assert not missing, "\n".join(missing)
    assert sorted(there.keys() - used.keys()) == []
    for text, told in there.items():
        assert all(told), f"{text!r} has no translation"
        for form in told:
            assert set(_FIELD.findall(form)) == set(_FIELD.findall(text)), f"{text!r}: other fields in {form!r}"


@pytest.mark.parametrize("path", sorted((WEB / "templates").glob("*.html")), ids=lambda path: path.name)
def test_templates_hold_no_words_outside_translation(path: Path) -> None:
    assert list(raw_words(path.read_text(encoding="utf-8"))) == []


def raw_words(template: str) -> Iterator[str]:
    """Words that a reader sees and no translator did."""
    plain = _JINJA.sub(" ", _TRANSLATED.sub(" ", template))
    reader = _Reader()
    reader.feed(plain)
    for text in reader.seen:
        if re.search(r"[^\W\d_]{2,}", text):
            yield text


class _Reader(HTMLParser):
    """Collects the text between tags, and attributes that people see or hear."""

    _SHOWN = frozenset({"title", "alt", "aria-label", "placeholder"})
    _UNSEEN = frozenset({"script", "style", "code", "kbd"})
    # Names of the product and of standards, the same in every language.
    _NAMES = re.compile(r"\bdicomnode\b|\bUTC\b|\bDICOM\b")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._UNSEEN:
            self._inside.append(tag)
        self._note(*(value or "" for name, value in attrs if name in self._SHOWN))

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._note(data)

    def _note(self, *texts: str) -> None:
        self.seen += [text for text in (self._NAMES.sub("", text).strip() for text in texts) if text]


def test_the_finder_of_raw_words_finds_them() -> None:
    assert list(raw_words('<p title="Hello">{% trans %}seen{% endtrans %} unseen</p>')) == ["Hello", "unseen"]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("es", "es"), ("es-MX,en;q=0.5", "es"), ("de,en;q=0.5", "en"), ("", "en"), ("fr", "en"), ("en,es;q=0.9", "en")],
)
def test_the_browser_chooses(client: Client, asked: str, answered: str) -> None:
    page = client.get("/", headers={"accept-language": asked, "accept": "text/html"})
    assert page.headers["content-language"] == answered
    assert f'<html lang="{answered}">' in page.text
