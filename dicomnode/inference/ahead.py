"""Images of a series that is not complete: what a network says of each of them by itself."""

from __future__ import annotations

from dicomnode.inference.analyse import check_scope, file_digests
from dicomnode.inference.decoding.decoders import Decoders
from dicomnode.inference.frame_reader import FrameReader
from dicomnode.inference.opening import open_series
from dicomnode.inference.predictor import Predictor, Request
from dicomnode.inference.slice_pixels import open_group
from dicomnode.study import Series


def look_ahead(predictor: Predictor, series: Series, decoders: Decoders | None = None) -> None:
    """Have the predictor remember what its network says of some images of a series.

    Args:
        predictor: A slice-wise model.
        series: The images.
        decoders: Decode compressed frames; this process does unless given.

    Raises:
        InputError: They cannot be read or trusted, or the model is not made for them.
        BundleError: The network answers other than its bundle says.
    """
    read, reader = open_series(series), FrameReader(decoders)
    for image in read.images:
        check_scope(image.rows, image.columns, image.channels, predictor.bundle.node.accepts)
    groups = tuple(open_group(image, predictor.bundle.channels, reader) for image in read.images)
    if groups:
        predictor.look_ahead(Request(groups, "", digests=file_digests(series, groups)))
