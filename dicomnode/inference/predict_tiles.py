"""A model of tiles over picture files, whose pixel spacing somebody has to say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from dicomnode.bundles import Tiling
from dicomnode.dicom.tiling import FramePlace
from dicomnode.dicom.uids import derive_uid
from dicomnode.errors import GeometryError, ImageError, ScopeError
from dicomnode.findings import Outcome
from dicomnode.inference.analyse import Analysis
from dicomnode.inference.files import Problem
from dicomnode.inference.outcomes import result_of, without_answer
from dicomnode.inference.pictures import read_pages
from dicomnode.inference.predict_files import Predicted
from dicomnode.inference.predictor import Prediction, Predictor
from dicomnode.inference.slice_group import SliceGroup, slice_group
from dicomnode.inference.slide_images import SlideImage, check_resolution
from dicomnode.inference.source_image import SourceImage
from dicomnode.inference.tile_analysis import predict_tiles
from dicomnode.inference.tiles import ImageTiles


def predict_tile_pictures(
    predictor: Predictor,
    tiling: Tiling,
    paths: Iterable[Path],
    spacing: float | None,
    created: datetime,
    most_pixels: int | None = None,
) -> Iterator[Predicted | Problem]:
    """Predict on each picture, in order; of a TIFF on its first page, which is the one in full resolution.

    Args:
        predictor: A loaded model of tiles.
        tiling: How it wants images cut.
        paths: PNG, JPEG or TIFF files.
        spacing: Distance between pixels, mm, of all of them; None refuses each: no spacing, no run.
        created: Time of the results, with time zone.
        most_pixels: Of one picture; None: Pillow's own limit.
    """
    for path in paths:
        try:
            picture = next(read_pages(path, most_pixels))
        except ImageError as error:
            yield Problem(path, str(error))
            continue
        yield Predicted(path, _analysis(predictor, tiling, picture, spacing, created))


def _analysis(
    predictor: Predictor, tiling: Tiling, picture: SourceImage, spacing: float | None, created: datetime
) -> Analysis:
    bundle, group = predictor.bundle, slice_group(picture, 3)
    uid = group.images[0].sop_instance_uid
    study = derive_uid("picture study", uid)
    digest = hashlib.sha256(f"{bundle.digest} {uid} {spacing}".encode()).hexdigest()
    try:
        prediction = _predict(predictor, tiling, group, picture.data.shape[0], spacing)
    except ImageError as error:
        return Analysis(without_answer(bundle, study, Outcome.REFUSED, str(error), digest, created), (group,))
    except ScopeError as error:
        return Analysis(without_answer(bundle, study, Outcome.OUT_OF_SCOPE, str(error), digest, created), (group,))
    return Analysis(result_of(prediction, bundle, study, group.images, digest, created), (group,))


def _predict(
    predictor: Predictor, tiling: Tiling, group: SliceGroup, channels: int, spacing: float | None
) -> Prediction:
    if spacing is None:
        raise GeometryError(
            f"a picture file states no pixel spacing, and the model looks at {tiling.spacing:g} mm to a pixel; give"
            " the distance between its pixels in mm (--spacing MM) if you know it"
        )
    check_resolution("the picture", spacing, tiling)
    pixels = group.pixels[0]
    shape = (pixels.shape[1], pixels.shape[2])
    image = SlideImage(
        group.images[0], *shape, channels, (spacing, spacing), range(1), (FramePlace(0, 0),), frame_shape=shape
    )
    return predict_tiles(predictor, [image], ImageTiles(0, image, tiling).add(pixels, 0, 0), tiling)
