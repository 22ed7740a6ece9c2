"""The identity or MoCo term of inversion training: photo and reconstruction should embed alike.

Source: ReStyle (Alaluf et al., 2021); reference, section 6, where ArcFace or MoCo v2 embed. Here one of
the program's own contrastive encoders does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.photo_encoder import ARCHITECTURE, PhotoEncoder, build_photo_encoder
from desktop_app.engine.networks.contrastive_heads import pool_stages
from desktop_app.engine.weights.store import ModelStore


class Similarity:
    """Compares pictures by the learned features of an encoder, colours left out.

    Args:
        encoder: A small contrastive encoder.
        size: Side of its input.
        dtype: Precision of its maps.
    """

    def __init__(self, encoder: PhotoEncoder, size: int, *, dtype: torch.dtype = torch.float32) -> None:
        self.encoder = encoder.eval().requires_grad_(False)
        self.size, self.dtype = size, dtype

    def embed(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> (B, D), unit length; gradients flow to the pictures."""
        x = F.interpolate(pictures, size=self.size, mode="bilinear", align_corners=False, antialias=True)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            maps = self.encoder.backbone(x)
        learned: Tensor = self.encoder.whitening(pool_stages(maps, power=self.encoder.embedding.pool_power))
        return learned

    def distance(self, y_hat: Tensor, x: Tensor) -> Tensor:
        """Mean of 1 - cosine over a batch, a scalar in [0, 2]."""
        with torch.no_grad():
            wanted = self.embed(x)
        return 1.0 - (self.embed(y_hat) * wanted).sum(dim=1).mean()


def load_similarity(store: ModelStore, name: str, *, dtype: torch.dtype) -> Similarity:
    """Load the encoder by name.

    Raises:
        WeightsError: There is none, or it is of a kind whose gradients are not used here.
    """
    card = store.card(name)
    if card.architecture != ARCHITECTURE:
        raise WeightsError(
            f"'{name}' cannot guide a training (it is '{card.architecture}').",
            "Choose a built-in contrastive encoder.",
        )
    encoder = build_photo_encoder(card.config, store.tensors(card), what=f"'{name}'")
    return Similarity(encoder, int(card.config["input_px"]), dtype=dtype)
