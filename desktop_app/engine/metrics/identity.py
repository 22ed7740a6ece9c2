"""Does a reconstruction show the same person or thing: cosine of two embeddings.

ArcFace answers when its weights are present. Otherwise a contrastive encoder stands in; it was not
trained on identities, so its values rank reconstructions but are no recognition scores, and the
meter carries its name so that a table can say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.image_tensor import tensor_to_image
from desktop_app.engine.networks.arcface import ArcFace
from desktop_app.engine.weights.store import ModelStore, load_strict

ARCHITECTURE = "ir_se50_112"


class PictureEmbedder(Protocol):
    """What is needed of a contrastive encoder."""

    @property
    def name(self) -> str:
        """Model name."""

    def embed(self, images: Sequence[Image]) -> FloatArray:
        """Pictures to unit-length rows, (B, D)."""


@dataclass(frozen=True, slots=True)
class IdentityMeter:
    """Compares pictures by embeddings.

    Attributes:
        name: Whose embeddings; belongs beside every value.
        is_recognition: The embeddings were trained to tell people apart.
        embed: Pictures (B, 3, H, W) in [-1, 1] to unit-length rows (B, D).
    """

    name: str
    is_recognition: bool
    embed: Callable[[Tensor], Tensor]

    def similarity_each(self, y_hat: Tensor, x: Tensor) -> Tensor:
        """Cosine of each pair, (B,), [-1, 1], higher is nearer."""
        return (self.embed(y_hat) * self.embed(x)).sum(dim=1)


def load_arcface(store: ModelStore, *, device: torch.device) -> IdentityMeter | None:
    """A meter with the weights of the first card that holds ArcFace, or None.

    Raises:
        WeightsError: The weights are there but damaged.
    """
    for card in store.cards():
        if card.architecture == ARCHITECTURE:
            with torch.device("meta"):
                network = ArcFace()
            load_strict(network, store.tensors(card), what=f"the model '{card.name}'", assign=True)
            network.eval().requires_grad_(False).to(device)
            return IdentityMeter(f"ArcFace ({card.name})", True, network.embed_aligned)
    return None


def contrastive_meter(embedder: PictureEmbedder) -> IdentityMeter:
    """A meter on a contrastive encoder; not differentiable, it goes through 8-bit pictures."""

    def embed(pictures: Tensor) -> Tensor:
        rows = torch.from_numpy(embedder.embed([tensor_to_image(picture) for picture in pictures]))
        return F.normalize(rows.float(), dim=1)

    return IdentityMeter(f"{embedder.name} (contrastive encoder, not trained on identities)", False, embed)


def identity_meter(
    store: ModelStore, *, device: torch.device, embedder: PictureEmbedder | None
) -> IdentityMeter | None:
    """ArcFace when present, else the contrastive encoder, else None."""
    return load_arcface(store, device=device) or (contrastive_meter(embedder) if embedder else None)
