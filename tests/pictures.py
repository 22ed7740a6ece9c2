"""Pictures made by formula, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.types import Image


def picture(seed: int, *, width: int = 96, height: int = 72) -> Image:
    """A smooth colourful picture; another seed gives quite another one."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = PillowImage.fromarray(coarse).resize((width, height), PillowImage.Resampling.BICUBIC)
    return np.array(smooth)


def save_picture(path: Path, seed: int, *, width: int = 96, height: int = 72) -> Path:
    """Write `picture(seed)` in the format of the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture(seed, width=width, height=height)).save(path)
    return path


def save_pictures(folder: Path, count: int, *, first_seed: int = 0) -> list[Path]:
    """Write `count` different JPEG files."""
    return [save_picture(folder / f"photo{first_seed + i:04d}.jpg", first_seed + i) for i in range(count)]
