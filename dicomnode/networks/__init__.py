"""Network architectures, each a plain ``torch.nn.Module`` that builds without reading a file."""

from dicomnode.networks.classifier import ResNetClassifier
from dicomnode.networks.detector import LesionDetector

__all__ = ["LesionDetector", "ResNetClassifier"]
