"""MONAI bundles: load, check, identify by digest, build.

Importing this package imports neither torch nor MONAI; `build_network` and `build_preprocessing` do.
"""

from typing import TYPE_CHECKING

from dicomnode.bundles.bundle import BrokenBundle, Bundle, model_identity
from dicomnode.bundles.digest import EVALUATION, REFERENCE, TUNING, bundle_digest, node_file
from dicomnode.bundles.installing import install_bundle
from dicomnode.bundles.loading import is_described, list_bundles, load_bundle
from dicomnode.bundles.measured import Measured, read_measured, write_measured
from dicomnode.bundles.metadata import (
    Accepts,
    Aggregation,
    Agreement,
    Algorithm,
    Calibration,
    ExamInput,
    NodeMetadata,
    OperatingPoint,
    OutputClass,
    Task,
    Tiling,
    negative_classes,
)
from dicomnode.bundles.scope import why_out_of_scope
from dicomnode.bundles.template import write_template
from dicomnode.bundles.tuning import TriedWay, Tuning, Way, read_tunings, software, tuned_way, write_tuning

if TYPE_CHECKING:
    from dicomnode.bundles.building import build_network, build_preprocessing

__all__ = [
    "EVALUATION",
    "REFERENCE",
    "TUNING",
    "Accepts",
    "Aggregation",
    "Agreement",
    "Algorithm",
    "BrokenBundle",
    "Bundle",
    "Calibration",
    "ExamInput",
    "Measured",
    "NodeMetadata",
    "OperatingPoint",
    "OutputClass",
    "Task",
    "Tiling",
    "TriedWay",
    "Tuning",
    "Way",
    "build_network",
    "build_preprocessing",
    "bundle_digest",
    "install_bundle",
    "is_described",
    "list_bundles",
    "load_bundle",
    "model_identity",
    "negative_classes",
    "node_file",
    "read_measured",
    "read_tunings",
    "software",
    "tuned_way",
    "why_out_of_scope",
    "write_measured",
    "write_template",
    "write_tuning",
]


def __getattr__(name: str) -> object:
    if name in ("build_network", "build_preprocessing"):
        from dicomnode.bundles import building

        return getattr(building, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
