"""A small deterministic encoder without torch, for tests of the library and its jobs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.types import FloatArray, Image


class TinyEmbedder:
    """8 x 8 colours of the middle square, mean removed, at unit length: near pictures are near."""

    def __init__(self, name: str = "tiny.test", *, input_px: int = 32, embedding_size: int = 192) -> None:
        self.name = name
        self.input_px = input_px
        self.embedding_size = embedding_size
        self.prepared = 0
        self.embedded = 0

    def prepare(self, image: Image) -> Image:
        self.prepared += 1
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(image[top : top + side, left : left + side])
        small = PillowImage.fromarray(square).resize(
            (self.input_px, self.input_px), PillowImage.Resampling.BOX
        )
        return np.array(small)

    def embed_prepared(self, batch: Image) -> FloatArray:
        self.embedded += len(batch)
        step = self.input_px // 8
        grid = batch.reshape(len(batch), 8, step, 8, step, 3).mean(axis=(2, 4))
        flat = grid.reshape(len(batch), -1)[:, : self.embedding_size].astype(np.float32)
        flat = flat - flat.mean(axis=1, keepdims=True) + 1e-3
        return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)

    def embed(self, images: Sequence[Image]) -> FloatArray:
        return self.embed_prepared(np.stack([self.prepare(image) for image in images]))
