"""Refusals that an operation may answer besides those of every operation, for its description."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def refusals(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Problem documents of some statuses, as FastAPI's ``responses`` takes them."""
    return {status.value: {"description": status.phrase, "content": _CONTENT} for status in statuses}
