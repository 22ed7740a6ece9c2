"""The built-in photo encoder: a small residual network, pooling of all its stages, whitening."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.networks.contrastive_heads import Whitening, pool_stages
from desktop_app.engine.networks.resnet_small import ResNetShape, SmallResNet, shape_from_config
from desktop_app.engine.weights.store import load_strict

ARCHITECTURE = "contrastive_resnet_small"


class PhotoEncoder(nn.Module):
    """Images to embeddings: the mean over a picture and its mirror image, pooled and whitened.

    Args:
        shape: Of the backbone.
        embedding_size: Length of an embedding.
        pool_power: Exponent of the pooling.
    """

    def __init__(self, shape: ResNetShape, *, embedding_size: int, pool_power: float) -> None:
        super().__init__()
        self.pool_power = pool_power
        self.backbone = SmallResNet(shape)
        self.whitening = Whitening(shape.features, embedding_size)

    def features(self, x: Tensor) -> Tensor:
        """Pooled features before whitening: (B, 3, H, W) in [-1, 1] -> (B, F) float32."""
        x = x.contiguous(memory_format=torch.channels_last)
        ways = [pool_stages(self.backbone(one), power=self.pool_power) for one in (x, x.flip(3))]
        return (ways[0] + ways[1]) / 2.0

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, D), unit length."""
        embedding: Tensor = self.whitening(self.features(x))
        return embedding


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


def build_photo_encoder(config: dict[str, Any], tensors: dict[str, Tensor], *, what: str) -> PhotoEncoder:
    """Rebuild an encoder from its card.

    Args:
        config: `widths`, `blocks`, `embedding_size` and `pool_power`.
        tensors: Its weights.
        what: Name for error messages.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    shape = shape_from_config(config)
    try:
        size, power = int(config["embedding_size"]), float(config["pool_power"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card of {what} is not usable: {error!r}.") from error
    if not 1 <= size <= shape.features or power < 1.0:
        raise WeightsError(
            f"The model card of {what} is not usable: embedding_size or pool_power is out of range."
        )
    encoder = PhotoEncoder(shape, embedding_size=size, pool_power=power)
    load_strict(encoder, tensors, what=what)
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
