"""DMV-CNN, the deep multi-view network of a whole screening exam (Wu et al., IEEE TMI 39(4), 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import nn

from dicomnode.networks.resnet22 import ResNet22

Variant: TypeAlias = Literal["view", "image", "breast", "joint"]
Views: TypeAlias = Mapping[str, torch.Tensor]
Answer: TypeAlias = dict[str, torch.Tensor]

VIEWS = ("L-CC", "R-CC", "L-MLO", "R-MLO")

# Of each answer, the views behind each of its heads; two heads speak for the left and the right side, one for both.
_HEADS: Mapping[Variant, Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "view": {"cc": (("L-CC", "R-CC"),), "mlo": (("L-MLO", "R-MLO"),)},
    "image": {"cc": (("L-CC",), ("R-CC",)), "mlo": (("L-MLO",), ("R-MLO",))},
    "breast": {"breast": (("L-CC", "L-MLO"), ("R-CC", "R-MLO"))},
    "joint": {"joint": (VIEWS,)},
}


class ViewColumns(nn.Module):
    """A column for both CC views and one for both MLO views, each averaged over the image to one vector.

    Args:
        in_channels: Channels of the views.
        width: Channels of the columns' first stage.
        noise: Standard deviation of Gaussian noise on the views in training.

    Attributes:
        channels: Length of a vector.
    """

    def __init__(self, *, in_channels: int, width: int, noise: float) -> None:
        super().__init__()
        self.cc = ResNet22(in_channels=in_channels, width=width)
        self.mlo = ResNet22(in_channels=in_channels, width=width)
        self.noise = noise
        self.channels = self.cc.channels

    def forward(self, views: Views) -> dict[str, torch.Tensor]:
        """(B, C, h, w) views by name to (B, channels) vectors by name.

        Raises:
            ValueError: If one of the four views is missing.
        """
        missing = [name for name in VIEWS if name not in views]
        if missing:
            raise ValueError(f"exam without {', '.join(missing)}: give all of {', '.join(VIEWS)}")
        return {name: self._vector(views[name], self.cc if name.endswith("CC") else self.mlo) for name in VIEWS}

    def _vector(self, view: torch.Tensor, column: nn.Module) -> torch.Tensor:
        if self.training and self.noise:
            view = view + self.noise * torch.randn_like(view)
        vector: torch.Tensor = column(view).mean(dim=(2, 3))
        return vector


class ExamHead(nn.Module):
    """Two dense layers from the vectors of some views to the findings of one or both sides.

    As published, a finding has two outputs, absent and present; their difference is its logit.

    Args:
        features: Length of the views' vectors together.
        classes: Findings.
        sides: 1 or 2.
    """

    def __init__(self, features: int, *, classes: int, sides: int) -> None:
        super().__init__()
        self.shape = (classes, sides, 2)
        self.hidden = nn.Linear(features, features)
        self.output = nn.Linear(features, classes * sides * 2)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(B, features) to (B, sides, classes) logits."""
        outputs = self.output(nn.functional.relu(self.hidden(vectors))).view(-1, *self.shape).float()
        logits: torch.Tensor = (outputs[..., 1] - outputs[..., 0]).transpose(1, 2)
        return logits


class DmvCnn(nn.Module):
    """Benign and malignant findings of both breasts from the four views of an exam.

    View-wise, it has 6,132,592 parameters on images alone and 6,135,728 with heat maps, as the authors' released ones.

    Args:
        variant: Which views are joined before an answer: those of one projection (``view``), none (``image``), those of
            one breast (``breast``) or all (``joint``).
        heatmaps: Views have three channels: the image and `heat_maps` of its benign and malignant findings.
        classes: Findings that are each present or not; as published benign and malignant, in this order.
        width: Channels of the columns' first stage.
        noise: Standard deviation of Gaussian noise on the standardised views in training.
    """

    def __init__(
        self,
        *,
        variant: Variant = "view",
        heatmaps: bool = False,
        classes: int = 2,
        width: int = 16,
        noise: float = 0.01,
    ) -> None:
        super().__init__()
        self._answers = _HEADS[variant]
        self.columns = ViewColumns(in_channels=3 if heatmaps else 1, width=width, noise=noise)
        self.heads = nn.ModuleDict()
        for name, groups in self._answers.items():
            heads = [
                ExamHead(len(views) * self.columns.channels, classes=classes, sides=2 // len(groups))
                for views in groups
            ]
            self.heads[name] = nn.ModuleList(heads)

    def forward(self, views: Views) -> Answer:
        """Scores of both sides, the mean of the heads' probabilities.

        Args:
            views: (B, C, h, w) standardised views by name: L-CC, R-CC, L-MLO, R-MLO, each of its own size; published
                2677 x 1942 for CC and 2974 x 1748 for MLO.

        Returns:
            ``scores`` (B, 2, K) 0..1, sides in the order left, right. In training the logits of each head too, of the
            same shape: ``cc_logits`` and ``mlo_logits``, ``breast_logits`` or ``joint_logits``.

        Raises:
            ValueError: If one of the four views is missing.
        """
        vectors = self.columns(views)
        logits = {name: self._logits(name, vectors) for name in self._answers}
        scores = torch.stack([values.sigmoid() for values in logits.values()]).mean(dim=0)
        return {"scores": scores} | ({f"{name}_logits": logits[name] for name in logits} if self.training else {})

    def _logits(self, answer: str, vectors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        heads = self.heads[answer].children()
        joined = [torch.cat([vectors[view] for view in views], dim=1) for views in self._answers[answer]]
        return torch.cat([head(vector) for head, vector in zip(heads, joined, strict=True)], dim=1)

    def load_columns(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take the columns from the weights of a `BiRadsCnn` or another `DmvCnn` of the same width.

        If those saw images alone and this one sees heat maps too, its first convolutions keep their own weights for
        the heat maps.

        Raises:
            KeyError: If a column's tensor is missing.
            RuntimeError: If one has another shape.
        """
        own = self.columns.state_dict()
        for name in own:
            given = weights[f"columns.{name}"]
            if name.endswith("stem.weight") and given.shape[1] < own[name].shape[1]:
                given = torch.cat([given, own[name][:, given.shape[1] :]], dim=1)
            own[name] = given
        self.columns.load_state_dict(own)


class BiRadsCnn(nn.Module):
    """The columns of a `DmvCnn` under a head for the exam's BI-RADS category, to train them on it first.

    Args:
        classes: Categories that exclude each other; as published BI-RADS 0, 1 and 2.
        heatmaps: As for `DmvCnn`.
        width: Channels of the columns' first stage.
        noise: Standard deviation of Gaussian noise on the standardised views in training.
    """

    def __init__(
        self,
        *,
        classes: int = 3,
        heatmaps: bool = False,
        width: int = 16,
        noise: float = 0.01,
    ) -> None:
        super().__init__()
        self.columns = ViewColumns(in_channels=3 if heatmaps else 1, width=width, noise=noise)
        features = len(VIEWS) * self.columns.channels
        self.hidden = nn.Linear(features, features)
        self.output = nn.Linear(features, classes)

    def forward(self, views: Views) -> Answer:
        """``scores`` (B, classes), which sum to 1, of views as for `DmvCnn`; in training ``birads_logits`` too."""
        vectors = self.columns(views)
        hidden = self.hidden(torch.cat([vectors[name] for name in VIEWS], dim=1))
        logits = self.output(nn.functional.relu(hidden)).float()
        return {"scores": logits.softmax(dim=1)} | ({"birads_logits": logits} if self.training else {})
