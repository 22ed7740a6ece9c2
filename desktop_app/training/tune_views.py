"""Embeddings of changed views of photos, computed once and then learned from again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image as PillowImage

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.training.config import ViewConfig
from desktop_app.training.views import draw_views

VIEWS_A_PHOTO = 4
# What photo users call the same picture: a good part of it, its colours nearly as they are.
TUNE_VIEWS = ViewConfig(min_area=0.35, brightness=0.25, contrast=0.25, saturation=0.2)
_BATCH = 32
_STORED_PER_INPUT = 1.5
_MOST_STORED_PX = 256


def draw_view_vectors(
    embedder: Embedder, images: Sequence[Image], *, seed: int, views: int = VIEWS_A_PHOTO
) -> FloatArray:
    """Embeddings of views of pictures.

    Args:
        embedder: The encoder, as it is.
        images: (H, W, 3) uint8 each.
        seed: Of the views.
        views: Of each picture.

    Returns:
        (views, N, D) float32, unit length.
    """
    chance = torch.Generator().manual_seed(seed)
    made = [_batch(embedder, images[n : n + _BATCH], views, chance) for n in range(0, len(images), _BATCH)]
    if not made:
        return np.zeros((views, 0, embedder.embedding_size), dtype=np.float32)
    return np.concatenate(made, axis=1)


def _batch(embedder: Embedder, images: Sequence[Image], views: int, chance: torch.Generator) -> FloatArray:
    side = min(round(embedder.input_px * _STORED_PER_INPUT), max(_MOST_STORED_PX, embedder.input_px))
    squares = np.stack(
        [
            np.asarray(PillowImage.fromarray(image).resize((side, side), PillowImage.Resampling.BICUBIC))
            for image in images
        ]
    )
    pictures = torch.from_numpy(np.ascontiguousarray(squares.transpose(0, 3, 1, 2)))
    ratio = torch.tensor([image.shape[1] / image.shape[0] for image in images])
    rows = []
    for _ in range(views):
        x = draw_views(pictures, ratio, size=embedder.input_px, config=TUNE_VIEWS, generator=chance)
        levels = ((x + 1.0) * 127.5).round_().to(torch.uint8).permute(0, 2, 3, 1)
        rows.append(embedder.embed_prepared(np.ascontiguousarray(levels.numpy())))
    return np.stack(rows)
