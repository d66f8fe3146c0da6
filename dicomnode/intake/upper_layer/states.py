"""The state machine of PS3.8 9.2, as far as an association acceptor that never asks for a release can come.

States 4, 5, 7 and 9 to 12 are those of a requestor; Events 1, 2 and 11 are its own requests. What is left of table 9-10
stands here whole: a cell that is blank there is absent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """PS3.8 9.2.1."""

    IDLE = "Sta1"
    AWAITING_REQUEST = "Sta2"
    AWAITING_ANSWER = "Sta3"
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE_ANSWER = "Sta8"
    AWAITING_CLOSE = "Sta13"


class Event(Enum):
    """PS3.8 table 9-10, by its numbers."""

    ACCEPT_PDU = 3
    REJECT_PDU = 4
    CONNECTION = 5
    REQUEST_PDU = 6
    ACCEPT = 7
    REJECT = 8
    SEND_DATA = 9
    DATA_PDU = 10
    RELEASE_REQUEST_PDU = 12
    RELEASE_REPLY_PDU = 13
    RELEASE = 14
    ABORT = 15
    ABORT_PDU = 16
    CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


class Action(Enum):
    """PS3.8 tables 9-6 to 9-9."""

    AE_5 = "AE-5"
    """Start ARTIM."""
    AE_6 = "AE-6"
    """Stop ARTIM; hand the request on, or reject it and start ARTIM."""
    AE_7 = "AE-7"
    """Send A-ASSOCIATE-AC."""
    AE_8 = "AE-8"
    """Send A-ASSOCIATE-RJ, start ARTIM."""
    DT_1 = "DT-1"
    """Send P-DATA-TF."""
    DT_2 = "DT-2"
    """Hand data on."""
    AR_2 = "AR-2"
    """Hand the request for release on."""
    AR_4 = "AR-4"
    """Send A-RELEASE-RP, start ARTIM."""
    AR_5 = "AR-5"
    """Stop ARTIM."""
    AR_7 = "AR-7"
    """Send P-DATA-TF."""
    AA_1 = "AA-1"
    """Send A-ABORT of the service user, start ARTIM."""
    AA_2 = "AA-2"
    """Stop ARTIM, close the connection."""
    AA_3 = "AA-3"
    """Hand the abort on, close the connection."""
    AA_4 = "AA-4"
    """Hand on that the connection broke."""
    AA_5 = "AA-5"
    """Stop ARTIM."""
    AA_6 = "AA-6"
    """Ignore the PDU."""
    AA_7 = "AA-7"
    """Send A-ABORT."""
    AA_8 = "AA-8"
    """Send A-ABORT of the service provider, hand it on, start ARTIM."""


Cell = tuple[Action, State]

_STA1, _STA2, _STA3, _STA6, _STA8, _STA13 = State
_UNEXPECTED: Mapping[State, Cell] = {
    _STA2: (Action.AA_1, _STA13),
    _STA3: (Action.AA_8, _STA13),
    _STA6: (Action.AA_8, _STA13),
    _STA8: (Action.AA_8, _STA13),
    _STA13: (Action.AA_6, _STA13),
}
_ROWS: Mapping[Event, Mapping[State, Cell]] = {
    Event.ACCEPT_PDU: _UNEXPECTED,
    Event.REJECT_PDU: _UNEXPECTED,
    Event.CONNECTION: {_STA1: (Action.AE_5, _STA2)},
    # The next state is Sta13 where the service provider itself rejects the request
    Event.REQUEST_PDU: {**_UNEXPECTED, _STA2: (Action.AE_6, _STA3), _STA13: (Action.AA_7, _STA13)},
    Event.ACCEPT: {_STA3: (Action.AE_7, _STA6)},
    Event.REJECT: {_STA3: (Action.AE_8, _STA13)},
    Event.SEND_DATA: {_STA6: (Action.DT_1, _STA6), _STA8: (Action.AR_7, _STA8)},
    Event.DATA_PDU: {**_UNEXPECTED, _STA6: (Action.DT_2, _STA6)},
    Event.RELEASE_REQUEST_PDU: {**_UNEXPECTED, _STA6: (Action.AR_2, _STA8)},
    Event.RELEASE_REPLY_PDU: _UNEXPECTED,
    Event.RELEASE: {_STA8: (Action.AR_4, _STA13)},
    Event.ABORT: dict.fromkeys((_STA3, _STA6, _STA8), (Action.AA_1, _STA13)),
    Event.ABORT_PDU: {
        _STA2: (Action.AA_2, _STA1),
        **dict.fromkeys((_STA3, _STA6, _STA8), (Action.AA_3, _STA1)),
        _STA13: (Action.AA_2, _STA1),
    },
    Event.CLOSED: {
        _STA2: (Action.AA_5, _STA1),
        **dict.fromkeys((_STA3, _STA6, _STA8), (Action.AA_4, _STA1)),
        _STA13: (Action.AR_5, _STA1),
    },
    Event.ARTIM_EXPIRED: {_STA2: (Action.AA_2, _STA1), _STA13: (Action.AA_2, _STA1)},
    Event.INVALID_PDU: {**_UNEXPECTED, _STA13: (Action.AA_7, _STA13)},
}
TABLE: Mapping[tuple[Event, State], Cell] = {
    (event, state): cell for event, row in _ROWS.items() for state, cell in row.items()
}
