"""Encoders by name: built-in and own models by their card, timm and open_clip from local files."""

from __future__ import annotations

import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
from desktop_app.engine.embed.face_encoder import ALIGNED_PX, build_face_encoder
from desktop_app.engine.embed.face_encoder import ARCHITECTURE as FACE
from desktop_app.engine.embed.face_encoder import ROLE as FACE_ROLE
from desktop_app.engine.embed.photo_encoder import ARCHITECTURE, build_photo_encoder
from desktop_app.engine.embed.preprocessing import Preprocessing
from desktop_app.engine.embed.resnet50_encoder import ARCHITECTURE as RESNET50
from desktop_app.engine.embed.resnet50_encoder import build_resnet50
from desktop_app.engine.embed.tuned_encoder import ARCHITECTURE as TUNED
from desktop_app.engine.embed.tuned_encoder import load_tuned, tuned_base
from desktop_app.engine.precision import fastest_precision
from desktop_app.engine.weights.store import ModelCard, ModelStore

TOWER = "contrastive_tower"
TIMM_PREFIX = "timm:"
OPEN_CLIP_PREFIX = "open_clip:"


def load_embedder(store: ModelStore, name: str, *, device: torch.device) -> Embedder:
    """Load an encoder; nothing is ever fetched from the network.

    Args:
        store: Models on disk.
        name: Name of a model with a card, `timm:<model>`, or `open_clip:<model>[/<tag>]`; the weights
            of the latter two lie in the user's model folder.
        device: Where to compute.

    Raises:
        WeightsError: There is no such encoder, or its weights are missing or do not fit.
        ResourceError: Out of memory.
    """
    if name.startswith(TIMM_PREFIX):
        from desktop_app.engine.embed.timm_encoder import load_timm

        return load_timm(store.user_folder, name.removeprefix(TIMM_PREFIX), device=device)
    if name.startswith(OPEN_CLIP_PREFIX):
        from desktop_app.engine.embed.open_clip_encoder import load_open_clip

        return load_open_clip(store.user_folder, name.removeprefix(OPEN_CLIP_PREFIX), device=device)
    card = store.card(name, roles=("encoder", FACE_ROLE))
    if card.role == "encoder" and card.architecture == RESNET50:
        return _load_resnet50(store, card, device=device)
    if card.role == FACE_ROLE and card.architecture == FACE:
        return _load_face(store, card, device=device)
    if card.role == "encoder" and card.architecture == TOWER:
        from desktop_app.engine.embed.tower import load_tower

        return load_tower(card, store.tensors(card), device=device)
    if card.role == "encoder" and card.architecture == TUNED:
        base = load_embedder(store, tuned_base(card, store), device=device)
        return load_tuned(card, store.tensors(card), base=base, device=device)
    if card.role != "encoder" or card.architecture != ARCHITECTURE:
        raise WeightsError(
            f"The model '{name}' is no encoder for photos (role {card.role}, {card.architecture}).",
            "Choose an encoder in the settings.",
        )
    return _load_card(store, card, device=device)


def _load_card(store: ModelStore, card: ModelCard, *, device: torch.device) -> Embedder:
    encoder = build_photo_encoder(card.config, store.tensors(card), what=card.name)
    try:
        input_px = int(card.config["input_px"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card of {card.name} is not usable: {error!r}.") from error
    if not 16 <= input_px <= 1024:
        raise WeightsError(f"The model card of {card.name} is not usable: input_px is out of range.")
    facts = EmbedderFacts(card.name, card.sha256[:16], int(card.config["embedding_size"]))
    encoder.maps_dtype = fastest_precision(device)
    return Embedder(frozen(encoder, device), Preprocessing(input_px), facts=facts, device=device)


def _load_face(store: ModelStore, card: ModelCard, *, device: torch.device) -> Embedder:
    encoder = build_face_encoder(card.config, store.tensors(card), what=card.name)
    facts = EmbedderFacts(card.name, card.sha256[:16], encoder.face.size)
    return Embedder(frozen(encoder, device), Preprocessing(ALIGNED_PX), facts=facts, device=device)


def _load_resnet50(store: ModelStore, card: ModelCard, *, device: torch.device) -> Embedder:
    network, preprocessing = build_resnet50(card.config, store.tensors(card), what=card.name)
    facts = EmbedderFacts(card.name, card.sha256[:16], network.features)
    return Embedder(frozen(network, device), preprocessing, facts=facts, device=device)
