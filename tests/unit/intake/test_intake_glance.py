"""What the first bytes tell never contradicts what the whole file tells."""

from __future__ import annotations

import random
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.header import read_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.errors import NotDicomError
from dicomnode.intake.glance import Glance, end_of_outline
from dicomnode.intake.wholeness import require_whole
from tests.archives import MR, make_file
from tests.unit.intake.test_intake_scp import dataset_of

WHOLE = dataset_of(make_file(PixelData=bytes(4000)))


def agrees(content: bytes, syntax: str, first: int) -> bool:
    """Whether a glance at the first bytes takes the data set for whole; if so, the slow way must do so as well."""
    glance = Glance(memoryview(content)[:first], syntax)
    if not glance.is_whole(len(content)):
        return False
    file = BytesIO(part10_preamble(MR, "1.2.3.1", syntax, "") + content)
    assert read_header(file) == glance.header
    require_whole(file, syntax)
    return True


def test_an_image_that_ends_with_its_pixels_is_known_at_once() -> None:
    assert agrees(WHOLE, ExplicitVRLittleEndian, 1000)
    assert agrees(WHOLE, ExplicitVRLittleEndian, len(WHOLE))


@pytest.mark.parametrize(
    "content",
    [WHOLE[:-2], WHOLE + b"\0\0", WHOLE + WHOLE[:20], WHOLE[:90], b"", b"\xff" * 400],
    ids=["cut", "padded", "another element", "cut in the head", "empty", "garbage"],
)
def test_everything_else_is_looked_at(content: bytes) -> None:
    assert not agrees(content, ExplicitVRLittleEndian, 1000)


@given(st.integers(0, len(WHOLE)), st.integers(0, 2**32))
def test_damaged_data_sets_are_never_taken_for_whole_by_mistake(first: int, seed: int) -> None:
    chance = random.Random(seed)
    damaged = bytearray(WHOLE)
    for _ in range(chance.randint(1, 3)):
        damaged[chance.randrange(400)] = chance.randrange(256)
    content = bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        with suppress(NotDicomError):
            agrees(content, syntax, max(first, 1))


def test_implicit_vr_is_followed_too() -> None:
    content = b"\x08\0\x05\0\x04\0\0\0abcd" + b"\x10\0\x10\0\x20\0\0\0" + bytes(8)
    assert end_of_outline(memoryview(content), True) == 12 + 8 + 32
    assert end_of_outline(memoryview(content[12:] + content[:12]), True) == 8 + 32
    assert end_of_outline(memoryview(content[:12] * 2), True) is None  # tags only ascend
