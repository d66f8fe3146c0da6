"""Whose weights can be imported, for which of our networks, and how their names translate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import nn

from dicomnode.networks import DmvCnn, Gmic, PatchClassifier

Names: TypeAlias = tuple[tuple[str, str], ...]

# A ResNet-22, ours and theirs. The last norm alone stands at the beginning of its name.
_COLUMN: Names = (
    ("stem.", "first_conv."),
    ("stages.", "layer_list."),
    (".norm1.", ".bn1."),
    (".norm2.", ".bn2."),
    (".shortcut.", ".downsample.0."),
)
_VIEWS: Mapping[str, str] = {"cc.0": "lcc", "cc.1": "rcc", "mlo.0": "lmlo", "mlo.1": "rmlo"}


@dataclass(frozen=True, slots=True)
class Release:
    """A published network.

    Attributes:
        source: Paper and repository.
        license: SPDX name of what the weights are under.
        build: Our network.
        component: How a bundle or a recipe names it.
        translate: From our tensor's name to theirs.
        nested: Key of their file under which the tensors are; empty for a file of nothing but tensors.
        unread: Their tensors that no answer comes from, by name and shape.
        aliases: Beginnings of their names under which a tensor is stored once more, and of those that count.
        rows: Rows of their output layers that count, where they have more than our network.
    """

    source: str
    license: str
    build: Callable[[], nn.Module]
    component: Mapping[str, object]
    translate: Callable[[str], str]
    nested: str = ""
    unread: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None


def _column(name: str) -> str:
    if name.startswith("norm."):
        return f"final_bn.{name.removeprefix('norm.')}"
    for ours, theirs in _COLUMN:
        name = name.replace(ours, theirs)
    return name


def _gmic(name: str) -> str:
    part, _, rest = name.partition(".")
    if part == "global_network":
        return f"ds_net.{_column(rest)}"
    if part == "attention":
        letter = {"content": "V", "gate": "U", "score": "w"}[rest.partition(".")[0]]
        return f"mil_attn_{letter}.weight"
    whole = {
        "local_network": "dn_resnet",
        "saliency": "left_postprocess_net.gn_conv_last",
        "local_head": "classifier_linear",
        "fusion": "fusion_dnn",
    }
    return f"{whole[part]}.{rest}"


def _dmv(name: str, views: Mapping[str, str]) -> str:
    """``columns.cc.*`` and ``heads.cc.0.hidden.*``; ``views`` says what their head of ``cc.0`` is called."""
    parts = name.split(".")
    if parts[0] == "columns":
        return f"four_view_resnet.{parts[1]}.{_column('.'.join(parts[2:]))}"
    view = views[".".join(parts[1:3])]
    layer = f"fc1_{view}" if parts[3] == "hidden" else f"output_layer_{view}.fc_layer"
    return f"{layer}.{parts[4]}"


_GMIC = Release(
    source="GMIC, Shen et al., Medical Image Analysis 68 (2021) 101908, https://github.com/nyukat/GMIC",
    license="AGPL-3.0-or-later",
    build=lambda: Gmic(local="resnet18"),
    component={"_target_": "dicomnode.networks.Gmic", "local": "resnet18"},
    translate=_gmic,
    # A 4 x 4 convolution that the authors' own code leaves unread.
    unread={"shared_rep_filter.weight": (256, 256, 4, 4)},
)
_DMV_SOURCE = (
    "DMV-CNN, Wu et al., IEEE Transactions on Medical Imaging 39 (2020) 1184, "
    "https://github.com/nyukat/breast_cancer_classifier"
)
# Both sides share a column, and their files hold its tensors under each side's name too.
_SHARED = {f"four_view_resnet.{side}_{view}.": f"four_view_resnet.{view}." for side in "lr" for view in ("cc", "mlo")}


def _dmv_release(*, heatmaps: bool, image_wise: bool) -> Release:
    views = _VIEWS if image_wise else {"cc.0": "cc", "mlo.0": "mlo"}
    component = {"_target_": "dicomnode.networks.DmvCnn", "variant": "image" if image_wise else "view"}
    return Release(
        source=_DMV_SOURCE,
        license="AGPL-3.0-or-later",
        build=lambda: DmvCnn(variant="image" if image_wise else "view", heatmaps=heatmaps),
        component={**component, "heatmaps": heatmaps},
        translate=lambda name: _dmv(name, views),
        nested="model",
        aliases=_SHARED,
        # Image-wise heads have eight outputs, of which the first four answer.
        rows=4 if image_wise else None,
    )


_PATCHES = Release(
    source=_DMV_SOURCE,
    license="AGPL-3.0-or-later",
    build=PatchClassifier,
    component={"_target_": "dicomnode.networks.PatchClassifier"},
    translate=lambda name: name.removeprefix("body."),
)

RELEASES: Mapping[str, Release] = {
    "gmic_resnet18": _GMIC,
    "dmv_cnn": _dmv_release(heatmaps=False, image_wise=False),
    "dmv_cnn_heatmaps": _dmv_release(heatmaps=True, image_wise=False),
    "dmv_cnn_image": _dmv_release(heatmaps=False, image_wise=True),
    "dmv_cnn_image_heatmaps": _dmv_release(heatmaps=True, image_wise=True),
    "dmv_patch_classifier": _PATCHES,
}
