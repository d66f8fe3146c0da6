"""What a process that only infers takes in."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from dicomnode.inference.frameworks import take_in
take_in()
import dicomnode.jobs.worker
print(*sys.modules)
import matplotlib.pyplot, sklearn.cluster  # whoever needs them later gets them
import monai
assert monai.transforms.Resize and monai.inferers.SlidingWindowInferer
"""


def test_monai_is_there_without_what_only_training_needs() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120)
    taken = set(done.stdout.split())
    assert {"torch", "torchvision", "monai.transforms"} <= taken
    assert not taken & {"matplotlib", "sklearn", "tensorboard", "pandas"}
