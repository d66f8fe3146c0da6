from __future__ import annotations

import pytest

from dicomnode.dicom.kinds import DERIVED_SOP_CLASSES, IMAGE_SOP_CLASSES, is_derived_document, is_image


def test_no_class_is_both() -> None:
    assert not IMAGE_SOP_CLASSES & DERIVED_SOP_CLASSES


@pytest.mark.parametrize(
    ("uid", "image", "derived"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", True, False),  # CT
        ("1.2.840.10008.5.1.4.1.1.4.1", True, False),  # Enhanced MR
        ("1.2.840.10008.5.1.4.1.1.7", True, False),  # Secondary Capture
        ("1.2.840.10008.5.1.4.1.1.77.1.6", True, False),  # VL Whole Slide Microscopy
        ("1.2.840.10008.5.1.4.1.1.88.34", False, True),  # Comprehensive 3D SR
        ("1.2.840.10008.5.1.4.1.1.66.4", False, True),  # Segmentation
        ("1.2.840.10008.5.1.4.1.1.66.7", False, True),  # Label Map Segmentation
        ("1.2.840.10008.5.1.4.1.1.88.59", False, True),  # Key Object Selection
        ("1.2.840.10008.5.1.4.1.1.11.1", False, True),  # Grayscale presentation state
        ("1.2.840.10008.5.1.4.1.1.481.3", False, True),  # RT Structure Set
        ("1.2.840.10008.5.1.4.1.1.66", False, False),  # Raw Data
        ("1.2.276.0.7230010.3.1.0.1", False, False),  # private
        ("", False, False),
    ],
)
def test_kinds(uid: str, image: bool, derived: bool) -> None:
    assert is_image(uid) is image
    assert is_derived_document(uid) is derived
