"""A PACS as a command names it: a target of the settings, HOST:PORT:AETITLE, or a DICOMweb URL."""

from __future__ import annotations

from pydantic import ValidationError

from dicomnode.errors import UsageError
from dicomnode.settings import Settings, TargetSettings


def find_destination(text: str, settings: Settings) -> TargetSettings:
    """Read what a user wrote.

    Raises:
        UsageError: It is none of the three.
    """
    for target in settings.targets:
        if target.name == text:
            return target
    try:
        if text.startswith(("http://", "https://")):
            return TargetSettings.model_validate({"name": "peer", "url": text})
        host, port, ae_title = text.rsplit(":", 2)
        return TargetSettings.model_validate({"name": "peer", "host": host, "port": int(port), "ae_title": ae_title})
    except (ValueError, ValidationError):
        names = ", ".join(target.name for target in settings.targets) or "none set"
        raise UsageError(
            f"{text!r} is neither a target of the settings ({names}), nor HOST:PORT:AETITLE, nor a URL"
        ) from None
