"""Pictures for a model's card: the steps of held-out people, the worst of them, random faces.

Photos of people are shown only where the index says that they are in the public domain or under CC0.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.engine.image_tensor import tensor_to_image
from desktop_app.training.faces import AlignedPictures
from desktop_app.training.generator import FaceAutoencoder, step_errors
from desktop_app.training.samples import random_faces

FREE = ("cc0", "public domain", "pd")
PEOPLE = 8
STEPS = 5
SAMPLES = 64
SAMPLE_COLUMNS = 16
SHOWN_PX = 128
JPEG_QUALITY = 92


def free_files(data: Path, split: str) -> set[str]:
    """Files of a split whose licence in `index.csv` is CC0 or public domain; none without an index."""
    index = data / "index.csv"
    if not index.is_file():
        return set()
    with index.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {
        row["file"]
        for row in rows
        if row.get("split") == split and row.get("licence", "").lower().startswith(FREE)
    }


def write_card_pictures(
    model: FaceAutoencoder, pictures: AlignedPictures, data: Path, target: Path, *, draws: bool
) -> list[Path]:
    """Write `<target>.steps.jpg`, `.worst.jpg` and, when the mapping network draws, `.samples.jpg`.

    Args:
        model: As it is stored.
        pictures: The held-out pictures.
        data: Their folder, with an `index.csv` that states licences.
        target: Path of the model's files without an ending.
        draws: Whether to show random faces.

    Returns:
        The files.
    """
    files: list[Path] = []
    photos, twins = pictures.fixed_free(free_files(data, pictures.split))
    if len(photos) >= PEOPLE:
        errors, _ = step_errors(model, photos, _steps(model), targets=twins)
        order = errors[:, -1].argsort()
        first = list(range(PEOPLE))
        worst = order.flip(0)[:PEOPLE].tolist()
        for name, chosen in (("steps", first), ("worst", worst)):
            file = target.with_name(f"{target.name}.{name}.jpg")
            _write(_step_rows(model, photos[chosen], twins[chosen]), file)
            files.append(file)
    if draws:
        faces = random_faces(model.generator, SAMPLES)
        file = target.with_name(f"{target.name}.samples.jpg")
        _write(list(torch.split(faces, SAMPLE_COLUMNS)), file)
        files.append(file)
    return files


def _step_rows(model: FaceAutoencoder, photos: Tensor, twins: Tensor) -> list[Tensor]:
    """Photos, their twins where there are some, and every step below."""
    rows = [photos] if twins is photos or torch.equal(twins, photos) else [photos, twins]
    steps = range(1, _steps(model) + 1)
    return rows + [step_errors(model, photos, step)[1].clamp(-1, 1) for step in steps]


def _steps(model: FaceAutoencoder) -> int:
    """How often a model looks: a one-pass encoder adds up nonsense when it is asked again."""
    return STEPS if model.sees_estimate else 1


def _write(rows: list[Tensor], file: Path) -> None:
    lines = [
        np.concatenate([tensor_to_image(y) for y in F.interpolate(row, size=SHOWN_PX, mode="area")], axis=1)
        for row in rows
    ]
    PillowImage.fromarray(np.concatenate(lines, axis=0)).save(file, quality=JPEG_QUALITY)
