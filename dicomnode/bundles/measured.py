"""What a model was measured to do, for programs and pages: ``docs/evaluation.json`` of a bundle.

It is no part of what is approved: it says what the bundle of a digest did on a data set, and decides nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from dicomnode.bundles.digest import EVALUATION
from dicomnode.bundles.metadata import Fraction, Task, Text
from dicomnode.errors import BundleError

_CLOSED = ConfigDict(extra="forbid")
_MOST_BYTES = 4 << 20

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % bootstrap interval; None where it is not defined."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve through (x, y), x rising: the share of false alarms, or of a FROC false boxes per image; and sensitivity.

    Attributes:
        name: Of the class, or ``finding``.
        area: Under it; None of a FROC curve, or where it is not defined.
        points: Thinned to what an eye can tell apart.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    name: Text
    area: Fraction | None
    points: tuple[tuple[Annotated[float, Field(ge=0.0)], Fraction], ...]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers whose score lies in one bin.

    Attributes:
        low: Lowest score of the bin.
        high: Highest.
        cases: How many; a bin without any is left out.
        score: Their mean.
        right: Share of them that is right.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    low: Fraction
    high: Fraction
    cases: Count
    score: Fraction
    right: Fraction


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """Figures on one choice of cases.

    Attributes:
        name: ``all``, or ``clean``: those without a near duplicate in the training split.
        cases: How many.
        unit: What a case is.
        resampled: What the intervals are drawn over.
        figures: By their names in ``dicomnode evaluate --json``.
        classes: Likewise for each class.
        curve: What the curves are.
        curves: The one that decides first.
        operating_point: x and y of it on the first curve.
        calibration: Bins of the highest probability of a classifier, or of the score of a breast.
        without_finding: How many cases without a finding have a score in each of equal bins from 0 to 1.
        with_finding: Likewise with one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    name: Literal["all", "clean"]
    cases: Count
    unit: Literal["image", "breast"]
    resampled: Text
    figures: dict[Text, Figure]
    classes: dict[Text, dict[Text, Figure]]
    curve: Literal["roc", "froc"]
    curves: tuple[Curve, ...]
    operating_point: tuple[float, float] | None
    calibration: tuple[CalibrationBin, ...]
    without_finding: tuple[Count, ...]
    with_finding: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement of a bundle.

    Attributes:
        bundle_digest: Of the bundle that was measured, hex.
        version: Its version.
        data: Name of the data set's folder.
        threshold: Operating point that it was measured at.
        command: How to repeat it; DATA stands for the folder.
        measured_on: The day.
        software: Version of dicomnode.
        rows: One entry for each choice of cases.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    bundle_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    version: Text
    task: Task
    data: Text
    split: Text
    threshold: Fraction
    command: Text
    measured_on: date
    software: Text
    rows: tuple[MeasuredRows, ...]


_FORM: TypeAdapter[Measured] = TypeAdapter(Measured)


def read_measured(path: Path) -> Measured | None:
    """What stands in a bundle; None if it was not measured so.

    Args:
        path: Folder of the bundle.

    Raises:
        BundleError: The file cannot be read or is not what it should be.
    """
    file = path / EVALUATION
    if not file.is_file():
        return None
    try:
        return read_measured_file(file)
    except BundleError as error:
        raise BundleError(f"bundle {path.name}: {Path(EVALUATION).parent}/{error}") from None


def read_measured_file(file: Path) -> Measured:
    """What stands in a file, wherever it lies.

    Raises:
        BundleError: It cannot be read or is not what it should be.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise BundleError(f"{file.name} has more than {_MOST_BYTES} bytes")
        return _FORM.validate_json(content)
    except OSError as error:
        raise BundleError(f"{file.name} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BundleError(f"{file.name}: {where}: {first['msg']}; 'dicomnode evaluate --card' writes it anew") from None


def measured_values(measured: Measured) -> dict[str, Any]:
    """Ready for JSON."""
    values: dict[str, Any] = _FORM.dump_python(measured, mode="json")
    return values


def write_measured(file: Path, measured: Measured) -> None:
    """Write it, one line a list of numbers at most."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(measured_values(measured), separators=(",", ":")) + "\n", encoding="utf-8")
