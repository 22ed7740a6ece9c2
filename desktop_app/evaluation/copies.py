"""Changed copies of pictures, and how often an encoder finds the original of each among all pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageEnhance

from desktop_app.core.types import FloatArray, Image

if TYPE_CHECKING:
    _Rng = np.random.Generator

# Share of the area that a crop keeps, and how far its aspect may differ from the picture's.
CROP_AREA = (0.5, 0.9)
CROP_ASPECT = (0.9, 1.11)
# Factors of brightness, contrast and saturation; turn of the hue as a share of the circle.
COLOUR_FACTOR = (0.6, 1.4)
HUE_TURN = 0.04
# JPEG quality, after the picture was scaled by a factor.
JPEG_QUALITY = (10, 40)
JPEG_SCALE = (0.5, 0.9)
# Similarities that differ by less count as equal.
_TIE = 1e-6
_CHUNK = 256


class CopyKind(StrEnum):
    """What was done to a copy."""

    CROPPED = "cropped"
    RECOLOURED = "recoloured"
    RECOMPRESSED = "recompressed"
    FLIPPED = "flipped"
    TOGETHER = "together"
    """All four, one after another."""


SINGLE_KINDS = (CopyKind.CROPPED, CopyKind.RECOLOURED, CopyKind.RECOMPRESSED, CopyKind.FLIPPED)


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """Which copies are made.

    Attributes:
        count: Copies with one change each, the four kinds in turn; of each original also one with all
            four changes is made, which is counted apart.
        seed: Of the choice of originals and of every change.
    """

    count: int = 500
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CopyQuery:
    """One copy to make: of which picture (row number), how, and the seed of its change."""

    original: int
    kind: CopyKind
    seed: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CopyScores:
    """How often the original was the nearest of all pictures.

    Attributes:
        recall_at_1: Over the copies with one change.
        together_recall_at_1: Over the copies with all four changes.
        kinds: Recall@1 of each single change.
        copies: Copies with one change.
        gallery: Pictures among which the original was sought.
    """

    recall_at_1: float
    together_recall_at_1: float
    kinds: dict[str, float]
    copies: int
    gallery: int


def plan_copies(gallery: int, plan: CopyPlan) -> list[CopyQuery]:
    """Choose originals and changes; each picture is used once before any is used again."""
    rng = np.random.default_rng(plan.seed)
    rounds = -(-plan.count // gallery)
    originals = np.concatenate([rng.permutation(gallery) for _ in range(rounds)])[: plan.count]
    queries = []
    for number, original in enumerate(originals.tolist()):
        single = SINGLE_KINDS[number % len(SINGLE_KINDS)]
        for kind in (single, CopyKind.TOGETHER):
            queries.append(CopyQuery(original, kind, (plan.seed, number)))
    return queries


def make_copy(image: Image, kind: CopyKind, rng: _Rng) -> Image:
    """A changed copy.

    Args:
        image: (H, W, 3) uint8.
        kind: The change.
        rng: Chooses its extent.

    Returns:
        (H', W', 3) uint8.
    """
    picture = PillowImage.fromarray(image)
    steps = SINGLE_KINDS if kind is CopyKind.TOGETHER else (kind,)
    for step in steps:
        picture = _CHANGES[step](picture, rng)
    return np.ascontiguousarray(np.asarray(picture))


def copy_scores(originals: FloatArray, copies: FloatArray, queries: Sequence[CopyQuery]) -> CopyScores:
    """Score the copies of a plan.

    Args:
        originals: (N, D), unit length.
        copies: (len(queries), D), unit length, in the order of `queries`.
        queries: What was made.
    """
    credit = _credit(originals, copies, np.array([query.original for query in queries], dtype=np.intp))
    kinds = np.array([query.kind for query in queries])
    by_kind = {str(kind): float(credit[kinds == kind].mean()) for kind in SINGLE_KINDS if kind in kinds}
    single = kinds != CopyKind.TOGETHER
    return CopyScores(
        recall_at_1=float(credit[single].mean()),
        together_recall_at_1=float(credit[~single].mean()),
        kinds=by_kind,
        copies=int(single.sum()),
        gallery=len(originals),
    )


def _credit(
    originals: FloatArray, copies: FloatArray, wanted: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """1 where the original is the nearest; shared with those that are exactly as near, else 0."""
    credit = np.zeros(len(copies))
    for start in range(0, len(copies), _CHUNK):
        piece = slice(start, start + _CHUNK)
        similarity = copies[piece] @ originals.T
        best = similarity >= similarity.max(axis=1, keepdims=True) - _TIE
        is_found = best[np.arange(len(best)), wanted[piece]]
        credit[piece] = is_found / best.sum(axis=1)
    return credit


def _crop(picture: PillowImage.Image, rng: _Rng) -> PillowImage.Image:
    area, aspect = rng.uniform(*CROP_AREA), rng.uniform(*CROP_ASPECT)
    width = min(1.0, (area * aspect) ** 0.5)
    height = min(1.0, (area / aspect) ** 0.5)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    w, h = picture.size
    box = (round(left * w), round(top * h), round((left + width) * w), round((top + height) * h))
    return picture.crop((box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)))


def _recolour(picture: PillowImage.Image, rng: _Rng) -> PillowImage.Image:
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = change(picture).enhance(float(rng.uniform(*COLOUR_FACTOR)))
    hsv = np.array(picture.convert("HSV"))
    turn = round(float(rng.uniform(-HUE_TURN, HUE_TURN)) * 255)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + turn) % 256
    return PillowImage.fromarray(hsv, "HSV").convert("RGB")


def _recompress(picture: PillowImage.Image, rng: _Rng) -> PillowImage.Image:
    scale = float(rng.uniform(*JPEG_SCALE))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    buffer = io.BytesIO()
    small = picture.resize(size, PillowImage.Resampling.BICUBIC)
    small.save(buffer, "JPEG", quality=int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1)))
    buffer.seek(0)
    with PillowImage.open(buffer) as read:
        return read.convert("RGB")


def _flip(picture: PillowImage.Image, _rng: _Rng) -> PillowImage.Image:
    return picture.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT)


_CHANGES = {
    CopyKind.CROPPED: _crop,
    CopyKind.RECOLOURED: _recolour,
    CopyKind.RECOMPRESSED: _recompress,
    CopyKind.FLIPPED: _flip,
}
