"""Random changes move a lesion's box and mask along with its pixels."""

import pytest
import torch

from dicomnode.learning.data.augmentation import augment, ellipses, mixers, random_affine
from dicomnode.learning.recipes.augmentation import AugmentationSection

IDENTITY = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
MOVES = AugmentationSection(flip=0.5, rotation_degrees=25, scale=(0.8, 1.25), shift=0.08, stretch=0.1)


def test_no_change_asked_for_is_no_change() -> None:
    images = torch.rand(3, 1, 20, 24)

    changed, theta = augment(images, AugmentationSection(), torch.Generator().manual_seed(0))

    assert torch.allclose(changed, images, atol=1e-5)
    assert torch.allclose(theta, IDENTITY.expand(3, 2, 3))


def test_the_same_seed_gives_the_same_images() -> None:
    images, section = torch.rand(2, 1, 16, 16), MOVES.model_copy(update={"noise": 0.1, "blur": 0.5, "bias": 0.2})

    first, second = (augment(images, section, torch.Generator().manual_seed(5))[0] for _ in range(2))

    assert torch.equal(first, second)


@pytest.mark.parametrize("seed", range(6))
def test_box_and_mask_follow_the_pixels(seed: int) -> None:
    box = torch.tensor([[50.0, 40.0, 90.0, 62.0]])
    _, still = ellipses(box, IDENTITY, 120, 140)

    moved, theta = augment(still[None].float(), MOVES, torch.Generator().manual_seed(seed))
    corners, mask = ellipses(box, theta[0], 120, 140)

    seen = moved[0, 0] > 0.5
    overlap = (seen & mask[0].bool()).sum() / (seen | mask[0].bool()).sum()
    assert overlap > 0.93
    rows, columns = torch.where(seen)
    extent = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
    assert torch.allclose(corners[0], extent, atol=1.5)


def test_a_box_is_clipped_to_the_image() -> None:
    corners, _ = ellipses(torch.tensor([[-10.0, 5.0, 30.0, 45.0]]), IDENTITY, 40, 40)

    assert corners[0].tolist() == pytest.approx([0, 5, 30, 40])


def test_ranges_hold() -> None:
    theta = random_affine(500, AugmentationSection(scale=(0.5, 2.0)), torch.Generator().manual_seed(0))

    zoom = 1 / theta[:, 0, 0]
    assert 0.5 <= zoom.min() < 0.6 and 1.8 < zoom.max() <= 2.0


def test_a_stain_changes_channels_each_in_its_own_way() -> None:
    images = torch.full((4, 3, 8, 8), 0.5)

    changed, _ = augment(images, AugmentationSection(hue=0.4), torch.Generator().manual_seed(0))

    tones = changed[:, :, 4, 4]
    assert 0.5**1.4 <= tones.min() < tones.max() <= 0.5**0.6
    assert (tones.std(dim=1) > 0.01).all()


def test_mixed_images_carry_the_shares_of_their_labels() -> None:
    torch.manual_seed(0)
    images, labels = torch.eye(4)[:, :, None, None].repeat(1, 1, 8, 8), torch.arange(4)

    for mix in mixers(AugmentationSection(mixup=1.0, cutmix=1.0), 4):
        mixed, shares = mix(images, labels)
        assert torch.allclose(mixed.mean(dim=(2, 3)), shares, atol=1e-5)
        assert not torch.equal(shares, torch.eye(4))
    assert mixers(AugmentationSection(), 4) == ()


def test_quarter_turns_move_every_pixel_onto_another() -> None:
    images = torch.rand(64, 1, 10, 10)

    turned, _ = augment(images, AugmentationSection(quarter_turns=True), torch.Generator().manual_seed(0))

    sides = [images.rot90(quarters, (-2, -1)) for quarters in range(4)]
    alike = torch.stack([(turned - side).abs().amax(dim=(1, 2, 3)) < 1e-4 for side in sides])
    assert (alike.sum(dim=0) == 1).all() and (alike.sum(dim=1) > 5).all()


def test_a_mirrored_border_leaves_no_black_corner() -> None:
    section = AugmentationSection(rotation_degrees=45, border="reflection")

    turned, _ = augment(torch.ones(8, 3, 12, 12), section, torch.Generator().manual_seed(0))

    assert turned.min() > 0.99
