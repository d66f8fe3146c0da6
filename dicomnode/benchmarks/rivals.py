"""A process beside the node that holds what it is compared with: the bare models, and the naive chain.

It is given orders line by line as JSON, and answers so; it ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BATCH_SIZE = 8  # the node's default


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is made from.

    Attributes:
        folder: Where it may write.
        bundles: Folder of the bundle for each modality.
        pixels: A ``.npy`` file of stored values (images, rows, columns) for each modality.
        rescale: Rescale Slope and Intercept for each modality.
        target_port: Where an Orthanc listens to C-STORE.
    """

    folder: str
    bundles: Mapping[str, str]
    pixels: Mapping[str, str]
    rescale: Mapping[str, tuple[float, float]]
    target_port: int

    def command(self) -> list[str]:
        """What starts the process."""
        return [sys.executable, "-m", __name__, json.dumps(asdict(self))]


def main(arguments: Sequence[str]) -> None:
    """Serve until standard input ends."""
    # As the node's own inference role does, so that both use the machine alike
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import numpy as np

    from dicomnode.benchmarks.naive_chain import NaiveChain
    from dicomnode.learning.benchmarks.bare import BareModel

    order = Order(**json.loads(arguments[0]))
    pixels = {modality: list(np.load(path)) for modality, path in order.pixels.items()}
    models = {modality: BareModel(Path(path), BATCH_SIZE) for modality, path in order.bundles.items()}
    single = {modality: BareModel(Path(path), 1) for modality, path in order.bundles.items()}
    chain = NaiveChain(Path(order.folder), single, order.target_port, lambda study: _tell(study=study, at=time.time()))
    for modality, model in models.items():
        model.scores(pixels[modality][:BATCH_SIZE], *order.rescale[modality])
    _tell(port=chain.start())
    for line in sys.stdin:
        modality = line.strip()
        started = time.perf_counter()
        models[modality].scores(pixels[modality], *order.rescale[modality])
        _tell(seconds=time.perf_counter() - started)
    chain.stop()


def _tell(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
