"""Which services the settings switch on, in which role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomnode.intake.admission import rules_of
from dicomnode.settings import Settings
from dicomnode.settings.network import Service


@dataclass(frozen=True, slots=True)
class NetworkService:
    """A service and the node's part in it.

    Attributes:
        service: Such as ``Storage``.
        what: SOP class or transaction.
        user: Whether the node is its SCU or user agent.
        provider: Whether the node is its SCP or origin server.
    """

    service: str
    what: str
    user: bool
    provider: bool


def offered(settings: Settings) -> frozenset[Service]:
    """The services that at least one peer may use."""
    rules = rules_of(settings)
    granted = {service for peer in rules.peers for service in peer.may}
    return frozenset(granted | ({"echo", "store"} if rules.accept_unknown_peers else set()))


def network_services(settings: Settings) -> Sequence[NetworkService]:
    """Every service that the node knows, and its roles as the settings have it."""
    may = offered(settings)
    dimse_target = any(target.url is None for target in settings.targets)
    web_target = any(target.url is not None for target in settings.targets)
    dimse_pacs = [pacs for pacs in settings.pacs if pacs.url is None]
    web_asked = any(pacs.url is not None for pacs in settings.pacs) or bool(settings.pollers)
    committing = any(target.url is None and target.proof in (None, "commitment") for target in settings.targets)
    ways = {pacs.retrieve or "c-get" for pacs in dimse_pacs}
    return (
        NetworkService("Verification", "Verification SOP Class", user=True, provider="echo" in may),
        NetworkService("Storage", "see 4.3 and 5.2", user=dimse_target, provider="store" in may),
        NetworkService("Storage Commitment", "Storage Commitment Push Model", user=committing, provider=False),
        NetworkService("Query", "Study Root Query/Retrieve - FIND", user=bool(dimse_pacs), provider=False),
        NetworkService("Retrieve", "Study Root Query/Retrieve - GET", user="c-get" in ways, provider=False),
        NetworkService("Retrieve", "Study Root Query/Retrieve - MOVE", user="c-move" in ways, provider=False),
        NetworkService("Studies web service", "Store (STOW-RS)", user=web_target, provider=True),
        NetworkService("Studies web service", "Search (QIDO-RS)", user=web_asked, provider=True),
        NetworkService("Studies web service", "Retrieve (WADO-RS)", user=web_asked, provider=True),
    )
