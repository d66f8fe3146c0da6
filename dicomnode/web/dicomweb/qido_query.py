"""Query parameters of QIDO-RS (PS3.18 8.3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from pydicom.datadict import tag_for_keyword

from dicomnode.archive.records import QidoQuery
from dicomnode.dicom.levels import SERIES_LEVEL, STUDY_LEVEL
from dicomnode.errors import UsageError
from dicomnode.web.dicomweb.addresses import check_uids
from dicomnode.web.dicomweb.dicomjson import keyword_or_tag, tag_key

_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept", "charset"})
_REQUESTED = "RequestAttributesSequence"


@dataclass(frozen=True, slots=True)
class Included:
    """What is asked for besides what a match always tells (``includefield``).

    Attributes:
        everything: All that the level has.
        tags: As eight hexadecimal digits.
    """

    everything: bool
    tags: frozenset[str]

    def of_study(self) -> frozenset[str]:
        """What of it describes studies."""
        return _STUDY_TAGS if self.everything else self.tags & _STUDY_TAGS

    def of_series(self) -> frozenset[str]:
        """What of it describes series or studies."""
        known = _STUDY_TAGS | _SERIES_TAGS
        return known if self.everything else self.tags & known


def read_query(request: Request, **path: str) -> QidoQuery:
    """Read what is searched for.

    Args:
        request: Its parameters name attributes by keyword or tag, those of a sequence's items behind a dot.
        path: UIDs that the address fixes, by keyword; an empty one fixes nothing.

    Raises:
        UsageError: An attribute is unknown, or a number is none.
    """
    fixed = [(keyword, uid) for keyword, uid in path.items() if uid]
    check_uids(*(uid for _, uid in fixed))
    parameters = request.query_params.multi_items()
    match = [(_keyword(name), value) for name, value in parameters if name.lower() not in _CONTROLS]
    return QidoQuery(
        match=(*fixed, *match),
        limit=_whole_number(request, "limit"),
        offset=_whole_number(request, "offset") or 0,
        fuzzy=request.query_params.get("fuzzymatching", "false").lower() == "true",
    )


def read_included(request: Request) -> Included:
    """Read ``includefield``; a sequence is told whole, whichever of its items' attributes is named.

    Raises:
        UsageError: What is named is no attribute.
    """
    listed = [name for value in request.query_params.getlist("includefield") for name in value.split(",") if name]
    named = [name.partition(".")[0] for name in listed if name != "all"]
    return Included("all" in listed, frozenset(map(_tag, named)))


def _keyword(name: str) -> str:
    sequence, dot, inner = name.rpartition(".")
    if dot and keyword_or_tag(sequence) != _REQUESTED:
        raise UsageError(f"{name!r}: of sequences, items of {_REQUESTED} are searched by only")
    keyword = keyword_or_tag(inner)
    if keyword is None:
        raise UsageError(f"{name!r} is neither a keyword of PS3.6 nor a tag of eight hexadecimal digits")
    return keyword


def _tag(name: str) -> str:
    """Eight hexadecimal digits, private ones too."""
    tag = tag_for_keyword(name)
    if tag is not None:
        return tag_key(tag)
    if len(name) == 8 and name.isascii() and name.isalnum():
        try:
            return tag_key(int(name, 16))
        except ValueError:
            pass
    raise UsageError(f"includefield {name!r} is neither a keyword of PS3.6 nor a tag of eight hexadecimal digits")


def _whole_number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise UsageError(f"{name} must be a whole number, not {value!r}")
    return int(value)


def _tags(keywords: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_tag, keywords))


_STUDY_TAGS, _SERIES_TAGS = _tags(STUDY_LEVEL), _tags(SERIES_LEVEL)
