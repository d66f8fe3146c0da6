"""The page of peers and rules: who answers, who calls, which study goes to which model, and a tester for that."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from dicomnode.archive.echoes import PeerKind
from dicomnode.settings import Settings
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.models import ShelfOf
from dicomnode.web.api.peers import PeerName, echoed, peers_of_node, probed
from dicomnode.web.api.rules import rules_of_node
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who


def add_peer_pages(router: APIRouter) -> None:
    """The page, and its two buttons."""
    router.add_api_route("/peers", peers_page, methods=["GET"])
    router.add_api_route("/peers/{kind}/{name}/echo", echo, methods=["POST"])
    router.add_api_route("/peers/target/{name}/probe", probe, methods=["POST"])


def peers_page(
    request: Request, archive: ArchiveOf, settings: SettingsOf, shelf: ShelfOf, pages: PagesOf, now: NowOf
) -> Response:
    """Targets, PACS, pollers and callers; rules, and what they would make of a file."""
    content = who(settings) | {
        "peers": peers_of_node(archive, settings, now),
        "rules": rules_of_node(archive, settings, shelf),
        "called": _called(settings),
        "calling": sorted({peer.ae_title for peer in settings.peers}),
        "receive": settings.receive,
        "now": now,
    }
    return pages.show(request, "peers.html", content)


def echo(archive: ArchiveOf, settings: SettingsOf, now: NowOf, kind: PeerKind, name: PeerName) -> Response:
    """Ask a system whether it answers."""
    echoed(archive, settings, kind, name, now)
    return RedirectResponse("/peers", HTTPStatus.SEE_OTHER)


def probe(request: Request, archive: ArchiveOf, settings: SettingsOf, now: NowOf, name: PeerName) -> Response:
    """Ask a target what it takes."""
    probed(archive, settings, name, now, actor_of(request))
    return RedirectResponse("/peers", HTTPStatus.SEE_OTHER)


def _called(settings: Settings) -> list[str]:
    """AE titles that studies may be sent to."""
    of_rules = {rule.called_ae_title for rule in settings.rules if rule.called_ae_title}
    return [settings.node.ae_title, *sorted(of_rules - {settings.node.ae_title})]
