"""Small folders of pictures for trainings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage


def write_pictures(folder: Path, count: int, *, seed: int = 0) -> None:
    """Pictures that differ by colour and by the place of a bright bar."""
    chance = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        picture = np.empty((40, 56, 3), dtype=np.uint8)
        picture[:] = chance.integers(0, 256, 3)
        row = int(chance.integers(0, 32))
        picture[row : row + 8] = chance.integers(0, 256, 3)
        PillowImage.fromarray(picture).save(folder / f"{index:03d}.png")


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    """A folder with 48 pictures."""
    folder = tmp_path / "pictures"
    write_pictures(folder, 48)
    return folder
