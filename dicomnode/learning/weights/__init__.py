"""Weights that other authors published, brought under our names."""

from dicomnode.learning.weights.conversion import Imported, import_weights
from dicomnode.learning.weights.releases import RELEASES, Release

__all__ = ["RELEASES", "Imported", "Release", "import_weights"]
