"""Crops of photos recognised as parts of them, and photos wrongly taken for a part of another.

60 pictures of `CONTRASTYLE_DATA`, cropped to .8, .6, .45 and .3 of the side: plain, recompressed, brightened,
mirrored, and all of that with a change of size. A crop counts when its rectangle overlaps the true one by .6.
Then random pairs and pairs of one class, both ways round.
"""

from __future__ import annotations

import csv
import io
import os
import random
import time
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.types import Image
from desktop_app.engine.compare.part_of import Box, find_part

PICTURES = 60
SIDES = (0.8, 0.6, 0.45, 0.3)
CHANGES = {
    "plain": "",
    "recompressed": "j",
    "brightened": "b",
    "mirrored": "m",
    "all and resized": "jbmr",
}
RANDOM_PAIRS = 300
CLASS_PAIRS = 100


def run() -> dict[str, object]:
    """Shares of crops found, numbers of wrong finds, and seconds of one look."""
    folder = Path(os.environ.get("CONTRASTYLE_DATA", "../shared/data"))
    rows = []
    for name in ("photos", "retrieval"):
        with (folder / name / "index.csv").open(encoding="utf-8", newline="") as lines:
            rows += list(csv.DictReader(lines))
    chance = random.Random(11)
    chance.shuffle(rows)
    pictures = [_picture(folder / row["file"]) for row in rows[:PICTURES]]
    start = time.perf_counter()
    figures: dict[str, object] = {
        f"side {side:g}": {name: _found(pictures, side, kinds) for name, kinds in CHANGES.items()}
        for side in SIDES
    }
    figures["seconds"] = round((time.perf_counter() - start) / (PICTURES * len(SIDES) * len(CHANGES)), 3)
    by_label: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        by_label.setdefault((row["set"], row["label"]), []).append(row["file"])
    classes = [files for files in by_label.values() if len(files) > 3]
    pairs = [chance.sample([row["file"] for row in rows], 2) for _ in range(RANDOM_PAIRS)]
    alike = [chance.sample(chance.choice(classes), 2) for _ in range(CLASS_PAIRS)]
    for name, chosen in (
        (f"wrong of {RANDOM_PAIRS} random", pairs),
        (f"wrong of {CLASS_PAIRS} alike", alike),
    ):
        figures[name] = sum(_is_part(folder / one, folder / other) for one, other in chosen)
    return figures


def _found(pictures: list[Image], side: float, kinds: str) -> float:
    rng = np.random.default_rng(0)
    hits = 0
    for whole in pictures:
        height, width = whole.shape[:2]
        down, across = int(height * side), int(width * side)
        top, left = int(rng.integers(0, height - down + 1)), int(rng.integers(0, width - across + 1))
        found = find_part(whole, _changed(whole[top : top + down, left : left + across], kinds, rng))
        true = (left / width, top / height, across / width, down / height)
        hits += found is not None and _overlap(found.box, true) > 0.6 and found.is_mirrored == ("m" in kinds)
    return round(hits / len(pictures), 3)


def _changed(picture: Image, kinds: str, rng: np.random.Generator) -> Image:
    levels = picture.astype(np.float32)
    if "m" in kinds:
        levels = levels[:, ::-1]
    if "b" in kinds:
        levels = (levels - 128) * rng.uniform(0.8, 1.2) + 128 + rng.uniform(-30, 30)
    image = PillowImage.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if "r" in kinds:
        factor = rng.uniform(0.8, 1.8)
        size = (max(int(image.width * factor), 8), max(int(image.height * factor), 8))
        image = image.resize(size, PillowImage.Resampling.BICUBIC)
    if "j" in kinds:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=60)
        image = PillowImage.open(file).convert("RGB")
    return np.asarray(image)


def _overlap(first: Box, second: Box) -> float:
    sides = [
        max(0.0, min(first[k] + first[k + 2], second[k] + second[k + 2]) - max(first[k], second[k]))
        for k in (0, 1)
    ]
    common = sides[0] * sides[1]
    return common / (first[2] * first[3] + second[2] * second[3] - common)


def _is_part(one: Path, other: Path) -> bool:
    first, second = _picture(one), _picture(other)
    return find_part(first, second) is not None or find_part(second, first) is not None


def _picture(file: Path) -> Image:
    with PillowImage.open(file) as image:
        return np.asarray(image.convert("RGB"))
