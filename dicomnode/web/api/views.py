"""What the bodies of all answers have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """A body of an answer, or a part of one."""

    model_config = ConfigDict(frozen=True)


class Order(BaseModel):
    """A body of a request: what is misspelt is refused, not overlooked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
