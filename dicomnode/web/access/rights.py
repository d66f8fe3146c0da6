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
        PREDICT: Showing pictures to models.
        OPERATE: Repeating work.
        ADMINISTER: Accounts, audit, settings.
    """

    OPEN = "open"
    SELF = "self"
    READ = "read"
    SEND = "send"
    PREDICT = "predict"
    OPERATE = "operate"
    ADMINISTER = "administer"


_OF_EVERY_ROLE = frozenset({Right.OPEN, Right.SELF})
_OF_OPERATORS = _OF_EVERY_ROLE | {Right.READ, Right.SEND, Right.PREDICT, Right.OPERATE}

# A modality that sends by STOW-RS needs no more than that: a sender's token that gets lost opens no archive.
RIGHTS: dict[Role, frozenset[Right]] = {
    Role.SENDER: _OF_EVERY_ROLE | {Right.SEND},
    Role.VIEWER: _OF_EVERY_ROLE | {Right.READ, Right.PREDICT},
    Role.OPERATOR: _OF_OPERATORS,
    Role.ADMIN: _OF_OPERATORS | {Right.ADMINISTER},
}

_LEVELS = (STUDY, SERIES, INSTANCE)
_FRAMES = f"{INSTANCE}/frames/{{numbers}}"
_SEARCH = (
    *(f"{SERVICE}/studies", f"{SERVICE}/series", f"{SERVICE}/instances"),
    *(f"{STUDY}/series", f"{STUDY}/instances", f"{SERIES}/instances"),
)
_RETRIEVAL = (
    *_LEVELS,
    *(f"{level}/{part}" for level in _LEVELS for part in ("metadata", "bulkdata", "pixeldata")),
    *(f"{level}/{part}" for level in (*_LEVELS, _FRAMES) for part in ("rendered", "thumbnail")),
    _FRAMES,
    f"{INSTANCE}/bulkdata/{{element:path}}",
)
_STUDY = "/api/v1/studies/{study_uid}"

ROUTES: dict[tuple[str, str], Right] = {
    ("GET", "/health/live"): Right.OPEN,
    ("GET", "/health/ready"): Right.OPEN,
    ("GET", "/metrics"): Right.READ,
    ("GET", "/login"): Right.OPEN,
    ("POST", "/login"): Right.OPEN,
    ("GET", "/login/oidc"): Right.OPEN,
    ("GET", "/login/oidc/back"): Right.OPEN,
    ("POST", "/logout"): Right.SELF,
    ("GET", "/password"): Right.SELF,
    ("POST", "/password"): Right.SELF,
    ("GET", "/api/v1/openapi.json"): Right.READ,
    ("GET", "/api/v1/events"): Right.READ,
    ("GET", "/api/v1/alarms"): Right.READ,
    ("GET", "/api/v1/overview"): Right.READ,
    ("GET", "/api/v1/studies"): Right.READ,
    ("GET", "/studies"): Right.READ,
    ("GET", "/"): Right.READ,
    ("GET", "/studies/{study_uid}"): Right.READ,
    ("GET", "/studies/{study_uid}/evidence/{sop_uid}"): Right.READ,
    ("POST", "/studies/{study_uid}/run-again"): Right.OPERATE,
    ("POST", "/studies/{study_uid}/retry"): Right.OPERATE,
    ("POST", "/studies/{study_uid}/send"): Right.OPERATE,
    ("POST", "/studies/{study_uid}/release"): Right.OPERATE,
    ("GET", _STUDY): Right.READ,
    ("GET", f"{_STUDY}/trace"): Right.READ,
    ("GET", f"{_STUDY}/findings"): Right.READ,
    ("GET", f"{_STUDY}/evidence"): Right.READ,
    ("GET", f"{_STUDY}/evidence/{{sop_uid}}/tree"): Right.READ,
    ("GET", f"{_STUDY}/series"): Right.READ,
    ("GET", f"{_STUDY}/series/{{series_uid}}/slices"): Right.READ,
    ("GET", f"{_STUDY}/images/{{sop_uid}}/slide.png"): Right.READ,
    ("GET", f"{_STUDY}/images/{{sop_uid}}/{{frame}}.png"): Right.READ,
    ("GET", f"{_STUDY}/results/{{result}}/saliency"): Right.READ,
    ("GET", f"{_STUDY}/results/{{result}}/saliency/{{number}}.png"): Right.READ,
    ("GET", f"{_STUDY}/evidence.zip"): Right.READ,
    ("GET", f"{_STUDY}/files.zip"): Right.READ,
    ("POST", f"{_STUDY}/run-again"): Right.OPERATE,
    ("POST", f"{_STUDY}/retry"): Right.OPERATE,
    ("POST", f"{_STUDY}/send"): Right.OPERATE,
    ("POST", f"{_STUDY}/release"): Right.OPERATE,
    ("GET", "/studies/{study_uid}/viewer"): Right.READ,
    ("GET", "/viewer"): Right.READ,
    ("GET", "/evidence/{name}"): Right.READ,
    ("GET", "/predict"): Right.PREDICT,
    ("GET", "/api/v1/predict"): Right.PREDICT,
    ("POST", "/api/v1/predict"): Right.PREDICT,
    ("GET", "/deliveries"): Right.READ,
    ("POST", "/deliveries/{delivery_id}/retry"): Right.OPERATE,
    ("POST", "/deliveries/{delivery_id}/release"): Right.ADMINISTER,
    ("GET", "/api/v1/deliveries"): Right.READ,
    ("POST", "/api/v1/deliveries/{delivery_id}/retry"): Right.OPERATE,
    ("POST", "/api/v1/deliveries/{delivery_id}/release"): Right.ADMINISTER,
    **{(method, path): Right.READ for path in _RETRIEVAL for method in ("GET", "HEAD")},
    **{("OPTIONS", path): Right.OPEN for path in (*_RETRIEVAL, *_SEARCH)},  # which methods there are, and no more
    **{("GET", path): Right.READ for path in _SEARCH},
    ("GET", "/models"): Right.READ,
    ("GET", "/models/{name}"): Right.READ,
    ("POST", "/models/{name}/state"): Right.ADMINISTER,
    ("GET", "/api/v1/models"): Right.READ,
    ("GET", "/api/v1/models/{name}"): Right.READ,
    ("POST", "/api/v1/models/{name}/state"): Right.ADMINISTER,
    ("GET", "/reports"): Right.READ,
    ("GET", "/reports/{place:path}"): Right.READ,
    ("GET", "/api/v1/reports"): Right.READ,
    ("GET", "/review"): Right.READ,
    ("GET", "/review/rows"): Right.READ,
    ("GET", "/review/rows/{number}"): Right.READ,
    ("POST", "/review/rows/{number}"): Right.OPERATE,
    ("GET", "/review/rows/{number}/{which}.png"): Right.READ,
    ("GET", "/peers"): Right.READ,
    ("POST", "/peers/{kind}/{name}/echo"): Right.OPERATE,
    ("POST", "/peers/target/{name}/probe"): Right.OPERATE,
    ("GET", "/api/v1/peers"): Right.READ,
    ("POST", "/api/v1/peers/{kind}/{name}/echo"): Right.OPERATE,
    ("POST", "/api/v1/peers/target/{name}/probe"): Right.OPERATE,
    ("GET", "/api/v1/rules"): Right.READ,
    ("POST", "/api/v1/rules/test"): Right.READ,
    ("POST", f"{SERVICE}/studies"): Right.SEND,
    ("POST", STUDY): Right.SEND,
    ("GET", "/audit"): Right.ADMINISTER,
    ("GET", "/api/v1/audit"): Right.ADMINISTER,
    ("GET", "/api/v1/audit/chain"): Right.ADMINISTER,
    ("GET", "/settings"): Right.ADMINISTER,
    ("GET", "/api/v1/settings"): Right.ADMINISTER,
    ("GET", "/api/v1/accounts"): Right.ADMINISTER,
    ("POST", "/api/v1/accounts"): Right.ADMINISTER,
    ("PATCH", "/api/v1/accounts/{name}"): Right.ADMINISTER,
    ("POST", "/api/v1/accounts/{name}/password"): Right.ADMINISTER,
    ("GET", "/api/v1/tokens"): Right.ADMINISTER,
    ("POST", "/api/v1/tokens"): Right.ADMINISTER,
    ("DELETE", "/api/v1/tokens/{token_id}"): Right.ADMINISTER,
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
