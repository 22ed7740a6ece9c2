"""Learned perceptual distance, where its weights are present."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.networks.lpips_net import SMALLEST_PX, Lpips
from desktop_app.engine.weights.store import ModelStore, load_strict

ARCHITECTURE = "lpips_alex"
COMPARED_PX = 256  # larger pictures are reduced by area before, as the official scripts do


def load_lpips(store: ModelStore, *, device: torch.device) -> Lpips | None:
    """The network of the first model card that holds LPIPS weights, or None when there is none.

    Raises:
        WeightsError: The weights are there but damaged.
    """
    for card in store.cards():
        if card.architecture == ARCHITECTURE:
            with torch.device("meta"):
                network = Lpips()
            load_strict(network, store.tensors(card), what=f"the model '{card.name}'", assign=True)
            return network.eval().requires_grad_(False).to(device)
    return None


def comparable(y: Tensor) -> Tensor:
    """A picture at the size at which LPIPS compares: reduced to 256 px, raised to 32 px."""
    side = min(y.shape[-2:])
    if side > COMPARED_PX:
        scale = COMPARED_PX / side
        size = (round(y.shape[-2] * scale), round(y.shape[-1] * scale))
        return F.interpolate(y, size=size, mode="area")
    if side < SMALLEST_PX:
        return F.interpolate(y, scale_factor=SMALLEST_PX / side, mode="bilinear")
    return y


def lpips_each(network: Lpips, y_hat: Tensor, x: Tensor) -> Tensor:
    """Distance of each pair: (B, 3, H, W) twice in [-1, 1] -> (B,), 0 for equal pictures."""
    out: Tensor = network(comparable(y_hat), comparable(x))
    return out
