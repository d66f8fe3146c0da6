"""The page of the settings as they are in force, for administrators."""

from __future__ import annotations

from itertools import groupby

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode.web.api.settings import SettingBody, settings_in_force
from dicomnode.web.dicomweb.addresses import SettingsOf
from dicomnode.web.pages.frame import PagesOf, who


def add_settings_route(router: APIRouter) -> None:
    """What the node was started with."""
    router.add_api_route("/settings", settings_page, methods=["GET"])


def settings_page(request: Request, settings: SettingsOf, pages: PagesOf) -> Response:
    """Every setting in force, table by table; secrets are hidden."""
    found = settings_in_force(settings).settings
    tables = [(table, tuple(members)) for table, members in groupby(found, key=_table)]
    return pages.show(request, "settings.html", who(settings) | {"tables": tables})


def _table(setting: SettingBody) -> str:
    return setting.key.rpartition(".")[0]
