"""From which similarity on two photos are one: changed copies against the nearest pairs of different photos.

A photo is marked as a near-duplicate when its embedding is similar enough and the fine pictures agree
(`catalogue.duplicates`). This counts, for each similarity, how many copies of each kind pass both, and how
many pairs of different photos do. Needs `CONTRASTYLE_DATA`; `CONTRASTYLE_ENCODER` names another encoder. With
`CONTRASTYLE_OUT` a sheet of the pairs of different photos that pass is written there, to be looked at: many
of them are the same thing photographed twice in a row.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from PIL import ImageEnhance

from desktop_app.catalogue.duplicates import picture_signature, show_the_same
from desktop_app.core.paths import default_paths
from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.picture_file import read_picture
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.copies import CopyKind, make_copy

ENCODER = "contrastive_photo.builtin"
PHOTOS, COPIED, SEED = 3000, 300, 0
TRIED = (0.70, 0.75, 0.80, 0.85, 0.88, 0.90, 0.92, 0.95, 0.97)
_LOWEST = 0.65
_BATCH, _ROWS = 64, 512
_SHEET_PAIRS, _TILE_PX = 60, 120


def _saved(picture: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    """Saved again as JPEG, as messengers do."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(rng.integers(50, 86)))
    return PillowImage.open(buffer).convert("RGB")


def _resized(picture: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    factor = float(rng.uniform(0.5, 0.9))
    return picture.resize((round(picture.width * factor), round(picture.height * factor)))


def _cropped(picture: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    """Straightened or trimmed: up to 5 % off each side."""
    left, top, right, bottom = rng.uniform(0.0, 0.05, 4)
    w, h = picture.size
    return picture.crop((round(left * w), round(top * h), round((1 - right) * w), round((1 - bottom) * h)))


def _brightened(picture: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = change(picture).enhance(float(rng.uniform(0.85, 1.15)))
    return picture


def _all(picture: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    for change in (_cropped, _brightened, _resized, _saved):
        picture = change(picture, rng)
    return picture


_SMALL: dict[str, Callable[[PillowImage.Image, np.random.Generator], PillowImage.Image]] = {
    "saved again": _saved,
    "resized": _resized,
    "cropped by 0 to 5 % a side": _cropped,
    "brightened": _brightened,
    "all four": _all,
}


def run() -> dict[str, object]:
    """Shares of copies and counts of different pairs that pass, for each similarity."""
    folder = Path(os.environ.get("CONTRASTYLE_DATA", "../shared/data"))
    files = _files(folder)
    paths = default_paths()
    store = ModelStore(paths.builtin_models, paths.models)
    name = os.environ.get("CONTRASTYLE_ENCODER", ENCODER)
    embedder = load_embedder(store, name, device=torch.device("cpu"))
    images = [read_picture(file, at_least_px=144) for file in files]
    vectors = _embedded(embedder, images)
    signatures = [picture_signature(image) for image in images]
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(len(files), COPIED, replace=False)
    copies: dict[str, object] = {}
    for kind in (*_SMALL, CopyKind.RECOMPRESSED, CopyKind.CROPPED):
        made = [_copy(images[row], kind, rng) for row in chosen]
        same = [show_the_same(signatures[r], picture_signature(m)) for r, m in zip(chosen, made, strict=True)]
        similarity = (_embedded(embedder, made) * vectors[chosen]).sum(axis=1)
        copies[str(kind)] = {
            "percentiles 1, 5, 50": [round(float(v), 3) for v in np.percentile(similarity, (1, 5, 50))],
            "picture agrees": round(float(np.mean(same)), 3),
            "pass": {str(t): round(float(((similarity >= t) & same).mean()), 3) for t in TRIED},
        }
    pairs = _near_pairs(vectors)
    agree = [(v, a, b) for v, a, b in pairs if show_the_same(signatures[a], signatures[b])]
    _write_sheet(agree, images)
    return {
        "encoder": name,
        "photos": len(files),
        "copies": copies,
        "different pairs": {str(t): sum(v >= t for v, _, _ in pairs) for t in TRIED},
        "of them the picture agrees": {str(t): sum(v >= t for v, _, _ in agree) for t in TRIED},
    }


def _files(folder: Path) -> list[Path]:
    """All of `retrieval`, and as many of `photos` as are wanted."""
    found: list[Path] = []
    for part, most in (("retrieval", None), ("photos", PHOTOS)):
        with (folder / part / "index.csv").open(encoding="utf-8") as handle:
            rows = [folder / row["file"] for row in csv.DictReader(handle)]
        order = np.random.default_rng(SEED).permutation(len(rows))[:most]
        found += [rows[row] for row in sorted(order.tolist())]
    return found


def _copy(image: Image, kind: str, rng: np.random.Generator) -> Image:
    if kind in _SMALL:
        return np.ascontiguousarray(np.asarray(_SMALL[kind](PillowImage.fromarray(image), rng)))
    return make_copy(image, CopyKind(kind), rng)


def _embedded(embedder: Embedder, images: Sequence[Image]) -> FloatArray:
    parts = [embedder.embed(images[n : n + _BATCH]) for n in range(0, len(images), _BATCH)]
    return np.concatenate(parts)


def _near_pairs(vectors: FloatArray) -> list[tuple[float, int, int]]:
    """Pairs of photos that are alike, the most similar first."""
    found = []
    for start in range(0, len(vectors), _ROWS):
        similarity = vectors[start : start + _ROWS] @ vectors.T
        first, second = np.nonzero(similarity >= _LOWEST)
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            if start + a < b:
                found.append((float(similarity[a, b]), start + a, b))
    return sorted(found, reverse=True)


def _write_sheet(pairs: Sequence[tuple[float, int, int]], images: Sequence[Image]) -> None:
    out = os.environ.get("CONTRASTYLE_OUT", "")
    if not out or not pairs:
        return
    step = max(1, len(pairs) // _SHEET_PAIRS)
    shown = pairs[::step][:_SHEET_PAIRS]
    sheet = PillowImage.new("RGB", (12 * _TILE_PX, -(-len(shown) // 12) * 2 * _TILE_PX), "white")
    for number, (_, a, b) in enumerate(shown):
        for line, row in enumerate((a, b)):
            tile = PillowImage.fromarray(images[row]).resize((_TILE_PX - 2, _TILE_PX - 2))
            sheet.paste(tile, (number % 12 * _TILE_PX, (number // 12 * 2 + line) * _TILE_PX))
    sheet.save(Path(out) / "different_pairs.png")
