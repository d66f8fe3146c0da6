"""How a target, or the PACS behind it, is asked: what the settings allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from dicomnode.archive import Archive
from dicomnode.delivery.identity import IdentityCheck, Policy
from dicomnode.delivery.proving import Commit, Ways
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.commitment import Answerer, Referenced, request_commitment
from dicomnode.peers.pacs import open_pacs
from dicomnode.security.tls import client_context
from dicomnode.settings import PacsSettings, TargetSettings

_STAY_SECONDS = 2.0  # most archives report on an association of their own


def proof_ways(target: TargetSettings, pacs: Sequence[PacsSettings], calling_ae_title: str) -> Ways:
    """The ways that a target's settings leave.

    Args:
        target: Whose settings; storage commitment needs its AE title.
        pacs: Those that can be asked; the target names one of them, or else is asked itself.
        calling_ae_title: The node's own.
    """
    commit = _commit(target, calling_ae_title) if target.proof in (None, "commitment") else None
    shown = next((item for item in pacs if item.name == target.pacs), None) or _as_pacs(target)
    look = partial(open_pacs, shown, calling_ae_title) if target.proof in (None, "read-back") else None
    return Ways(commit, look)


def identity_check(
    archive: Archive,
    target: TargetSettings,
    pacs: Sequence[PacsSettings],
    calling_ae_title: str,
    owner: str,
    clock: Callable[[], datetime],
) -> IdentityCheck | None:
    """What asks for identity before a target is sent anything; None where its settings name no PACS."""
    named = next((item for item in pacs if item.name == target.pacs), None)
    if named is None:
        return None
    policy = Policy(target.identity, target.absent_study)
    return IdentityCheck(archive, partial(open_pacs, named, calling_ae_title), policy, owner, clock)


def _as_pacs(target: TargetSettings) -> PacsSettings:
    return PacsSettings(
        name=target.name,
        url=target.url,
        retrieve="none",
        ae_title=target.ae_title,
        host=target.host,
        port=target.port,
        timeout_seconds=target.timeout_seconds,
        tls=target.tls,
        authorization=target.authorization,
    )


def _commit(target: TargetSettings, calling_ae_title: str) -> Commit | None:
    if target.host is None or target.port is None or target.ae_title is None:
        return None
    tls = client_context(target.tls, f"targets.{target.name}.tls")
    peer = DimsePeer(target.host, target.port, target.ae_title, calling_ae_title, target.timeout_seconds, tls)

    def ask(transaction_uid: str, objects: Sequence[Referenced], answer: Answerer) -> None:
        request_commitment(peer, transaction_uid, objects, _STAY_SECONDS, answer)

    return ask
