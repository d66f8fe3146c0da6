"""What goes to a target that does not take an object as it is: a pure function from what it takes to what is sent.

Comprehensive 3D SR becomes Comprehensive SR, then Enhanced SR, then the text document alone; a segmentation becomes a
presentation state, then pictures; what a target takes in another transfer syntax only is encoded anew, without loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.archive.capabilities import Capabilities
from dicomnode.dicom.kinds import sop_class_name
from dicomnode.evidence.identity import ROLES, Role, role_of
from dicomnode.evidence.ladder import CLASS_OF_FORM, CLASS_OF_ROLE, LADDERS, Form, Rung, covers, forms_of

# In order of preference; the node can write all of them, and none of them loses anything.
ENCODABLE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)


class Action(StrEnum):
    """What is to be done with an object."""

    SEND = "send"
    SUBSTITUTE = "substitute"
    COVERED = "covered"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Offer:
    """An object that is to be sent.

    Attributes:
        kind: Which document it is, such as ``segmentation-2``.
        sop_class_uid: (0008,0016).
        transfer_syntax_uid: In which it is stored.
        companions: Kinds of the other documents of its result that the target gets.
        impossible: Why it cannot be said in a form, by form.
    """

    kind: str
    sop_class_uid: str
    transfer_syntax_uid: str
    companions: frozenset[str] = frozenset()
    impossible: Mapping[Form, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with an offer.

    Attributes:
        action: Send it, send a substitute, send nothing because another document covers it, or refuse.
        transfer_syntax_uid: In which it, or its substitute, goes over the wire.
        form: Of the substitute.
        covered_by: Role of the document that covers it.
        reasons: Why it does not go as it is: what the target does not take, newest kind first.
    """

    action: Action
    transfer_syntax_uid: str = ""
    form: Form | None = None
    covered_by: Role | None = None
    reasons: tuple[str, ...] = ()


def decide(offer: Offer, capabilities: Capabilities, *, fallback: bool = True) -> Decision:
    """What goes to a target in place of an object, if anything.

    Args:
        offer: The object.
        capabilities: What the target takes.
        fallback: Whether the target wants older kinds of object.
    """
    syntax = wire_syntax(capabilities.syntaxes(offer.sop_class_uid), offer.transfer_syntax_uid)
    if syntax is not None:
        return Decision(Action.SEND, syntax)
    reasons = [_not_taken(offer.sop_class_uid, capabilities)]
    if not fallback:
        return Decision(Action.REFUSE, reasons=(*reasons, "fallback is switched off for it"))
    role = role_of(offer.kind)
    for rung in LADDERS[role] if role is not None else ():
        found = _step(rung, offer, capabilities, reasons)
        if found is not None:
            return found
    return Decision(Action.REFUSE, reasons=tuple(dict.fromkeys(reasons)))


def outlook(capabilities: Capabilities, *, fallback: bool = True) -> Iterator[tuple[Role, str]]:
    """For each kind of document, in words, what a target gets of a result that has all of them."""
    for role in ROLES:
        offer = Offer(role, CLASS_OF_ROLE[role], ExplicitVRLittleEndian, frozenset(ROLES) - {role})
        decision = decide(offer, capabilities, fallback=fallback)
        sent = CLASS_OF_ROLE[role] if decision.form is None else CLASS_OF_FORM[decision.form]
        yield (
            role,
            {
                Action.SEND: f"{sop_class_name(sent)}",
                Action.SUBSTITUTE: f"{sop_class_name(sent)} in place of {sop_class_name(CLASS_OF_ROLE[role])}",
                Action.COVERED: f"nothing; the {decision.covered_by} document says the same",
                Action.REFUSE: f"nothing: {', '.join(decision.reasons)}",
            }[decision.action],
        )


def wire_syntax(accepted: Sequence[str] | None, stored: str) -> str | None:
    """The transfer syntax in which an object goes: its own where possible; None if there is none.

    Args:
        accepted: By the target, for this class; None if it takes any.
        stored: In which it is stored.
    """
    if accepted is None or stored in accepted:
        return stored
    return next((syntax for syntax in ENCODABLE if syntax in accepted), None)


def _step(rung: Rung, offer: Offer, capabilities: Capabilities, reasons: list[str]) -> Decision | None:
    """One rung of the ladder; adds to the reasons if it does not carry."""
    if rung.role is not None:
        if covers(offer.kind, rung.role, offer.companions) and _arrives(rung.role, capabilities):
            return Decision(Action.COVERED, covered_by=rung.role, reasons=tuple(reasons))
        return None
    if rung.form is None:
        return None
    sop_class = CLASS_OF_FORM[rung.form]
    syntax = wire_syntax(capabilities.syntaxes(sop_class), ExplicitVRLittleEndian)
    if syntax is None:
        reasons.append(_not_taken(sop_class, capabilities))
    elif rung.form in offer.impossible:
        reasons.append(f"cannot be sent as {sop_class_name(sop_class)}: {offer.impossible[rung.form]}")
    else:
        return Decision(Action.SUBSTITUTE, syntax, rung.form, reasons=tuple(reasons))
    return None


def _arrives(role: Role, capabilities: Capabilities) -> bool:
    """Whether a document of that role reaches the target, as it is or in an older form."""
    classes = (CLASS_OF_ROLE[role], *(CLASS_OF_FORM[form] for form in forms_of(role)))
    return any(capabilities.takes(sop_class) for sop_class in classes)


def _not_taken(sop_class_uid: str, capabilities: Capabilities) -> str:
    said = capabilities.refused.get(sop_class_uid)
    return f"does not take {sop_class_name(sop_class_uid)}" + (f" ({said})" if said else "")
