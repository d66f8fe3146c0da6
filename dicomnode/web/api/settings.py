"""The settings as they are in force, for administrators; secrets are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from dicomnode.settings import Settings, shown_url
from dicomnode.settings.section import Section
from dicomnode.web.dicomweb.addresses import SettingsOf

Plain = str | int | float | bool | None


class SettingBody(BaseModel):
    """One setting.

    Attributes:
        key: As in the settings file, of a table in a list with its place: ``targets.0.host``.
        value: In force; of a secret where it is, never what it is.
        is_default: Whether it stands for itself, without the file saying it.
        description: What it does.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    value: Plain | list[Plain]
    is_default: bool
    description: str


class SettingsBody(BaseModel):
    """Every setting in force, in the order of the example file."""

    model_config = ConfigDict(frozen=True)

    settings: tuple[SettingBody, ...]


def add_settings_api(router: APIRouter) -> None:
    """What the node was started with."""
    router.add_api_route("/api/v1/settings", show_settings, methods=["GET"], response_model=SettingsBody)


def show_settings(settings: SettingsOf) -> SettingsBody:
    """Every setting in force; secrets are hidden."""
    return settings_in_force(settings)


def settings_in_force(settings: Settings) -> SettingsBody:
    """Every setting with what it does."""
    return SettingsBody(settings=tuple(_of_section(settings, "")))


def _of_section(section: Section, prefix: str) -> Iterator[SettingBody]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = f"{prefix}{name}"
        if isinstance(value, Section):
            yield from _of_section(value, f"{key}.")
        elif isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
            for place, item in enumerate(value):
                yield from _of_section(item, f"{key}.{place}.")
        else:
            is_default = name not in section.model_fields_set
            yield SettingBody(key=key, value=_shown(value), is_default=is_default, description=field.description or "")


def _shown(value: object) -> Plain | list[Plain]:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return _plain(value)


def _plain(value: object) -> Plain:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_plain(item)}" for key, item in value.items())
    return shown_url(str(value))
