"""Which proposed presentation contexts are accepted, in which roles (PS3.8 9.3.3.2, PS3.7 D.3.3.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dicomnode.intake.negotiation import TRANSFER_SYNTAXES, service_of
from dicomnode.settings.network import Service

Roles = Mapping[str, tuple[bool, bool]]
"""By SOP class: whether its requestor is SCU, and whether it is SCP."""
ACCEPTED, USER_REJECTION, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 1, 3, 4


@dataclass(frozen=True, slots=True)
class Proposed:
    """A presentation context of a request."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A presentation context of an answer.

    Attributes:
        context_id: Of the proposed one.
        abstract_syntax: Of the proposed one.
        transfer_syntax: The chosen one; of no meaning where the context is not accepted.
        result: PS3.8 table 9-18.
        service: What it is for, None where it is not accepted.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: int
    service: Service | None = None


def answer_contexts(
    proposed: Sequence[Proposed], roles: Roles, services: Collection[Service]
) -> tuple[tuple[Answered, ...], dict[str, tuple[bool, bool]]]:
    """Answer what a peer that may use these services proposed.

    Returns:
        Each context's answer, and the roles that are answered. Roles of classes for which only the default is
        possible are not answered, which means the default (PS3.7 D.3.3.4).
    """
    answers = tuple(_answer(context, roles, services) for context in proposed)
    agreed = {
        one.abstract_syntax: (False, True)
        for one in answers
        if one.service == "commit" and one.abstract_syntax in roles
    }
    return answers, agreed


def _answer(context: Proposed, roles: Roles, services: Collection[Service]) -> Answered:
    service = service_of(context.abstract_syntax)
    known = next((uid for uid in context.transfer_syntaxes if uid in TRANSFER_SYNTAXES), None)
    # Reports on commitment come from its provider, which must ask for that role (PS3.4 J.3.3); many ask for none
    provides = roles.get(context.abstract_syntax, (False, True))[1]
    if service is None or service not in services:
        result = NO_ABSTRACT_SYNTAX
    elif known is None:
        result = NO_TRANSFER_SYNTAX
    elif service == "commit" and not provides:
        result = USER_REJECTION
    else:
        return Answered(context.context_id, context.abstract_syntax, known, ACCEPTED, service)
    return Answered(context.context_id, context.abstract_syntax, known or context.transfer_syntaxes[0], result)
