"""What is compared: encoders, and descriptors made by hand that an encoder has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from PIL import Image as PillowImage

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.photo_encoder import (
    STANDARD_EMBEDDING,
    STANDARD_PX,
    STANDARD_WHITEN_POWER,
    PhotoEncoder,
    calibrate,
)
from desktop_app.engine.embed.preprocessing import Preprocessing
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.image_tensor import images_to_tensor
from desktop_app.engine.networks.resnet_small import ResNetShape
from desktop_app.engine.weights.store import ModelStore

BATCH = 64
_MIDDLE_PX = 96


class Describer(Protocol):
    """Takes pictures batch by batch, then gives one unit-length row for each; again and again."""

    @property
    def input_px(self) -> int:
        """Pictures need not be larger than this on their shorter side."""
        ...

    def add(self, images: Sequence[Image]) -> None:
        """Take the next pictures, (H, W, 3) uint8 each."""
        ...

    def finish(self) -> FloatArray:
        """(N, D) float32, unit length: what was added since the last call, in that order."""
        ...


class EncoderDescriber:
    """An encoder as the application uses it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._rows: list[FloatArray] = []

    @property
    def input_px(self) -> int:
        """Side of the encoder's input."""
        return self._embedder.input_px

    def add(self, images: Sequence[Image]) -> None:
        """Embed pictures."""
        self._rows.append(self._embedder.embed(images))

    def finish(self) -> FloatArray:
        """Embeddings since the last call."""
        rows, self._rows = self._rows, []
        return np.concatenate(rows)


class HandMadeDescriber:
    """A fixed formula for each picture.

    Args:
        formula: (H, W, 3) uint8 -> a row of numbers.
        input_px: Size that the formula looks at.
    """

    def __init__(self, formula: Formula, *, input_px: int) -> None:
        self._formula = formula
        self._input_px = input_px
        self._rows: list[FloatArray] = []

    @property
    def input_px(self) -> int:
        """Size that the formula looks at."""
        return self._input_px

    def add(self, images: Sequence[Image]) -> None:
        """Describe pictures."""
        self._rows.extend(self._formula(image) for image in images)

    def finish(self) -> FloatArray:
        """Descriptions since the last call, scaled to unit length."""
        rows = np.stack(self._rows).astype(np.float32)
        self._rows = []
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(length, 1e-12)


class UntrainedDescriber:
    """The built-in network with random weights, its norms and whitening fitted to the first pictures.

    This is the strongest form of the comparison: all that the trained encoder has, but the learned
    convolutions.

    Args:
        seed: Of the weights.
    """

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._encoder = PhotoEncoder(ResNetShape(), STANDARD_EMBEDDING)
        self._preprocessing = Preprocessing(STANDARD_PX)
        self._prepared: list[Image] = []
        self._is_calibrated = False

    @property
    def input_px(self) -> int:
        """Side of the network's input."""
        return STANDARD_PX

    def add(self, images: Sequence[Image]) -> None:
        """Keep the small pictures."""
        self._prepared.extend(self._preprocessing.prepare(image) for image in images)

    def finish(self) -> FloatArray:
        """Embed; the first call calibrates on its pictures."""
        batches = [
            images_to_tensor(np.stack(self._prepared[i : i + BATCH]))
            for i in range(0, len(self._prepared), BATCH)
        ]
        self._prepared = []
        if not self._is_calibrated:
            calibrate(self._encoder, batches, whiten_power=STANDARD_WHITEN_POWER)
            self._is_calibrated = True
        with torch.inference_mode():
            rows: FloatArray = torch.cat([self._encoder(x) for x in batches]).numpy()
        return rows


def hsv_histogram(image: Image) -> FloatArray:
    """Square root of a histogram of 16 hues, 4 saturations and 4 values of the middle square."""
    hsv = np.asarray(_middle(image).convert("HSV")).reshape(-1, 3).astype(np.intp)
    bins = (hsv[:, 0] // 16 * 4 + hsv[:, 1] // 64) * 4 + hsv[:, 2] // 64
    counts = np.bincount(bins, minlength=16 * 4 * 4)
    return np.sqrt(counts / counts.sum()).astype(np.float32)


def perceptual_hash(image: Image) -> FloatArray:
    """Signs of the 8 x 8 lowest frequencies of a grey 32 x 32 picture about their median; -1 and 1."""
    grey = PillowImage.fromarray(image).convert("L").resize((32, 32), PillowImage.Resampling.LANCZOS)
    low = cv2.dct(np.asarray(grey, dtype=np.float32))[:8, :8].ravel()[1:]
    return np.where(low > np.median(low), 1.0, -1.0).astype(np.float32)


def small_pixels(image: Image) -> FloatArray:
    """16 x 16 pixels of the middle square, mean removed."""
    small = _middle(image).resize((16, 16), PillowImage.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32)
    return (values - values.mean()).ravel()


def _middle(image: Image) -> PillowImage.Image:
    """The middle square at `_MIDDLE_PX`."""
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    square = PillowImage.fromarray(image).crop((left, top, left + side, top + side))
    return square.resize((_MIDDLE_PX, _MIDDLE_PX), PillowImage.Resampling.BICUBIC)


class Formula(Protocol):
    """A description by formula."""

    def __call__(self, image: Image) -> FloatArray:
        """(H, W, 3) uint8 -> a row of numbers."""
        ...


BASELINES = ("hsv", "phash", "pixels16", "untrained")
_FORMULAS: dict[str, tuple[Formula, int]] = {
    "hsv": (hsv_histogram, 144),
    "phash": (perceptual_hash, 144),
    "pixels16": (small_pixels, 144),
}


def make_describer(name: str, store: ModelStore, *, device: torch.device) -> Describer:
    """A baseline by its short name, or an encoder by its model name.

    Raises:
        WeightsError: There is no such encoder.
    """
    if name == "untrained":
        return UntrainedDescriber()
    if name in _FORMULAS:
        formula, input_px = _FORMULAS[name]
        return HandMadeDescriber(formula, input_px=input_px)
    return EncoderDescriber(load_embedder(store, name, device=device))
