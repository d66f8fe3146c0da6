"""What every table of the settings file shares: its base and the types of its values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dicomnode.errors import SettingsError

AETitle = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]*\S[^\\\x00-\x1f]*$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Secret = Annotated[str, StringConstraints(pattern=r"^(file|env):.+$")]
"""Where a secret is: ``file:PATH`` or ``env:NAME``. Secrets themselves never stand in the settings file."""
SECRET_FILE = "file:"  # noqa: S105  says where one is
SECRET_VARIABLE = "env:"  # noqa: S105


class Section(BaseModel):
    """A table of the settings file; unknown keys are refused, so that a typing error is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_secret(where: str, what: str) -> str:
    """The secret that a setting points at, without the line break at its end.

    Args:
        where: ``file:PATH`` or ``env:NAME``.
        what: The setting's name, for the message.

    Raises:
        SettingsError: It is not there; the message never holds the secret.
    """
    kind, _, place = where.partition(":")
    if kind == "env":
        value = os.environ.get(place, "")
    else:
        try:
            value = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{what}: the secret in {place} cannot be read: {error}") from error
    if not value:
        raise SettingsError(f"{what}: the secret {where} is empty or not set")
    return value
