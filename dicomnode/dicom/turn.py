r"""How a stored mammogram is turned, from Patient Orientation (0020,0020).

Upright means as mammograms are hung: the chest wall of a left breast at the left edge, of a right breast at the right
edge; the foot end down, in a craniocaudal view the medial side down (IHE RAD TF-1, Mammography Image profile). In the
Standard's letters that is A\FR for a left and P\FL for a right mediolateral oblique view, A\R and P\L for
craniocaudal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dicomnode.errors import GeometryError

_Value = TypeVar("_Value", bound=np.generic)

# Views along the body: seen from above or below, they have no foot end.
CRANIOCAUDAL = frozenset({"CC", "XCC", "XCCL", "XCCM", "FB"})
# Oblique views whose plane leads down to the medial side.
_DOWN_IS_MEDIAL = frozenset({"MLO", "LMO"})
_SIDES = {"L": "left", "R": "right"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the eight ways to turn or mirror a picture.

    Attributes:
        transposed: Rows and columns change places; this is done first.
        columns_reversed: The transposed picture is mirrored left to right.
        rows_reversed: The transposed picture is mirrored top to bottom.
    """

    transposed: bool = False
    columns_reversed: bool = False
    rows_reversed: bool = False

    def apply(self, array: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """(Rows, Columns) of the stored picture, turned: a view, not a copy."""
        return (array.T if self.transposed else array)[self._slices()]

    def undo(self, array: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """(Rows, Columns) of a turned picture, as it is stored: a view, not a copy."""
        turned = array[self._slices()]
        return turned.T if self.transposed else turned

    def mirrored(self) -> Turn:
        """This turn, and then mirrored left to right."""
        return replace(self, columns_reversed=not self.columns_reversed)

    def _slices(self) -> tuple[slice, slice]:
        rows, columns = (-1 if turned else 1 for turned in (self.rows_reversed, self.columns_reversed))
        return slice(None, None, rows), slice(None, None, columns)


UPRIGHT = Turn()


def upright_turn(orientation: Sequence[str], laterality: str, position: str) -> Turn:
    """The turn that makes a stored mammogram upright.

    Args:
        orientation: Patient Orientation: where the rows lead (to the right), where the columns lead (down). Empty
            or absent counts as upright.
        laterality: ``L`` or ``R``.
        position: ACR abbreviation of the view, such as ``CC``.

    Raises:
        GeometryError: The letters make no sense, or they are those of the other breast.
    """
    letters = [str(value).strip().upper() for value in orientation]
    if not any(letters):
        return UPRIGHT
    across, down, transposed = _axes(letters)
    towards_front = "A" if laterality == "L" else "P"
    mirrored = _towards(across, "AP") != towards_front
    upside_down = _upside_down(down, laterality, position, letters)
    _check_side(letters, laterality, position, standard=mirrored and not transposed)
    return Turn(transposed, mirrored, upside_down)


def _axes(letters: Sequence[str]) -> tuple[str, str, bool]:
    """Letters of the axis between chest wall and nipple, of the other one, and whether they had to change places."""
    if len(letters) == 2 and all(value and set(value) <= set("APLRHF") for value in letters):
        row, column = letters
        if row[0] in "AP" and column[0] not in "AP":
            return row, column, False
        if column[0] in "AP" and row[0] not in "AP":
            return column, row, True
    raise GeometryError(
        f"Patient Orientation {_shown(letters)} is none that a mammogram can have: one of its two directions must be"
        " anterior or posterior"
    )


def _towards(value: str, choice: str) -> str:
    """The first letter of a direction that is one of the two; empty if none is."""
    return next((letter for letter in value if letter in choice), "")


def _upside_down(down: str, laterality: str, position: str, letters: Sequence[str]) -> bool:
    medial = "R" if laterality == "L" else "L"
    by_foot, by_side = _towards(down, "FH"), _towards(down, "LR")
    if (position in CRANIOCAUDAL and by_side) or not by_foot:
        if not by_side:
            raise GeometryError(f"Patient Orientation {_shown(letters)} does not say which way is down")
        return by_side != medial
    return by_foot == "H"


def _check_side(letters: Sequence[str], laterality: str, position: str, standard: bool) -> None:
    """Raise if the letters are those of the other breast as it is usually stored.

    Args:
        letters: Patient Orientation.
        laterality: ``L`` or ``R``.
        position: Of the view.
        standard: Whether the chest wall stands, unrotated, where the other breast has it.
    """
    lateral = "L" if laterality == "L" else "R"
    medial = "R" if laterality == "L" else "L"
    down = letters[1] if set(letters[0]) & set("AP") else letters[0]
    by_foot, by_side = _towards(down, "FH"), _towards(down, "LR")
    if position in CRANIOCAUDAL:
        others = standard and (by_side == lateral or (not by_side and by_foot == "F"))
    else:
        others = standard and by_foot == "F" and by_side != medial
        if position in _DOWN_IS_MEDIAL and by_foot and by_side:
            others = (by_foot == "F") != (by_side == medial)
    if others:
        raise GeometryError(
            f"Patient Orientation {_shown(letters)} is that of a {_SIDES[medial]} breast, and the laterality says"
            f" {_SIDES[laterality]}: correct one of them at the source and send the image again"
        )


def _shown(letters: Sequence[str]) -> str:
    return "\\".join(letters)
