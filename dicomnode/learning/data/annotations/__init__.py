"""Boxes and outlines on pictures: one type, and the formats of annotation tools that it is read from and written to."""

from dicomnode.learning.data.annotations.annotated import AnnotatedImage, AnnotationSet, Region
from dicomnode.learning.data.annotations.class_masks import read_class_masks, write_class_masks
from dicomnode.learning.data.annotations.coco import read_coco, write_coco
from dicomnode.learning.data.annotations.kitti import read_kitti, write_kitti

__all__ = [
    "AnnotatedImage",
    "AnnotationSet",
    "Region",
    "read_class_masks",
    "read_coco",
    "read_kitti",
    "write_class_masks",
    "write_coco",
    "write_kitti",
]
