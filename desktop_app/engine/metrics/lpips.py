"""Learned perceptual distance and perceptual features, where their weights are present.

LPIPS may lie here whole, or as two models that were imported from its two published files.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.networks.lpips_net import SMALLEST_PX, Lpips, convert_published
from desktop_app.engine.networks.vgg16 import Vgg16Features
from desktop_app.engine.weights.store import ModelCard, ModelStore, load_strict

ARCHITECTURE = "lpips_alex"
HEADS, ALEXNET = "lpips_alex_heads", "alexnet_features"
VGG16 = "vgg16_features"
_PART_MISSING = {
    ALEXNET: "The heads of LPIPS are here, but AlexNet is missing: import torchvision's AlexNet as well.",
    HEADS: "AlexNet is here, but the heads of LPIPS are missing: import the published alex.pth as well.",
}
COMPARED_PX = 256  # larger pictures are reduced by area before, as the official scripts do


def load_lpips(store: ModelStore, *, device: torch.device) -> Lpips | None:
    """The network of the first models that hold LPIPS weights, or None when there are none.

    Raises:
        WeightsError: The weights are there but damaged.
    """
    whole, heads, alexnet = (_first(store, name) for name in (ARCHITECTURE, HEADS, ALEXNET))
    if whole is not None:
        name, tensors = whole.name, store.tensors(whole)
    elif heads is not None and alexnet is not None:
        name = f"{heads.name}' with '{alexnet.name}"
        tensors = convert_published(store.tensors(alexnet), store.tensors(heads))
    else:
        return None
    with torch.device("meta"):
        network = Lpips()
    load_strict(network, tensors, what=f"the model '{name}'", assign=True)
    return network.eval().requires_grad_(False).to(device)


def missing_part(store: ModelStore) -> str:
    """One sentence when one of the two parts of LPIPS is here and the other is not; else empty."""
    has = {card.architecture for card in store.cards()}
    if ARCHITECTURE in has or (HEADS in has) == (ALEXNET in has):
        return ""
    return _PART_MISSING[ALEXNET if HEADS in has else HEADS]


def load_vgg16(store: ModelStore, *, device: torch.device) -> Vgg16Features | None:
    """The perceptual features of the in-domain method, or None when they are not here.

    Raises:
        WeightsError: The weights are there but damaged.
    """
    card = _first(store, VGG16)
    if card is None:
        return None
    network = Vgg16Features()
    load_strict(network, store.tensors(card), what=f"the model '{card.name}'", assign=True)
    return network.eval().requires_grad_(False).to(device)


def _first(store: ModelStore, architecture: str) -> ModelCard | None:
    return next((card for card in store.cards() if card.architecture == architecture), None)


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
