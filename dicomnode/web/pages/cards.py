"""Model cards: Markdown that somebody else wrote, as HTML that can do nothing but be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

CARD = "docs/README.md"
_MOST_BYTES = 256 * 1024
_DEEPEST = 6
# The page has a title, and the card a section of it
_UNDER = 2


def read_card(bundle: Path) -> Markup | None:
    """The card of a bundle as HTML; None if it has none, or one that is no text of a reasonable size."""
    file = bundle / CARD
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return render(text) if text.strip() else None


def render(text: str) -> Markup:
    """Markdown (CommonMark with tables) as HTML.

    HTML in it is shown as it is written, pictures are left out, and links lead only to web addresses and places.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = markdown.parse(text)
    _lower(tokens)
    # Everything in it was escaped by the renderer, which was told to trust no HTML
    return Markup(markdown.renderer.render(_scrolling(tokens), markdown.options, {}))  # noqa: S704


def _lower(tokens: Sequence[Token]) -> None:
    """Put the headings below those of the page."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _UNDER, _DEEPEST)}"


def _scrolling(tokens: Sequence[Token]) -> list[Token]:
    """Put each table into a box that scrolls by itself, also by the keyboard."""
    out: list[Token] = []
    for token in tokens:
        if token.type == "table_open":
            out.append(Token("box_open", "div", 1, attrs={"class": "scroll", "tabindex": "0"}, block=True))
        out.append(token)
        if token.type == "table_close":
            out.append(Token("box_close", "div", -1, block=True))
    return out
