"""Aligned pictures for generator and inversion training: sampled so that each person weighs alike."""

from __future__ import annotations

import csv
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.training.toon import filter_of

_log = logging.getLogger(__name__)

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far a training picture is moved and recoloured.

    Attributes:
        rotation_deg: Standard deviation of the turn.
        log_scale: Standard deviation of the logarithm of the zoom.
        shift: Standard deviation of the shift, as a fraction of the side.
        gain: Largest change of contrast and of each channel, as a fraction.
        offset: Largest change of brightness, in [-1, 1] units.
    """

    rotation_deg: float = 1.5
    log_scale: float = 0.02
    shift: float = 0.01
    gain: float = 0.05
    offset: float = 0.05


class AlignedPictures:
    """All pictures of a folder in memory, at twice the training size.

    A folder with an `index.csv` (columns `file`, `person`, `split`) is split by person; any other
    folder counts every picture as its own person and holds back every twentieth as `val`.

    With a filter every picture has a twin in the filter's domain: what a generator of that domain
    should make of the photograph.

    Args:
        folder: The folder.
        split: `train` or `val`.
        size: Training size in pixels.
        filter_name: A filter of `training/toon.py`; empty: the twin is the picture itself.
    """

    def __init__(self, folder: Path, split: str, *, size: int, filter_name: str = "") -> None:
        entries = _entries(folder, split)
        self.size = size
        self.split = split
        self.files: list[str] = []
        self.left_out: list[str] = []  # cannot be read
        pictures, people = [], []
        for file, person in entries:
            picture = _read(file, 2 * size)
            name = file.relative_to(folder).as_posix()
            if picture is None:
                self.left_out.append(name)
                continue
            pictures.append(picture)
            people.append(person)
            self.files.append(name)
        if not pictures:
            raise UserInputError(f"No readable pictures for '{split}' in {display_path(folder)}.")
        # (N, 3, 2S, 2S) uint8; with twins (N, 6, 2S, 2S)
        self._pictures = torch.from_numpy(with_twins(np.stack(pictures), filter_name))
        names = sorted(set(people))
        position = {name: i for i, name in enumerate(names)}
        self.people = people
        self._of_person: list[list[int]] = [[] for _ in names]
        for i, name in enumerate(people):
            self._of_person[position[name]].append(i)

    def __len__(self) -> int:
        return self._pictures.shape[0]

    def fixed(self, count: int | None = None) -> Tensor:
        """The first picture of each person, unchanged: (n, 3, S, S) in [-1, 1]."""
        return self.fixed_pairs(count)[0]

    def fixed_pairs(self, count: int | None = None) -> tuple[Tensor, Tensor]:
        """The first picture of each person and its twin, unchanged: (n, 3, S, S) in [-1, 1] each."""
        return split_twins(self._tensor([group[0] for group in self._of_person][:count]))

    def fixed_free(self, files: set[str]) -> tuple[Tensor, Tensor]:
        """The same for those people alone whose first picture is one of some files of the folder."""
        return split_twins(self._tensor([g[0] for g in self._of_person if self.files[g[0]] in files]))

    def everything(self) -> Tensor:
        """All pictures, unchanged: (N, 3, S, S) in [-1, 1]."""
        return self._tensor(list(range(len(self))))

    def equal_weights(self) -> Tensor:
        """Probability weights of the pictures with which each person is equally likely, (N,)."""
        weights = torch.empty(len(self))
        for group in self._of_person:
            weights[group] = 1.0 / len(group)
        return weights

    def batch(self, count: int, jitter: Jitter | None, generator: torch.Generator) -> Tensor:
        """A random batch, each person equally likely: (count, 3, S, S) in [-1, 1], mirrored half the time."""
        return self.pairs(count, jitter, generator)[0]

    def pairs(self, count: int, jitter: Jitter | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A random batch as `batch` draws it, and its twins, moved alike."""
        people = torch.randint(len(self._of_person), (count,), generator=generator).tolist()
        draws = torch.rand(count, generator=generator).tolist()
        chosen = [
            self._of_person[p][int(r * len(self._of_person[p]))] for p, r in zip(people, draws, strict=True)
        ]
        large = self._pictures[chosen].float().div_(127.5).sub_(1.0)
        mirrored = torch.rand(count, generator=generator) < 0.5
        large = torch.where(mirrored[:, None, None, None], large.flip(3), large)
        if jitter is None:
            return split_twins(F.avg_pool2d(large, 2))
        return split_twins(jittered(large, jitter, generator))

    def _tensor(self, chosen: list[int]) -> Tensor:
        return F.avg_pool2d(self._pictures[chosen].float().div_(127.5).sub_(1.0), 2)


def with_twins(pictures: np.ndarray, filter_name: str) -> np.ndarray:
    """Pictures with their filtered twins as further channels: (N, 3, H, W) -> (N, 6, H, W) uint8.

    Raises:
        UserInputError: There is no such filter.
    """
    if not filter_name:
        return pictures
    change = filter_of(filter_name)
    both = np.empty((len(pictures), 6, *pictures.shape[2:]), dtype=np.uint8)
    both[:, :3] = pictures
    for number, picture in enumerate(pictures):
        both[number, 3:] = change(np.ascontiguousarray(picture.transpose(1, 2, 0))).transpose(2, 0, 1)
    return both


def split_twins(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and their twins; without twins both are the same tensor."""
    if pictures.shape[1] == 3:
        return pictures, pictures
    return pictures[:, :3].contiguous(), pictures[:, 3:].contiguous()


def jittered(large: Tensor, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Turn, zoom, shift and recolour: (B, C, 2S, 2S) -> (B, C, S, S), clipped to [-1, 1].

    C is 3, or 6 for pictures with twins, which are changed alike.

    The move is sampled at twice the size and then averaged, so that pictures stay sharp.
    """
    count = large.shape[0]

    def normal(spread: float) -> Tensor:
        return torch.randn(count, generator=generator) * spread

    def uniform(limit: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, generator=generator) * 2 - 1) * limit

    angle = normal(math.radians(jitter.rotation_deg))
    zoom = torch.exp(normal(jitter.log_scale))
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = torch.stack(
        [
            torch.stack([cos, -sin, normal(2 * jitter.shift)], dim=1),
            torch.stack([sin, cos, normal(2 * jitter.shift)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(rows, list(large.shape), align_corners=False)
    moved = F.grid_sample(large, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    small = F.avg_pool2d(moved, 2)
    gain = (1 + uniform(jitter.gain, 1, 1, 1)) * (1 + uniform(jitter.gain / 2, 3, 1, 1))
    gain = gain.repeat(1, large.shape[1] // 3, 1, 1)
    return (small * gain + uniform(jitter.offset, 1, 1, 1)).clamp_(-1, 1)


def _entries(folder: Path, split: str) -> list[tuple[Path, str]]:
    index = folder / "index.csv"
    if index.is_file():
        with index.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        if not rows or not {"file", "person", "split"} <= set(rows[0]):
            raise UserInputError(f"{display_path(index)} needs the columns file, person and split.")
        return [(folder / row["file"], row["person"]) for row in rows if row["split"] == split]
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_ENDINGS)
    return [(f, str(f)) for i, f in enumerate(files) if (i % 20 == 0) == (split == "val")]


def _read(file: Path, side: int) -> np.ndarray | None:
    try:
        with PillowImage.open(file) as picture:
            square = picture.convert("RGB").resize((side, side), PillowImage.Resampling.LANCZOS)
            return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
    except (OSError, ValueError) as error:
        _log.info("picture left out: %s", error)
        return None
