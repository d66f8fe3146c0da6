"""The way that a bundle's network is to compute on a device, as serving, predicting and evaluating use it."""

from __future__ import annotations

import logging

import torch

from dicomnode.bundles import Bundle, Way, tuned_way
from dicomnode.inference.device_figures import device_figures

_LOG = logging.getLogger(__name__)


def way_on(bundle: Bundle, device: torch.device) -> Way:
    """The tuned way; plain float32 where there is none, or where it no longer counts, which is logged.

    Args:
        bundle: The bundle.
        device: Where its network is to be.
    """
    way, reason = tuned_way(bundle, device_figures(device).description)
    if reason:
        _LOG.warning("%s; until then it computes in plain float32", reason)
    return way
