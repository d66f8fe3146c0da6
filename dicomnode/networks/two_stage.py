"""Faster and Mask R-CNN as torchvision has them (Ren et al., NeurIPS 2015; He et al., ICCV 2017), for grey images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator

from dicomnode.networks.detector import Detections, Target, answer_of
from dicomnode.networks.pyramids import COUNTER, LEVELS, Backbone, Norm, feature_pyramid, load_pyramid_body

_ANCHORS = ((32,), (64,), (128,), (256,), (512,))
_RATIOS = (0.5, 1.0, 2.0)
_HEADS = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
_COCO_CLASSES = 90


class _TwoStage(nn.Module):
    """What the two have in common.

    Args:
        backbone: torchvision's name of the body.
        classes: Kinds of lesion, background not counted; their labels are 1..classes.
        size: Rows and columns of the processed image, or its side; input of that size is not resized.
        norm: ``frozen`` or ``batch``, see :func:`dicomnode.networks.pyramids.feature_pyramid`.
        anchor_sizes: Anchor sides in pixels for strides 4, 8, 16, 32 and 64.
        aspect_ratios: Height over width of the anchors.
        mean: Subtracted from each channel of pixels in 0..1; ImageNet's if not given.
        std: What they are then divided by; ImageNet's if not given.
        min_score: Boxes with a lower score are not returned.
        max_detections: Boxes returned per image at most.
        proposals: Regions per image that are looked at closely, before and after overlapping ones are dropped.
        lessons: Regions per image that the heads learn from in a training step.
    """

    _model: ClassVar[type[FasterRCNN]]
    _coco: ClassVar[str]

    def __init__(
        self,
        *,
        backbone: Backbone,
        classes: int,
        size: int | Sequence[int] = 1024,
        norm: Norm = "frozen",
        anchor_sizes: Sequence[Sequence[float]] = _ANCHORS,
        aspect_ratios: Sequence[float] = _RATIOS,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        min_score: float = 0.05,
        max_detections: int = 100,
        proposals: int = 1000,
        lessons: int = 512,
    ) -> None:
        super().__init__()
        self._backbone: Backbone = backbone
        sides = (size, size) if isinstance(size, int) else tuple(size)
        options: dict[str, Any] = {
            "rpn_anchor_generator": AnchorGenerator(tuple(map(tuple, anchor_sizes)), (tuple(aspect_ratios),) * LEVELS),
            "min_size": min(sides),
            "max_size": max(sides),
            "image_mean": list(mean),
            "image_std": list(std),
            "box_score_thresh": min_score,
            "box_detections_per_img": max_detections,
            "box_batch_size_per_image": lessons,
            "rpn_pre_nms_top_n_test": proposals,
            "rpn_post_nms_top_n_test": proposals,
        }
        self.rcnn = self._model(feature_pyramid(backbone, norm), classes + 1, **options)

    def forward(self, images: Sequence[torch.Tensor], targets: list[Target] | None = None) -> Target | Detections:
        """Losses by name in training, else boxes, labels, scores and, from Mask R-CNN, masks of each image.

        Args:
            images: (1, h, w) or (3, h, w) each, values about 0..1.
            targets: In training only: ``boxes`` (N, 4) xyxy, ``labels`` (N,) from 1, ``masks`` (N, h, w) uint8.

        Returns:
            In training the losses. Else one dictionary per image: boxes in pixels of that image, labels from 1,
            scores 0..1, strongest first, and from Mask R-CNN ``masks`` (N, 1, h, w) of 0..1.
        """
        return answer_of(self.rcnn, [image.expand(3, -1, -1) for image in images], targets)

    @property
    def architecture(self) -> str:
        """Torchvision's name of the body."""
        return self._backbone

    @property
    def coco_name(self) -> str | None:
        """Torchvision's name of the detector that it trained on COCO, if it did."""
        return self._coco if self._backbone == "resnet50" else None

    def load_body(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the body from torchvision's classifier; see :class:`dicomnode.networks.pretraining.TakesImageNet`."""
        load_pyramid_body(self.rcnn.backbone.body, weights)

    def load_detector(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take all but the class heads from torchvision's detector.

        Raises:
            KeyError: If the weights lack a tensor.
            RuntimeError: If a tensor has another shape or is unknown.
        """
        kept = {name: tensor for name, tensor in weights.items() if not name.startswith(_HEADS)}
        result = self.rcnn.load_state_dict(kept, strict=False)
        missing = [name for name in result.missing_keys if not name.startswith(_HEADS) and not name.endswith(COUNTER)]
        if missing:
            raise KeyError(missing[0])
        if result.unexpected_keys:
            raise RuntimeError(f"{result.unexpected_keys[0]} belongs to another network")

    def original_parameters(self) -> int:
        """Parameters with COCO's 91 classes, background among them, counted without memory."""
        with torch.device("meta"):
            network = type(self)(backbone=self._backbone, classes=_COCO_CLASSES)
        return sum(parameter.numel() for parameter in network.parameters())


class FasterRcnn(_TwoStage):
    """Boxes of lesions."""

    _model = FasterRCNN
    _coco = "fasterrcnn_resnet50_fpn"


class MaskRcnn(_TwoStage):
    """Boxes and masks of lesions."""

    _model = MaskRCNN
    _coco = "maskrcnn_resnet50_fpn"
