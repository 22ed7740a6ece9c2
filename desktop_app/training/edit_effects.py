"""What a move of codes changes in the pictures: every property, and the person.

Properties with a rule are read off the rendered pictures. For labels of the index (age, sex) a probe
that was fitted on the pixels of other faces reads them; it knows nothing of codes. All changes are
given in standard deviations between faces, as half the difference of a step forwards and backwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image as PillowImage

from desktop_app.core.types import DirectionFacts, FloatArray, Image
from desktop_app.engine.image_tensor import resized_image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.training.edit_labels import Label

# Pictures are read at this side at most.
READ_PX = 128
# The probe of a label looks at pictures of this side.
PROBE_PX = 24
PROBE_RIDGE = 3.0
LEAST_PROBED = 40
RENDER_BATCH = 16
# Search for the strength of one standard deviation.
UNIT_TOLERANCE = 0.05
UNIT_TRIES = 9
# A picture that changed more than this (root mean square in [-1, 1]) is another picture.
LARGEST_CHANGE = 0.45


@dataclass(frozen=True, slots=True)
class Identity:
    """Tells how much two pictures show the same person.

    Attributes:
        name: The encoder.
        embed: Pictures to unit vectors, (N, D).
    """

    name: str
    embed: Callable[[Sequence[Image]], FloatArray]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a property off pictures.

    Attributes:
        name: Key.
        label: For the user.
        read: Pictures to values, (N,).
        spread: Standard deviation between faces.
    """

    name: str
    label: str
    read: Callable[[Sequence[Image]], np.ndarray]
    spread: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step does.

    Attributes:
        changes: Property -> change in standard deviations.
        identity: Similarity with the unchanged faces; NaN when nobody tells.
        picture: Root mean square change of the picture, in [-1, 1] units.
    """

    changes: dict[str, float]
    identity: float
    picture: float


class EffectBench:
    """A few faces on which steps are tried.

    Args:
        model: Makes the pictures.
        codes: Codes of faces, (N, L, D).
        readers: Properties.
        identity: Judge of the person; None: not judged.
    """

    def __init__(
        self,
        model: InversionModel,
        codes: FloatArray,
        *,
        readers: Sequence[Reader],
        identity: Identity | None = None,
    ) -> None:
        self.readers = tuple(readers)
        self.judge = identity
        self._model = model
        self._codes = codes
        self._before = self.render(codes)
        self._known = identity.embed(self._before) if identity else None

    @property
    def strangers(self) -> float:
        """Mean similarity of different faces."""
        if self._known is None or len(self._known) < 2:
            return math.nan
        similar = self._known @ self._known.T
        return float(similar[~np.eye(len(similar), dtype=bool)].mean())

    def render(self, codes: FloatArray) -> list[Image]:
        """Pictures of codes (N, L, D)."""
        return render_codes(self._model, codes)

    def effect(self, vector: FloatArray, strength: float) -> Effect:
        """What a step of this strength, forwards and backwards, changes."""
        ahead, back = self._sides(vector, strength)
        changes = {
            one.name: float((one.read(ahead) - one.read(back)).mean()) / (2 * one.spread)
            for one in self.readers
        }
        return Effect(changes, self.identity_of((ahead, back)), self._picture_change((ahead, back)))

    def _sides(self, vector: FloatArray, strength: float) -> tuple[list[Image], list[Image]]:
        move = np.float32(strength) * vector
        return self.render(self._codes + move), self.render(self._codes - move)

    def _picture_change(self, sides: Sequence[Sequence[Image]]) -> float:
        """Root mean square change, in [-1, 1] units."""
        squares = [
            np.square((after.astype(np.float32) - before) / 127.5).mean()
            for side in sides
            for after, before in zip(side, self._before, strict=True)
        ]
        return math.sqrt(float(np.mean(squares)))

    def identity_of(self, sides: Sequence[Sequence[Image]]) -> float:
        """Mean similarity of pictures with the unchanged faces; NaN when nobody tells."""
        if self.judge is None or self._known is None:
            return math.nan
        return float(np.mean([(self.judge.embed(side) * self._known).sum(axis=1).mean() for side in sides]))

    def identity_at(self, vector: FloatArray, strength: float) -> float:
        """Similarity with the unchanged faces after a step to one side."""
        if self.judge is None:
            return math.nan
        return self.identity_of((self.render(self._codes + np.float32(strength) * vector),))

    def unit_strength(self, vector: FloatArray, name: str, *, start: float) -> tuple[float, Effect] | None:
        """The strength that changes a property by one standard deviation, and all that it does.

        Returns:
            None when the picture falls apart before.
        """
        reader = next(one for one in self.readers if one.name == name)
        low, high, strength = 0.0, math.inf, start
        for _ in range(UNIT_TRIES):
            ahead, back = self._sides(vector, strength)
            own = float((reader.read(ahead) - reader.read(back)).mean()) / (2 * reader.spread)
            if abs(own - 1.0) <= UNIT_TOLERANCE:
                return strength, self.effect(vector, strength)
            falls_apart = self._picture_change((ahead, back)) > LARGEST_CHANGE
            if own < 1.0 and not falls_apart:
                low = strength
            else:
                high = strength
            guess = strength * float(np.clip(1.0 / max(own, 1e-3), 0.3, 3.0))
            inside = low < guess < high
            last, strength = strength, guess if inside else ((low + high) / 2 if high < math.inf else 2 * low)
        is_near = abs(own - 1.0) <= 5 * UNIT_TOLERANCE and not falls_apart
        return (last, self.effect(vector, last)) if is_near else None

    def facts(self, effect: Effect, strength: float, *, accuracy: float | None, faces: int) -> DirectionFacts:
        """An effect in the words of the file; largest changes first."""
        labels = {one.name: one.label for one in self.readers}
        ranked = sorted(effect.changes.items(), key=lambda item: -abs(item[1]))
        return DirectionFacts(
            accuracy=None if accuracy is None else round(accuracy, 3),
            faces=faces,
            strength=float(f"{strength:.3g}"),
            changes=tuple((labels[name], round(value, 2)) for name, value in ranked),
            identity=None if math.isnan(effect.identity) else round(effect.identity, 3),
            strangers=0.0 if math.isnan(self.strangers) else round(self.strangers, 3),
            judge=self.judge.name if self.judge else "",
        )


def render_codes(model: InversionModel, codes: FloatArray) -> list[Image]:
    """Pictures of codes (N, L, D), at most `READ_PX` wide."""
    pictures: list[Image] = []
    for first in range(0, len(codes), RENDER_BATCH):
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(codes[first : first + RENDER_BATCH], np.float32))
            y_hat = model.decode(batch.to(model.device))
        pictures += readable(y_hat)
    return pictures


def readable(y_hat: torch.Tensor) -> list[Image]:
    """Network outputs (N, 3, H, W) as pictures for reading."""
    levels = ((y_hat.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    images = [np.ascontiguousarray(one) for one in levels.permute(0, 2, 3, 1).cpu().numpy()]
    if images and images[0].shape[1] > READ_PX:
        height = round(READ_PX * images[0].shape[0] / images[0].shape[1])
        images = [resized_image(one, width_px=READ_PX, height_px=height) for one in images]
    return images


def make_reader(label: Label, pictures: Sequence[Image], values: np.ndarray) -> Reader | None:
    """Reads a label: its own rule, or a probe fitted on pixels.

    Args:
        label: What to read.
        pictures: Reconstructions of the faces that teach.
        values: The label of those faces, NaN where unknown.

    Returns:
        None when the label does not vary or is hardly known.
    """
    read: Callable[[Sequence[Image]], np.ndarray]
    if label.of_picture is not None:
        read = partial(_by_rule, label.of_picture)
    else:
        known = np.isfinite(values)
        if known.sum() < LEAST_PROBED:
            return None
        read = _probe(_pixels([pictures[int(k)] for k in np.flatnonzero(known)]), values[known])
    spread = float(np.std(read(pictures)))
    return Reader(label.name, label.label, read, spread) if spread > 1e-6 else None


def _by_rule(rule: Callable[[Image], float], images: Sequence[Image]) -> np.ndarray:
    return np.array([rule(image) for image in images])


def _probe(pixels: np.ndarray, values: np.ndarray) -> Callable[[Sequence[Image]], np.ndarray]:
    """Ridge regression on pixels, in its dual form."""
    mean = pixels.mean(axis=0)
    centred = pixels - mean
    gram = centred @ centred.T
    ridge = PROBE_RIDGE * float(np.trace(gram)) / len(gram)
    weights = centred.T @ np.linalg.solve(gram + ridge * np.eye(len(gram)), values - values.mean())

    def read(images: Sequence[Image]) -> np.ndarray:
        return np.asarray((_pixels(images) - mean) @ weights)

    return read


def _pixels(images: Sequence[Image]) -> np.ndarray:
    """Pictures at the probe's size as rows, each without its own mean and with deviation 1."""
    size = (PROBE_PX, PROBE_PX)
    small = [PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BOX) for image in images]
    rows = np.stack([np.asarray(one, dtype=np.float64).ravel() for one in small])
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.std(axis=1, keepdims=True), 1e-6))
