"""Does a reconstruction show the same person or thing: cosine of two embeddings.

ArcFace or CurricularFace answers when its weights are present, else the built-in face encoder. Without
it a contrastive encoder of photos stands in; that one was not trained on identities, so its values rank
reconstructions but are no recognition scores. The meter carries its name so that a table can say so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.face_encoder import ARCHITECTURE, BUILTIN_FACES, build_face_encoder
from desktop_app.engine.image_tensor import tensor_to_image
from desktop_app.engine.networks.arcface import ArcFace, curricular_face, face_part
from desktop_app.engine.weights.store import ModelStore, load_strict

__all__ = [
    "IdentityMeter",
    "contrastive_meter",
    "face_part",
    "identity_meter",
    "load_builtin_faces",
    "load_recognition",
]

_log = logging.getLogger(__name__)

# Architecture of a card -> the network, and how a table calls it. The first card that fits is used.
NETWORKS: dict[str, tuple[Callable[[], ArcFace], str]] = {
    "ir_101_112": (curricular_face, "CurricularFace"),
    "ir_se50_112": (ArcFace, "ArcFace"),
}


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
        is_builtin: The network is the program's own, not a published one.
    """

    name: str
    is_recognition: bool
    embed: Callable[[Tensor], Tensor]
    is_builtin: bool = False

    def similarity_each(self, y_hat: Tensor, x: Tensor) -> Tensor:
        """Cosine of each pair, (B,), [-1, 1], higher is nearer."""
        return (self.embed(y_hat) * self.embed(x)).sum(dim=1)


def load_recognition(store: ModelStore, *, device: torch.device) -> IdentityMeter | None:
    """A meter with face recognition weights, or None when none are installed.

    CurricularFace, which published tables use, goes before ArcFace, which the encoders were trained
    with.

    Raises:
        WeightsError: The weights are there but damaged.
    """
    cards = {card.architecture: card for card in reversed(store.cards())}
    for architecture, (build, title) in NETWORKS.items():
        card = cards.get(architecture)
        if card is not None:
            with torch.device("meta"):
                network = build()
            load_strict(network, store.tensors(card), what=f"the model '{card.name}'", assign=True)
            network.eval().requires_grad_(False).to(device)
            return IdentityMeter(f"{title} ({card.name})", True, network.embed_aligned)
    return None


def load_builtin_faces(store: ModelStore, *, device: torch.device) -> IdentityMeter | None:
    """A meter with the built-in face encoder, or None where its files are missing or damaged."""
    try:
        card = store.card(BUILTIN_FACES)
        if card.architecture != ARCHITECTURE:
            return None
        network = build_face_encoder(card.config, store.tensors(card), what=card.name).to(device)
    except WeightsError as error:
        _log.info("the built-in face encoder is not used: %s", error)
        return None
    return IdentityMeter(f"the built-in face encoder ({card.name})", True, network, is_builtin=True)


def contrastive_meter(embedder: PictureEmbedder) -> IdentityMeter:
    """A meter on a contrastive encoder; not differentiable, it goes through 8-bit pictures."""

    def embed(pictures: Tensor) -> Tensor:
        rows = torch.from_numpy(embedder.embed([tensor_to_image(picture) for picture in pictures]))
        return F.normalize(rows.float(), dim=1)

    return IdentityMeter(f"{embedder.name} (contrastive encoder, not trained on identities)", False, embed)


def identity_meter(
    store: ModelStore, *, device: torch.device, embedder: PictureEmbedder | None
) -> IdentityMeter | None:
    """A recognition network when present, else the built-in face encoder, else the other one, else None."""
    return (
        load_recognition(store, device=device)
        or load_builtin_faces(store, device=device)
        or (contrastive_meter(embedder) if embedder else None)
    )
