"""Network architectures, each a plain ``torch.nn.Module`` that builds without reading a file."""

from dicomnode.networks.baselines import FullResolutionResNet
from dicomnode.networks.centre import CentreDetector
from dicomnode.networks.classifier import ResNetClassifier
from dicomnode.networks.cnn import BloodCellCnn, BrainMriCnn, ChestCtCnn, HistologyCnn
from dicomnode.networks.detectnet import DetectNet
from dicomnode.networks.detector import LesionDetector
from dicomnode.networks.dmv import BiRadsCnn, DmvCnn
from dicomnode.networks.ensemble import ClassifierEnsemble, DetectorEnsemble
from dicomnode.networks.gmic import Gmic
from dicomnode.networks.heat_maps import HeatMappedDmvCnn, PatchClassifier
from dicomnode.networks.imagenet import ImageNetClassifier
from dicomnode.networks.symmetry import SymmetryAveraged
from dicomnode.networks.tiled import TiledDetector
from dicomnode.networks.two_stage import FasterRcnn, MaskRcnn

__all__ = [
    "BiRadsCnn",
    "BloodCellCnn",
    "BrainMriCnn",
    "CentreDetector",
    "ChestCtCnn",
    "ClassifierEnsemble",
    "DetectNet",
    "DetectorEnsemble",
    "DmvCnn",
    "FasterRcnn",
    "FullResolutionResNet",
    "Gmic",
    "HeatMappedDmvCnn",
    "HistologyCnn",
    "ImageNetClassifier",
    "LesionDetector",
    "MaskRcnn",
    "PatchClassifier",
    "ResNetClassifier",
    "SymmetryAveraged",
    "TiledDetector",
]
