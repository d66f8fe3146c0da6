"""A hospital's archive as rows: many radiographs, fewer CT and MR studies with most of the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from dicomnode.archive.generated import GeneratedSeries, GeneratedStudy
from dicomnode.archive.records import PatientStudy

_ROOT = "1.3.6.1.4.1.9590.100.1.2"  # of UIDs that are longer than most, as some vendors' are
_SR = "1.2.840.10008.5.1.4.1.1.88.34"
_FIRST_DAY = datetime(2023, 11, 1, tzinfo=UTC)
_DAYS = 3 * 365
_NAMES = tuple(
    first + last
    for first in ("Al", "Bra", "Cor", "Dun", "El", "Fa", "Gar", "Ha", "Iv", "Jo")
    for last in ("den", "ker", "man", "ton", "da", "la", "na", "ro")
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How studies of a modality look: how frequent they are, and how many series and images they have."""

    modality: str
    sop_class_uid: str
    percent: int
    series: tuple[int, int]
    images: tuple[int, int]


KINDS = (
    _Kind("CR", "1.2.840.10008.5.1.4.1.1.1", 45, (1, 1), (1, 3)),
    _Kind("MG", "1.2.840.10008.5.1.4.1.1.1.2", 10, (4, 4), (1, 1)),
    _Kind("US", "1.2.840.10008.5.1.4.1.1.6.1", 15, (1, 2), (5, 20)),
    _Kind("CT", "1.2.840.10008.5.1.4.1.1.2", 15, (2, 5), (50, 100)),
    _Kind("MR", "1.2.840.10008.5.1.4.1.1.4", 15, (4, 8), (20, 60)),
)


def generated_studies(instances: int, seed: int, first: int = 0) -> Iterator[GeneratedStudy]:
    """Studies, three to a patient, until they have so many instances together.

    Args:
        instances: Exactly so many; the last study is cut.
        seed: The same one makes the same studies.
        first: Number of the first study, where others are there already.
    """
    random, number = np.random.default_rng([seed, first]), first
    while instances > 0:
        study = _study(random, number, instances)
        instances -= sum(len(series.digests) for series in study.series)
        number += 1
        yield study


def _study(random: np.random.Generator, number: int, most: int) -> GeneratedStudy:
    kind = KINDS[random.choice(len(KINDS), p=[kind.percent / 100 for kind in KINDS])]
    taken = _FIRST_DAY + timedelta(days=int(random.integers(_DAYS)), seconds=int(random.integers(7 * 3600, 19 * 3600)))
    uid = f"{_ROOT}.{random.integers(10**9)}.{taken:%Y%m%d%H%M%S}.{number}"
    series = tuple(_series(random, uid, kind, most))
    return GeneratedStudy(uid, _attributes(random, number, taken, kind), taken + timedelta(minutes=10), series)


def _series(random: np.random.Generator, study_uid: str, kind: _Kind, most: int) -> Iterator[GeneratedSeries]:
    """The images, and the node's answer."""
    (fewest, many), (least, greatest) = kind.series, kind.images
    counts = [int(random.integers(least, greatest + 1)) for _ in range(random.integers(fewest, many + 1))]
    made = [(kind.modality, kind.sop_class_uid, count, False) for count in counts] + [("SR", _SR, 1, True)]
    for place, (modality, sop_class_uid, count, own) in enumerate(made, 1):
        kept = min(count, most)
        most -= kept
        if kept:
            digests = tuple(random.bytes(32).hex() for _ in range(kept))
            yield GeneratedSeries(f"{study_uid}.{place}", modality, sop_class_uid, digests, own)


def _attributes(random: np.random.Generator, number: int, taken: datetime, kind: _Kind) -> PatientStudy:
    patient = number // 3
    family, given = _NAMES[patient * 7 % len(_NAMES)], _NAMES[patient * 11 % len(_NAMES)]
    return PatientStudy(
        patient_id=f"P{patient:08d}",
        patient_name=f"{family}{patient % 97}^{given}",
        patient_birth_date=f"{1930 + patient % 80}{1 + patient % 12:02d}{1 + patient % 28:02d}",
        patient_sex="FM"[patient % 2],
        issuer_of_patient_id="HOSPITAL",
        accession_number=f"A{number:010d}",
        study_id=str(number),
        study_date=f"{taken:%Y%m%d}",
        study_time=f"{taken:%H%M%S}",
        study_description=f"{kind.modality} {random.choice(['chest', 'abdomen', 'head', 'knee', 'control'])}",
        referring_physician_name=f"{_NAMES[number % len(_NAMES)]}^Dr",
    )
