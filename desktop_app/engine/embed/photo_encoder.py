"""The built-in photo encoder: a small residual network, pooling of its stages, a colour branch, whitening.

Garments and forms want what was learned, fruit and packets want colour: neither alone serves both, so
an embedding joins the two, each whitened on its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.networks.colour_histogram import COLOUR_BINS, colour_histogram
from desktop_app.engine.networks.contrastive_heads import Whitening, pool_stages
from desktop_app.engine.networks.resnet_small import ResNetShape, SmallResNet, shape_from_config
from desktop_app.engine.weights.store import load_strict

ARCHITECTURE = "contrastive_resnet_small"
# Measured on the labelled sets: 0.1 and 0.25 are alike, and both better than no whitening.
COLOUR_WHITEN_POWER = 0.25


@dataclass(frozen=True, slots=True)
class EmbeddingShape:
    """What an embedding is made of.

    Attributes:
        size: Length of an embedding.
        pool_power: Exponent of the pooling of learned features.
        colour_size: How many of its numbers describe colours; 0: none.
        colour_weight: Weight of the colours against the learned features.
    """

    size: int
    pool_power: float
    colour_size: int = 0
    colour_weight: float = 0.0


# What the built-in encoder is made with; its untrained twin in evaluations is made with the same.
STANDARD_PX = 96
STANDARD_WHITEN_POWER = 0.35
STANDARD_EMBEDDING = EmbeddingShape(size=256, pool_power=3.0, colour_size=64, colour_weight=0.85)


class PhotoEncoder(nn.Module):
    """Images to embeddings: the mean over a picture and its mirror image, pooled and whitened.

    Args:
        shape: Of the backbone.
        embedding: What an embedding is made of.
    """

    def __init__(self, shape: ResNetShape, embedding: EmbeddingShape) -> None:
        super().__init__()
        self.embedding = embedding
        self.backbone = SmallResNet(shape)
        self.whitening = Whitening(shape.features, embedding.size - embedding.colour_size)
        if embedding.colour_size:
            self.colour_whitening = Whitening(COLOUR_BINS, embedding.colour_size)

    def features(self, x: Tensor) -> Tensor:
        """Pooled features before whitening: (B, 3, H, W) in [-1, 1] -> (B, F) float32."""
        x = x.contiguous(memory_format=torch.channels_last)
        power = self.embedding.pool_power
        ways = [pool_stages(self.backbone(one), power=power) for one in (x, x.flip(3))]
        return (ways[0] + ways[1]) / 2.0

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Learned features and colours, each whitened and of unit length; no colours where there are none."""
        learned: Tensor = self.whitening(self.features(x))
        if not self.embedding.colour_size:
            return learned, None
        colours: Tensor = self.colour_whitening(colour_histogram(x))
        return learned, colours

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, D), unit length."""
        learned, colours = self.branches(x)
        if colours is None:
            return learned
        joined = torch.cat([learned, self.embedding.colour_weight * colours], dim=1)
        return F.normalize(joined, dim=1)


@torch.no_grad()
def calibrate(encoder: PhotoEncoder, batches: Iterable[Tensor], *, whiten_power: float) -> None:
    """Make an encoder ready for use: norms and whitening learn from unchanged pictures, without labels.

    Args:
        encoder: Left in evaluation mode.
        batches: Pictures, (B, 3, S, S) in [-1, 1]; gone through twice, so not an iterator.
        whiten_power: How far the axes of the embedding are evened out, 0 to 0.5.
    """
    for part in encoder.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # the mean over all batches
    encoder.train()
    for x in batches:
        encoder.features(x)
    encoder.eval()
    features = torch.cat([encoder.features(x) for x in batches])
    encoder.whitening.fit(features, power=whiten_power)
    if encoder.embedding.colour_size:
        colours = torch.cat([colour_histogram(x) for x in batches])
        encoder.colour_whitening.fit(colours, power=COLOUR_WHITEN_POWER)


def build_photo_encoder(config: dict[str, Any], tensors: dict[str, Tensor], *, what: str) -> PhotoEncoder:
    """Rebuild an encoder from its card.

    Args:
        config: `widths`, `blocks`, `embedding_size`, `pool_power` and, where there is a colour branch,
            `colour_size` and `colour_weight`.
        tensors: Its weights.
        what: Name for error messages.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    shape = shape_from_config(config)
    try:
        embedding = EmbeddingShape(
            size=int(config["embedding_size"]),
            pool_power=float(config["pool_power"]),
            colour_size=int(config.get("colour_size", 0)),
            colour_weight=float(config.get("colour_weight", 0.0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card of {what} is not usable: {error!r}.") from error
    learned = embedding.size - embedding.colour_size
    is_whole = 1 <= learned <= shape.features and 0 <= embedding.colour_size <= COLOUR_BINS
    if not is_whole or embedding.pool_power < 1.0 or embedding.colour_weight < 0.0:
        raise WeightsError(
            f"The model card of {what} is not usable: the shape of its embedding is out of range."
        )
    encoder = PhotoEncoder(shape, embedding)
    load_strict(encoder, tensors, what=what)
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
