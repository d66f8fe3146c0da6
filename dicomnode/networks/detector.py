"""Mask R-CNN on ResNet-18 with a narrow feature pyramid (He et al., ICCV 2017; Lin et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

Target: TypeAlias = dict[str, torch.Tensor]
Detections: TypeAlias = list[dict[str, torch.Tensor]]

_LEVELS = ("0", "1", "2")
_ROIS_PER_IMAGE = 64


def _pyramid(in_channels: int, channels: int) -> BackboneWithFPN:
    """ResNet-18 with pyramid levels at strides 8, 16 and 32; its first convolution takes the image's own channels."""
    body = resnet18(weights=None)
    body.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
    layers = {"layer2": "0", "layer3": "1", "layer4": "2"}
    pyramid = BackboneWithFPN(body, layers, [128, 256, 512], channels)
    # torchvision adds a stride-64 level by default; no box of the size range falls on it.
    pyramid.fpn.extra_blocks = None
    return pyramid


class LesionDetector(nn.Module):
    """Boxes, labels, scores and masks of lesions on one 2-D image.

    Args:
        size: Height and width of the processed image in pixels; input of that size is not resized.
        classes: Kinds of lesion, background not counted; their labels are 1..classes.
        in_channels: Channels of the image, 1 for grey.
        channels: Width of the feature pyramid.
        hidden: Width of the box head.
        anchor_sizes: Anchor sides in pixels for strides 8, 16 and 32.
        aspect_ratios: Height over width of the anchors.
        mean: Subtracted from pixels in 0..1.
        std: Pixels are divided by it.
        min_score: Boxes with a lower score are not returned.
        max_detections: Boxes returned per image at most.
    """

    def __init__(
        self,
        *,
        size: int = 256,
        classes: int,
        in_channels: int = 1,
        channels: int = 96,
        hidden: int = 256,
        anchor_sizes: Sequence[Sequence[int]] = ((16, 24), (32, 48), (64, 96)),
        aspect_ratios: Sequence[float] = (0.6, 1.0, 1.7),
        mean: float = 0.2,
        std: float = 0.25,
        min_score: float = 0.05,
        max_detections: int = 10,
    ) -> None:
        super().__init__()
        anchors = AnchorGenerator(tuple(map(tuple, anchor_sizes)), (tuple(aspect_ratios),) * len(_LEVELS))
        self.rcnn = MaskRCNN(
            _pyramid(in_channels, channels),
            None,
            min_size=size,
            max_size=size,
            image_mean=[mean] * in_channels,
            image_std=[std] * in_channels,
            rpn_anchor_generator=anchors,
            rpn_head=RPNHead(channels, anchors.num_anchors_per_location()[0]),
            rpn_pre_nms_top_n_train=200,
            rpn_pre_nms_top_n_test=200,
            rpn_post_nms_top_n_train=100,
            rpn_post_nms_top_n_test=100,
            rpn_batch_size_per_image=_ROIS_PER_IMAGE,
            box_batch_size_per_image=_ROIS_PER_IMAGE,
            box_roi_pool=MultiScaleRoIAlign(list(_LEVELS), 7, 2),
            box_head=TwoMLPHead(channels * 7 * 7, hidden),
            box_predictor=FastRCNNPredictor(hidden, classes + 1),
            box_score_thresh=min_score,
            box_nms_thresh=0.4,
            box_detections_per_img=max_detections,
            mask_roi_pool=MultiScaleRoIAlign(list(_LEVELS), 14, 2),
            mask_head=MaskRCNNHeads(channels, (64, 64), 1),
            mask_predictor=MaskRCNNPredictor(64, 64, classes + 1),
        )

    def forward(self, images: Sequence[torch.Tensor], targets: list[Target] | None = None) -> Target | Detections:
        """Losses in training, else per image ``boxes`` (N, 4) xyxy, ``labels`` (N,), ``scores`` (N,), ``masks``.

        Args:
            images: (C, h, w) each, values about 0..1.
            targets: In training only: ``boxes`` (N, 4) xyxy, ``labels`` (N,) from 1, ``masks`` (N, h, w) uint8.

        Returns:
            In training the five losses by name. Else one dictionary per image: boxes in pixels of that image, labels
            from 1, scores 0..1, strongest first, and ``masks`` (N, 1, h, w) of 0..1.
        """
        return answer_of(self.rcnn, images, targets)


def answer_of(
    rcnn: GeneralizedRCNN, images: Sequence[torch.Tensor], targets: list[Target] | None
) -> Target | Detections:
    """Losses of torchvision's two-stage detector in training, else its detections, under autocast too.

    Args:
        rcnn: Faster or Mask R-CNN.
        images: (C, h, w) each, with as many channels as it takes.
        targets: In training only.
    """
    sizes = [(image.shape[-2], image.shape[-1]) for image in images]
    batch, targets = rcnn.transform(list(images), targets)
    features = rcnn.backbone(batch.tensors)
    # Half precision rounds box coordinates to whole pixels: autocast may speed up the backbone only.
    with torch.autocast(batch.tensors.device.type, enabled=False):
        features = {name: level.float() for name, level in features.items()}
        proposals, rpn_losses = rcnn.rpn(batch, features, targets)
        found, losses = rcnn.roi_heads(features, proposals, batch.image_sizes, targets)
    if rcnn.training:
        return {**rpn_losses, **losses}
    detections: Detections = rcnn.transform.postprocess(found, batch.image_sizes, sizes)
    return detections
