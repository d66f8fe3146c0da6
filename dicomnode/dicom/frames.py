"""What enhanced multi-frame images say of a frame: functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from pydicom.dataset import Dataset


def functional_group(dataset: Dataset, index: int, keyword: str) -> Dataset | None:
    """First item of a functional group macro for one frame: its own, else the shared one, else None.

    Args:
        dataset: Any image; one without functional groups has none.
        index: Frame, counted from 0.
        keyword: Of the macro's sequence, such as ``PlanePositionSequence``.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence", None) or ()
    shared = dataset.get("SharedFunctionalGroupsSequence", None) or ()
    for groups in (*per_frame[index : index + 1], *shared[:1]):
        items = groups.get(keyword, None)
        if items:
            item: Dataset = items[0]
            return item
    return None


def frame_attribute(dataset: Dataset, index: int, sequence: str, keyword: str) -> object:
    """Value of an attribute for one frame: from a functional group, else from the data set itself.

    Args:
        dataset: Any image.
        index: Frame, counted from 0.
        sequence: Keyword of the functional group macro that may hold it.
        keyword: Of the attribute.

    Returns:
        pydicom's value, or None if absent or empty.
    """
    group = functional_group(dataset, index, sequence)
    value: object = group.get(keyword, None) if group is not None else None
    if value is None:
        value = dataset.get(keyword, None)
    return None if value == "" else value
