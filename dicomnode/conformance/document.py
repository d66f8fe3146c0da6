"""A document of headings, paragraphs and tables, as Markdown or as one HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse;margin:.8rem 0}th,td{border:1px solid #c8ced6;padding:.25rem .6rem;"
    "text-align:left;vertical-align:top}th{background:#eef1f4}"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the document's title."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under headers."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Table


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of anything that can be written as text."""
    return Table(tuple(headers), tuple(tuple(str(cell) for cell in row) for row in rows))


def to_markdown(blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    return "\n".join(_markdown(block) for block in blocks)


def to_html(blocks: Sequence[Block]) -> str:
    """The document as a page that needs nothing else."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    body = "\n".join(_html(block) for block in blocks)
    return f"{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}\n"
    if isinstance(block, Paragraph):
        return f"{block.text}\n"
    lines = [_row(block.headers), _row(["---"] * len(block.headers)), *map(_row, block.rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    header = "".join(f"<th>{escape(cell)}</th>" for cell in block.headers)
    rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in block.rows)
    return f"<table><tr>{header}</tr>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
