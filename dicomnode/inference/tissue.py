"""Which tiles hold tissue."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Stained tissue has a colour; glass is bright and grey, and so are dust, the edge of the cover slip and black or white
# padding. A tenth of the breast patches' glass has a difference above 12, pale eosin has 20 to 30.
COLOUR_DIFFERENCE = 18.0


def tissue_share(tile: npt.NDArray[np.float32]) -> float:
    """Share of a tile's pixels, 0..1, whose red, green and blue differ by 18 of 255 or more.

    Args:
        tile: (3, Rows, Columns), RGB 0..255.
    """
    return float((tile.max(axis=0) - tile.min(axis=0) >= COLOUR_DIFFERENCE).mean())
