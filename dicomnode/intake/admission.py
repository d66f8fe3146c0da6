"""Who may open an association, and what it may do: one decision, without I/O (PS3.8 9.3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from dicomnode.settings import PacsSettings, PeerSettings, Settings, TargetSettings
from dicomnode.settings.network import Service

Address = IPv4Address | IPv6Address
Addresses = Mapping[str, frozenset[Address]]
UNKNOWN = "?"
"""Stands for every peer that the settings do not name; no peer can be called so."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity that may call.

    Attributes:
        name: In logs, audit and counts.
        ae_title: It calls itself by this, without spaces around.
        networks: Where it calls from; with no hosts either, anywhere.
        hosts: Host names that it calls from; see `hosts_to_ask`.
        may: Services that it may use.
        require_tls: Not in the clear.
        certificate_name: A name that its certificate must bear, None for any.
        maximum_associations: Of it at once, None for no limit of its own.
        maximum_bytes: That it may send in a day (UTC), None for no limit.
    """

    name: str
    ae_title: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    hosts: tuple[str, ...] = ()
    may: frozenset[Service] = frozenset()
    require_tls: bool = False
    certificate_name: str | None = None
    maximum_associations: int | None = None
    maximum_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of callers.

    Attributes:
        peers: Those of `[[peers]]`, then those that other parts of the settings imply.
        own_ae_titles: Titles that the node answers to.
        require_called_ae_title: Refuse calls to others.
        accept_unknown_peers: Let anybody whom no peer's title names echo and store.
        maximum_associations: Of all peers at once.
    """

    peers: tuple[Peer, ...]
    own_ae_titles: frozenset[str]
    require_called_ae_title: bool
    accept_unknown_peers: bool
    maximum_associations: int


@dataclass(frozen=True, slots=True)
class Caller:
    """What an association request shows of its sender.

    Attributes:
        ae_title: Calling AE title.
        called_ae_title: Called AE title.
        address: Where the connection comes from.
        stores: Whether it asks for a SOP class of the Storage Service.
        tls: Whether the connection is by TLS.
        certificate_names: Names of its client certificate: SAN and CN.
    """

    ae_title: str
    called_ae_title: str
    address: str
    stores: bool = True
    tls: bool = False
    certificate_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the node is.

    Attributes:
        associations: Open ones by peer name.
        bytes_today: Received from each peer since midnight (UTC).
        no_space: Why nothing can be stored just now, empty if it can.
    """

    associations: Mapping[str, int] = field(default_factory=dict)
    bytes_today: Mapping[str, int] = field(default_factory=dict)
    no_space: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An association that is accepted.

    Attributes:
        peer: Who calls.
        services: What it may do.
    """

    peer: Peer
    services: frozenset[Service]


@dataclass(frozen=True, slots=True)
class Rejected:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21).

    Attributes:
        result: 1 for good, 2 for now.
        source: 1 service user, 3 service provider (presentation).
        diagnostic: The reason.
        reason: One line for log and audit.
        alert: Whether somebody was here who does not belong.
        peer: Name of the peer that it counts for.
    """

    result: int
    source: int
    diagnostic: int
    reason: str
    alert: bool = False
    peer: str = UNKNOWN


_ANYBODY: frozenset[Service] = frozenset(("echo", "store"))
CALLING_AE_TITLE, CALLED_AE_TITLE, NO_REASON = (1, 1, 3), (1, 1, 7), (1, 1, 1)
CONGESTION, LOCAL_LIMIT = (2, 3, 1), (2, 3, 2)


def rules_of(settings: Settings) -> Rules:
    """The rules that a node's settings make."""
    titles = {rule.called_ae_title.strip() for rule in settings.rules if rule.called_ae_title}
    named = [_named(peer) for peer in settings.peers]
    systems: tuple[TargetSettings | PacsSettings, ...] = (*settings.targets, *settings.pacs)
    implied = [peer for system in systems if (peer := _implied(system)) is not None]
    if settings.receive.accept_unknown_peers:  # who is known may not be worse off than who is not
        implied = [replace(peer, may=peer.may | _ANYBODY) for peer in implied]
    return Rules(
        (*named, *implied),
        frozenset(titles | {settings.node.ae_title.strip()}),
        settings.receive.require_called_ae_title,
        settings.receive.accept_unknown_peers,
        settings.receive.maximum_associations,
    )


def hosts_to_ask(ae_title: str, rules: Rules) -> tuple[str, ...]:
    """Host names whose addresses `admit` needs for a caller."""
    return tuple(host for peer in rules.peers if peer.ae_title == ae_title.strip() for host in peer.hosts)


def admit(caller: Caller, rules: Rules, load: Load, addresses: Addresses) -> Admitted | Rejected:
    """Decide on an association request.

    Args:
        caller: Who asks.
        rules: What the settings say.
        load: How busy the node is.
        addresses: Of each of `hosts_to_ask`.
    """
    if rules.require_called_ae_title and caller.called_ae_title.strip() not in rules.own_ae_titles:
        return Rejected(*CALLED_AE_TITLE, f"called AE title {caller.called_ae_title.strip()!r} is not the node's")
    found = _recognise(caller, rules, addresses)
    if isinstance(found, Rejected):
        return found
    refusal = _not_trusted(caller, found) or _over_limit(caller, found, rules, load)
    return refusal or Admitted(found, found.may)


def over_quota(peer: Peer, bytes_today: int) -> str:
    """Why a peer may send no more today, empty if it may."""
    if peer.maximum_bytes is None or bytes_today < peer.maximum_bytes:
        return ""
    return f"peer {peer.name} has sent its {peer.maximum_bytes / 2**30:g} GiB of today (UTC)"


def _recognise(caller: Caller, rules: Rules, addresses: Addresses) -> Peer | Rejected:
    title = caller.ae_title.strip()
    candidates = [peer for peer in rules.peers if peer.ae_title == title]
    if not candidates:
        if rules.accept_unknown_peers:
            return Peer(UNKNOWN, title, may=_ANYBODY)
        return Rejected(*CALLING_AE_TITLE, f"no peer is called {title!r}; name it in [[peers]]", alert=True)
    fitting = [peer for peer in candidates if _calls_from(peer, caller.address, addresses)]
    if not fitting:
        reason = f"peer {candidates[0].name} does not call from {caller.address}; see its addresses"
        return Rejected(*CALLING_AE_TITLE, reason, alert=True, peer=candidates[0].name)
    # A target or archive that is named as a peer too may do both; trust and limits are those of the first.
    implied = (service for peer in fitting if peer.hosts for service in peer.may)
    return replace(fitting[0], may=fitting[0].may.union(implied))


def _not_trusted(caller: Caller, peer: Peer) -> Rejected | None:
    if peer.require_tls and not caller.tls:
        return Rejected(*NO_REASON, f"peer {peer.name} must call by TLS", alert=True, peer=peer.name)
    if peer.certificate_name is None:
        return None
    wanted = peer.certificate_name.lower()
    if wanted not in {name.lower() for name in caller.certificate_names}:
        reason = f"the certificate of peer {peer.name} does not bear the name {wanted}"
        return Rejected(*CALLING_AE_TITLE, reason, alert=True, peer=peer.name)
    return None


def _over_limit(caller: Caller, peer: Peer, rules: Rules, load: Load) -> Rejected | None:
    of_it = load.associations.get(peer.name, 0)
    if sum(load.associations.values()) >= rules.maximum_associations:
        reason = f"{rules.maximum_associations} associations are open (receive.maximum_associations)"
    elif peer.maximum_associations is not None and of_it >= peer.maximum_associations:
        reason = f"peer {peer.name} has {of_it} associations open, its limit"
    elif caller.stores and "store" in peer.may:
        reason = load.no_space or over_quota(peer, load.bytes_today.get(peer.name, 0))
    else:
        reason = ""
    return Rejected(*LOCAL_LIMIT, reason, peer=peer.name) if reason else None


def _calls_from(peer: Peer, address: str, addresses: Addresses) -> bool:
    if not peer.networks and not peer.hosts:
        return True
    calling = plain_address(address)
    if calling is None:
        return False
    named = frozenset(address for host in peer.hosts for address in addresses[host])
    return calling in named or any(calling in network for network in peer.networks)


def plain_address(text: str) -> Address | None:
    """An address; one of IPv4 that came through a socket of IPv6 as what it is. None if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def plain_addresses(texts: Iterable[str]) -> frozenset[Address]:
    """Addresses out of a resolver's answers."""
    return frozenset(address for text in texts if (address := plain_address(text)) is not None)


def _named(peer: PeerSettings) -> Peer:
    gib = peer.maximum_gib_per_day
    return Peer(
        peer.name,
        peer.ae_title.strip(),
        peer.addresses,
        may=frozenset(peer.may),
        require_tls=peer.require_tls,
        certificate_name=peer.certificate_name,
        maximum_associations=peer.maximum_associations,
        maximum_bytes=None if gib is None else gib * 2**30,
    )


def _implied(item: TargetSettings | PacsSettings) -> Peer | None:
    """A target may say that it committed to what it was sent; an archive may send what it was asked to move."""
    if item.ae_title is None or item.host is None:
        return None
    may: set[Service] = {"echo"}
    if isinstance(item, TargetSettings):
        may.add("commit")
    elif item.retrieve == "c-move":
        may.add("store")
    return Peer(item.name, item.ae_title.strip(), hosts=(item.host,), may=frozenset(may))
