"""What goes in place of what: the pure decision, as a table."""

from __future__ import annotations

import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from dicomnode.archive.capabilities import Capabilities
from dicomnode.delivery.fallback import Action, Offer, decide, outlook
from dicomnode.evidence.ladder import CLASS_OF_ROLE
from tests.archives import at

COMPREHENSIVE_3D, COMPREHENSIVE = Comprehensive3DSRStorage, ComprehensiveSRStorage
ENHANCED, BASIC, SEG = EnhancedSRStorage, BasicTextSRStorage, SegmentationStorage
STATE, CAPTURE = GrayscaleSoftcopyPresentationStateStorage, SecondaryCaptureImageStorage


def taking(*classes: str, syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian,), **changes) -> Capabilities:
    return Capabilities("PACS at pacs:104", at(0), dict.fromkeys(classes, syntaxes), **changes)


def offer(kind: str, *companions: str, **changes) -> Offer:
    role = kind.rpartition("-")[0] if kind[-1].isdigit() else kind
    return Offer(kind, CLASS_OF_ROLE[role], ExplicitVRLittleEndian, frozenset(companions), **changes)


@pytest.mark.parametrize(
    ("kind", "companions", "taken", "expected"),
    [
        ("answer", (), (COMPREHENSIVE_3D, COMPREHENSIVE), "send"),
        ("answer", ("text",), (COMPREHENSIVE, ENHANCED), "substitute comprehensive"),
        ("lesions", ("text",), (ENHANCED,), "substitute enhanced"),
        ("lesions", ("text",), (BASIC,), "covered text"),
        ("lesions", (), (BASIC,), "refuse"),
        ("lesions", ("text",), (CAPTURE,), "refuse"),
        ("text", (), (COMPREHENSIVE,), "substitute comprehensive"),
        ("text", (), (BASIC,), "substitute basic-text"),
        ("text", (), (COMPREHENSIVE_3D,), "refuse"),
        ("segmentation-2", ("presentation", "picture"), (STATE, CAPTURE), "covered presentation"),
        ("segmentation-2", ("picture-2",), (CAPTURE,), "covered picture"),
        ("segmentation-2", ("picture-1", "text"), (CAPTURE,), "substitute picture"),
        ("segmentation", ("text",), (STATE, CAPTURE), "substitute presentation"),
        ("segmentation", ("text", "lesions"), (CAPTURE,), "substitute picture"),
        ("segmentation", ("text",), (COMPREHENSIVE_3D, ENHANCED), "refuse"),
        ("attention", ("presentation", "text"), (STATE, BASIC), "covered presentation"),
        ("heat-map", ("text", "presentation", "picture"), (STATE, CAPTURE, ENHANCED), "refuse"),
        ("presentation", ("picture",), (CAPTURE,), "covered picture"),
        ("presentation", (), (CAPTURE,), "refuse"),
        ("picture", (), (COMPREHENSIVE_3D, SEG), "refuse"),
    ],
)
def test_the_newest_kind_that_the_target_takes_goes(kind, companions, taken, expected):
    decision = decide(offer(kind, *companions), taking(*taken))
    words = [decision.action, decision.form or decision.covered_by or ""]
    assert " ".join(words).strip() == expected


def test_a_refusal_names_everything_that_is_not_taken():
    decision = decide(offer("answer"), taking(CAPTURE))
    assert decision.reasons == (
        "does not take Comprehensive 3D SR",
        "does not take Comprehensive SR",
        "does not take Enhanced SR",
    )


def test_without_fallback_nothing_goes_in_its_place():
    decision = decide(offer("answer"), taking(COMPREHENSIVE), fallback=False)
    assert decision.action is Action.REFUSE
    assert decision.reasons == ("does not take Comprehensive 3D SR", "fallback is switched off for it")


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ((ImplicitVRLittleEndian, ExplicitVRLittleEndian), ExplicitVRLittleEndian),
        ((DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian), ImplicitVRLittleEndian),
        ((DeflatedExplicitVRLittleEndian,), DeflatedExplicitVRLittleEndian),
    ],
)
@pytest.mark.parametrize("kind", ["answer", "segmentation"])
def test_an_object_goes_in_a_transfer_syntax_that_is_taken(kind, accepted, sent):
    found = decide(offer(kind), taking(CLASS_OF_ROLE[kind], syntaxes=accepted))
    assert (found.action, found.transfer_syntax_uid) == (Action.SEND, sent)


def test_a_substitute_goes_in_a_transfer_syntax_that_is_taken():
    found = decide(offer("answer"), taking(COMPREHENSIVE, syntaxes=(ImplicitVRLittleEndian,)))
    assert (found.form, found.transfer_syntax_uid) == ("comprehensive", ImplicitVRLittleEndian)


def test_what_is_stored_compressed_goes_as_it_is_where_that_is_taken_and_else_uncompressed():
    compressed = Offer("picture", CAPTURE, JPEG2000Lossless)
    assert decide(compressed, taking(CAPTURE, syntaxes=(JPEG2000Lossless,))).transfer_syntax_uid == JPEG2000Lossless
    assert decide(compressed, taking(CAPTURE)).transfer_syntax_uid == ExplicitVRLittleEndian


def test_of_a_target_that_cannot_be_asked_only_what_it_refused_is_known():
    unknown = Capabilities("http://pacs", at(0), None)
    assert decide(offer("answer"), unknown).action is Action.SEND
    refused = Capabilities("http://pacs", at(0), None, {COMPREHENSIVE_3D: "0x0122 SOP class not supported"})
    found = decide(offer("answer"), refused)
    assert found.form == "comprehensive"
    assert found.reasons == ("does not take Comprehensive 3D SR (0x0122 SOP class not supported)",)


def test_a_form_that_cannot_be_written_is_skipped_and_named():
    made = offer("answer", impossible={"comprehensive": "it holds a TABLE"})
    assert decide(made, taking(COMPREHENSIVE, ENHANCED)).form == "enhanced"
    assert "cannot be sent as Comprehensive SR: it holds a TABLE" in decide(made, taking(COMPREHENSIVE)).reasons


def test_the_outlook_tells_of_each_kind_of_document():
    words = dict(outlook(taking(COMPREHENSIVE, STATE)))
    assert words["answer"] == "Comprehensive SR in place of Comprehensive 3D SR"
    assert words["segmentation"] == "nothing; the presentation document says the same"
    assert words["heat-map"] == "nothing: does not take Segmentation"
