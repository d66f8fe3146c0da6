"""Who may do what: the rights of each role, and the right that each route asks for.

A route that is not in the table is refused to everybody; a test walks the application and finds it.
"""

from __future__ import annotations

from enum import StrEnum

from dicomnode.archive.account_records import Role
from dicomnode.web.dicomweb.addresses import INSTANCE, SERIES, SERVICE, STUDY


class Right(StrEnum):
    """What a route may ask for.

    Attributes:
        OPEN: Nothing.
        SELF: A login of one's own, by a browser.
        READ: Pages, search and retrieval.
        SEND: STOW-RS.
        OPERATE: Repeating work.
        ADMINISTER: Accounts, audit, settings.
    """

    OPEN = "open"
    SELF = "self"
    READ = "read"
    SEND = "send"
    OPERATE = "operate"
    ADMINISTER = "administer"


_OF_EVERY_ROLE = frozenset({Right.OPEN, Right.SELF})
_OF_OPERATORS = _OF_EVERY_ROLE | {Right.READ, Right.SEND, Right.OPERATE}

# A modality that sends by STOW-RS needs no more than that: a sender's token that gets lost opens no archive.
RIGHTS: dict[Role, frozenset[Right]] = {
    Role.SENDER: _OF_EVERY_ROLE | {Right.SEND},
    Role.VIEWER: _OF_EVERY_ROLE | {Right.READ},
    Role.OPERATOR: _OF_OPERATORS,
    Role.ADMIN: _OF_OPERATORS | {Right.ADMINISTER},
}

ROUTES: dict[tuple[str, str], Right] = {
    ("GET", "/health/live"): Right.OPEN,
    ("GET", "/health/ready"): Right.OPEN,
    ("GET", "/login"): Right.OPEN,
    ("POST", "/login"): Right.OPEN,
    ("GET", "/login/oidc"): Right.OPEN,
    ("GET", "/login/oidc/back"): Right.OPEN,
    ("POST", "/logout"): Right.SELF,
    ("GET", "/password"): Right.SELF,
    ("POST", "/password"): Right.SELF,
    ("GET", "/api/v1/openapi.json"): Right.READ,
    ("GET", "/"): Right.READ,
    ("GET", "/studies/{study_uid}"): Right.READ,
    ("GET", "/studies/{study_uid}/viewer"): Right.READ,
    ("GET", "/viewer"): Right.READ,
    ("GET", "/evidence/{name}"): Right.READ,
    ("GET", "/deliveries"): Right.READ,
    ("POST", "/deliveries/{delivery_id}/retry"): Right.OPERATE,
    ("GET", f"{SERVICE}/studies"): Right.READ,
    ("GET", f"{SERVICE}/series"): Right.READ,
    ("GET", f"{SERVICE}/instances"): Right.READ,
    ("GET", f"{STUDY}/series"): Right.READ,
    ("GET", f"{STUDY}/instances"): Right.READ,
    ("GET", f"{SERIES}/instances"): Right.READ,
    ("GET", STUDY): Right.READ,
    ("GET", SERIES): Right.READ,
    ("GET", INSTANCE): Right.READ,
    ("GET", f"{STUDY}/metadata"): Right.READ,
    ("GET", f"{SERIES}/metadata"): Right.READ,
    ("GET", f"{INSTANCE}/metadata"): Right.READ,
    ("GET", f"{INSTANCE}/frames/{{numbers}}"): Right.READ,
    ("GET", f"{INSTANCE}/bulkdata/{{element:path}}"): Right.READ,
    ("POST", f"{SERVICE}/studies"): Right.SEND,
    ("POST", STUDY): Right.SEND,
    ("GET", "/audit"): Right.ADMINISTER,
    ("GET", "/accounts"): Right.ADMINISTER,
    ("POST", "/accounts/add"): Right.ADMINISTER,
    ("POST", "/accounts/role"): Right.ADMINISTER,
    ("POST", "/accounts/disable"): Right.ADMINISTER,
    ("POST", "/accounts/enable"): Right.ADMINISTER,
    ("POST", "/accounts/reset"): Right.ADMINISTER,
    ("POST", "/tokens/add"): Right.ADMINISTER,
    ("POST", "/tokens/revoke"): Right.ADMINISTER,
}

# Of the viewer's own origin (web/viewer/origin.py).
VIEWER_ROUTES: dict[tuple[str, str], Right] = {
    ("GET", "/app-config.js"): Right.OPEN,
    ("GET", "/init-service-worker.js"): Right.OPEN,
    ("GET", "/{page:path}"): Right.READ,
}


def includes(role: Role, lesser: Role) -> bool:
    """Whether a role may give out another one: all of whose rights it has itself."""
    return RIGHTS[lesser] <= RIGHTS[role]
