"""Approving a bundle as it lies in the folder, and switching it: for commands and pages alike."""

from __future__ import annotations

from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import Bundle
from dicomnode.errors import ConflictError, UsageError


def deploy(
    archive: Archive,
    bundle: Bundle,
    state: DeploymentState,
    now: datetime,
    *,
    allow_code: bool = False,
    actor: str = "",
    seen_digest: str = "",
) -> None:
    """Approve the present digest of a bundle and set its state.

    Args:
        archive: Keeps the approval; the audit trail gets an entry.
        bundle: As it lies there now.
        state: What it shall do.
        now: Present time.
        allow_code: Lets a bundle with ``$`` expressions run.
        actor: Who approves, as ``name@address``.
        seen_digest: What the administrator looked at, so that nothing is approved that nobody saw; empty does not ask.

    Raises:
        UsageError: It holds code that was not allowed.
        ConflictError: It has changed since it was looked at.
    """
    if seen_digest and seen_digest != bundle.digest:
        raise ConflictError(f"bundle {bundle.name} has changed since you looked at it: look again, then approve it")
    if state is not DeploymentState.OFF:
        refuse_code(bundle, allow_code)
    archive.deployments.approve(bundle.name, bundle.digest, state, now, actor)


def refuse_code(bundle: Bundle, allow_code: bool) -> None:
    """Stop before a bundle that runs code, unless that is allowed.

    Raises:
        UsageError: It does, and is not.
    """
    if bundle.runs_code and not allow_code:
        raise UsageError(
            f"bundle {bundle.name} holds $ expressions, which run as code on this node: read "
            f"{bundle.config.name} and allow its code (--allow-code) if you trust it"
        )
