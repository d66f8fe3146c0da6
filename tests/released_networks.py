"""The published mammography networks by the names and shapes of their authors' files, computed step by step.

Written from the names alone, without our networks: what a translated file answers is compared with this.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional
from torchvision.models import resnet18

Tensors = dict[str, torch.Tensor]

_GENERATOR = torch.Generator()


def _random(*shape: int) -> torch.Tensor:
    fan = max(torch.Size(shape[1:]).numel(), 1)
    return torch.randn(*shape, generator=_GENERATOR) * (2 / fan) ** 0.5


def _norm(name: str, channels: int) -> Tensors:
    return {
        f"{name}.weight": 1 + 0.1 * torch.randn(channels, generator=_GENERATOR),
        f"{name}.bias": 0.1 * torch.randn(channels, generator=_GENERATOR),
        f"{name}.running_mean": 0.1 * torch.randn(channels, generator=_GENERATOR),
        f"{name}.running_var": 0.5 + torch.rand(channels, generator=_GENERATOR),
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def _linear(name: str, given: int, answers: int, *, bias: bool = True) -> Tensors:
    tensors = {f"{name}.weight": _random(answers, given)}
    return tensors | ({f"{name}.bias": _random(answers)} if bias else {})


def _column(prefix: str, in_channels: int) -> Tensors:
    tensors, before = {f"{prefix}.first_conv.weight": _random(16, in_channels, 7, 7)}, 16
    for stage in range(5):
        channels = 16 * 2**stage
        for block in range(2):
            name = f"{prefix}.layer_list.{stage}.{block}"
            tensors |= _norm(f"{name}.bn1", before) | _norm(f"{name}.bn2", channels)
            tensors[f"{name}.conv1.weight"] = _random(channels, before, 3, 3)
            tensors[f"{name}.conv2.weight"] = _random(channels, channels, 3, 3)
            if block == 0:
                tensors[f"{name}.downsample.0.weight"] = _random(channels, before, 1, 1)
            before = channels
    return tensors | _norm(f"{prefix}.final_bn", 256)


def released_gmic(seed: int = 0) -> Tensors:
    """As in sample_model_1.p to sample_model_5.p."""
    _GENERATOR.manual_seed(seed)
    torch.manual_seed(seed)
    body = resnet18(weights=None).state_dict()
    return {
        **_column("ds_net", 1),
        "left_postprocess_net.gn_conv_last.weight": _random(2, 256, 1, 1),
        **{f"dn_resnet.{name}": value for name, value in body.items() if not name.startswith("fc.")},
        **_linear("mil_attn_V", 512, 128, bias=False),
        **_linear("mil_attn_U", 512, 128, bias=False),
        **_linear("mil_attn_w", 128, 1, bias=False),
        **_linear("classifier_linear", 512, 2, bias=False),
        **_linear("fusion_dnn", 768, 2),
        "shared_rep_filter.weight": _random(256, 256, 4, 4),
    }


def released_dmv(*, heatmaps: bool = False, image_wise: bool = False, seed: int = 0) -> Tensors:
    """What stands under ``model`` in sample_image_model.p, sample_imageheatmaps_model.p and the two of ModeImage."""
    _GENERATOR.manual_seed(seed)
    tensors: Tensors = {}
    for view in ("cc", "mlo"):
        column = _column(f"four_view_resnet.{view}", 3 if heatmaps else 1)
        tensors |= column
        for side in "lr":
            tensors |= {name.replace(f".{view}.", f".{side}_{view}.", 1): value for name, value in column.items()}
    width = 256 if image_wise else 512
    for view in ("lcc", "rcc", "lmlo", "rmlo") if image_wise else ("cc", "mlo"):
        tensors |= _linear(f"fc1_{view}", width, width) | _linear(f"output_layer_{view}.fc_layer", width, 8)
    return tensors


def _normalised(tensors: Mapping[str, torch.Tensor], name: str, features: torch.Tensor) -> torch.Tensor:
    mean, variance = tensors[f"{name}.running_mean"], tensors[f"{name}.running_var"]
    return functional.batch_norm(features, mean, variance, tensors[f"{name}.weight"], tensors[f"{name}.bias"]).relu()


def column_features(
    tensors: Mapping[str, torch.Tensor], prefix: str, image: torch.Tensor, padding: int
) -> torch.Tensor:
    """Features of an image, after the last normalisation."""
    features = functional.conv2d(image, tensors[f"{prefix}.first_conv.weight"], stride=2, padding=padding)
    features = functional.max_pool2d(features, 3, 2)
    for stage in range(5):
        for block in range(2):
            name, stride = f"{prefix}.layer_list.{stage}.{block}", 2 if stage and not block else 1
            active = _normalised(tensors, f"{name}.bn1", features)
            beside = features
            if block == 0:
                beside = functional.conv2d(active, tensors[f"{name}.downsample.0.weight"], stride=stride)
            active = functional.conv2d(active, tensors[f"{name}.conv1.weight"], stride=stride, padding=1)
            active = _normalised(tensors, f"{name}.bn2", active)
            features = functional.conv2d(active, tensors[f"{name}.conv2.weight"], padding=1) + beside
    return _normalised(tensors, f"{prefix}.final_bn", features)


def gmic_answer(tensors: Mapping[str, torch.Tensor], image: torch.Tensor, patches: torch.Tensor) -> Tensors:
    """Answer of the published GMIC to one (1, 1, H, W) image whose (P, 1, h, w) patches are known."""
    features = column_features(tensors, "ds_net", image, padding=3)
    body = resnet18(weights=None).eval()
    body.fc = torch.nn.Identity()
    body.load_state_dict(
        {name.removeprefix("dn_resnet."): value for name, value in tensors.items() if name.startswith("dn_resnet.")}
    )
    seen = body(patches.expand(-1, 3, -1, -1))
    gate = (seen @ tensors["mil_attn_U.weight"].T).sigmoid() * (seen @ tensors["mil_attn_V.weight"].T).tanh()
    attention = (gate @ tensors["mil_attn_w.weight"].T).flatten().softmax(dim=0)
    local = attention @ seen
    joined = torch.cat([features.amax(dim=(2, 3))[0], local])
    return {
        "saliency": functional.conv2d(features, tensors["left_postprocess_net.gn_conv_last.weight"]).sigmoid(),
        "attention": attention[None],
        "scores": (tensors["fusion_dnn.weight"] @ joined + tensors["fusion_dnn.bias"]).sigmoid()[None],
        "local": (tensors["classifier_linear.weight"] @ local)[None],
    }


def dmv_scores(
    tensors: Mapping[str, torch.Tensor], exam: Mapping[str, torch.Tensor], *, image_wise: bool
) -> torch.Tensor:
    """(2, 2) of left and right, benign and malignant: the mean of CC and MLO."""
    pooled = {
        name: column_features(tensors, f"four_view_resnet.{name[2:].lower()}", view, padding=0).mean(dim=(2, 3))[0]
        for name, view in exam.items()
    }

    def head(view: str, vector: torch.Tensor) -> torch.Tensor:
        hidden = (tensors[f"fc1_{view}.weight"] @ vector + tensors[f"fc1_{view}.bias"]).relu()
        layer = f"output_layer_{view}.fc_layer"
        outputs = tensors[f"{layer}.weight"] @ hidden + tensors[f"{layer}.bias"]
        return outputs.view(4, 2).softmax(dim=1)[:, 1]

    if image_wise:  # of four outputs per view, the first two are its own benign and malignant
        sides = [[head(f"{s}{v}", pooled[f"{s.upper()}-{v.upper()}"])[:2] for v in ("cc", "mlo")] for s in "lr"]
        return torch.stack([torch.stack(side).mean(dim=0) for side in sides])
    # left benign, right benign, left malignant, right malignant
    both = [head(v, torch.cat([pooled[f"L-{v.upper()}"], pooled[f"R-{v.upper()}"]])) for v in ("cc", "mlo")]
    return torch.stack(both).mean(dim=0).view(2, 2).T
