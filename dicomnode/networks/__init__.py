"""Network architectures, each a plain ``torch.nn.Module`` that builds without reading a file."""

from dicomnode.networks.centre import CentreDetector
from dicomnode.networks.classifier import ResNetClassifier
from dicomnode.networks.cnn import BloodCellCnn, BrainMriCnn, ChestCtCnn, HistologyCnn
from dicomnode.networks.detector import LesionDetector
from dicomnode.networks.imagenet import ImageNetClassifier
from dicomnode.networks.symmetry import SymmetryAveraged

__all__ = [
    "BloodCellCnn",
    "BrainMriCnn",
    "CentreDetector",
    "ChestCtCnn",
    "HistologyCnn",
    "ImageNetClassifier",
    "LesionDetector",
    "ResNetClassifier",
    "SymmetryAveraged",
]
