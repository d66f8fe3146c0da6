"""Whether a series is a model's business, from its header values alone."""

from __future__ import annotations

from dicomnode.bundles.metadata import Accepts
from dicomnode.study import Series


def why_out_of_scope(accepts: Accepts, series: Series) -> str | None:
    """One clause that says why the series is not what the model is made for; None if it is.

    Rows, columns and photometric interpretation are only known when the pixels are read.
    """
    if accepts.modality and series.modality not in accepts.modality:
        return f"modality {series.modality or 'absent'} is not {_either(accepts.modality)}"
    classes = {instance.sop_class_uid for instance in series.instances}
    foreign = sorted(classes - set(accepts.sop_class_uid)) if accepts.sop_class_uid else []
    if foreign and not classes & set(accepts.sop_class_uid):
        return f"SOP class {foreign[0]} is not accepted"
    body_part = series.body_part_examined.upper()
    if accepts.body_part_examined and body_part and body_part not in accepts.body_part_examined:
        return f"body part {body_part} is not {_either(accepts.body_part_examined)}"
    images = sum(instance.number_of_frames for instance in series.instances)
    if images < accepts.minimum_images:
        return f"{images} images, at least {accepts.minimum_images} needed"
    return None


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)
