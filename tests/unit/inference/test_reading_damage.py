"""Whatever bytes arrive: a header or a sentence, an image or a sentence, and always a digest."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dicomnode.dicom.digest import content_digest
from dicomnode.dicom.header import read_header
from dicomnode.errors import InputError, NotDicomError
from dicomnode.inference.reading import read_series
from tests.factories import as_series, make_enhanced, make_instance, write_instance


def _damaged(content: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 20))):
        changed[chance.randrange(132, len(changed))] = chance.choice((0, 1, 32, 255, chance.randrange(256)))
    return bytes(changed[: chance.randrange(140, len(changed))] if seed % 6 == 0 else changed)


@pytest.mark.parametrize("kind", ["single", "enhanced"])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_damaged_bytes(tmp_path: Path, kind: str) -> None:
    dataset = make_enhanced(2, shape=(4, 4)) if kind == "enhanced" else make_instance(SliceThickness=2)
    path = write_instance(dataset, tmp_path / "instance.dcm")
    content, series = path.read_bytes(), as_series([path])
    outcomes = set()
    for seed in range(60):
        path.write_bytes(_damaged(content, seed))
        assert len(content_digest(path)) == 64
        try:
            read_header(path)
        except NotDicomError as error:
            outcomes.add("no header")
            assert "Generated" not in str(error)
        try:
            read_series(series)
            outcomes.add("read")
        except InputError as error:
            outcomes.add("refused")
            assert series.instances[0].sop_instance_uid in str(error) or series.series_instance_uid in str(error)
    assert outcomes == {"no header", "read", "refused"}
