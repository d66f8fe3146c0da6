"""What a model accepts, from header values."""

from pathlib import Path

import pytest

from dicomnode.bundles import Accepts, why_out_of_scope
from dicomnode.study import Instance, Series

MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"
ACCEPTS = Accepts(modality=("MR",), sop_class_uid=(MR,), body_part_examined=("BRAIN", "HEAD"), minimum_images=2)


def series(modality: str = "MR", sop_class: str = MR, body_part: str = "", frames: int = 2) -> Series:
    instance = Instance("1.1", sop_class, "1.2", "1.3", "1.2.840.10008.1.2.1", Path("/x"), "", number_of_frames=frames)
    return Series("1.2", "1.3", modality, "", body_part, None, (instance,))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (series(), None),
        (series(body_part="BRAIN"), None),
        (series(body_part="head"), None),
        (series(modality="CT"), "modality CT is not MR"),
        (series(modality=""), "modality absent is not MR"),
        (series(sop_class=CT), f"SOP class {CT} is not accepted"),
        (series(body_part="KNEE"), "body part KNEE is not BRAIN or HEAD"),
        (series(frames=1), "1 images, at least 2 needed"),
    ],
)
def test_why_out_of_scope(given: Series, reason: str | None) -> None:
    assert why_out_of_scope(ACCEPTS, given) == reason


def test_empty_conditions_accept_everything() -> None:
    assert why_out_of_scope(Accepts(), series(modality="US", sop_class="1.9", body_part="LIVER", frames=1)) is None
