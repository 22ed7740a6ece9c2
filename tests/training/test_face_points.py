"""Training of the eye-point cascade on drawn faces."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Progress
from desktop_app.engine.align.face_points import MODEL_NAME, load_face_points
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training.face_points import FacePointConfig, FacePointResult, train_face_points
from tests.pictures import save_pictures

SIDE = 128


def _draw_face(file: Path, rng: np.random.Generator) -> None:
    """A head, two eyes at their aligned places, a nose and a mouth; shades vary."""
    skin, dark = int(rng.integers(140, 220)), int(rng.integers(10, 60))
    image = PillowImage.new("L", (SIDE, SIDE), int(rng.integers(60, 130)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((28, 22, 100, 118), fill=skin)
    y = round((0.5 - 0.11 / 4) * SIDE)
    for x in (48, 80):
        draw.ellipse((x - 7, y - 4, x + 7, y + 4), fill=dark)
        draw.line((x - 9, y - 11, x + 9, y - 11), fill=dark, width=2)
    draw.line((64, y + 5, 64, y + 22), fill=dark, width=2)
    draw.line((52, y + 35, 76, y + 35), fill=dark, width=3)
    noise = rng.normal(0, 4, (SIDE, SIDE))
    pixels = np.clip(np.array(image) + noise, 0, 255).astype(np.uint8)
    PillowImage.fromarray(pixels).convert("RGB").save(file)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "split"])
        for number in range(40):
            _draw_face(folder / f"{number}.png", rng)
            writer.writerow([f"{number}.png", "train" if number < 30 else "val"])
    return folder


def _config(faces: Path, tmp_path: Path) -> FacePointConfig:
    return FacePointConfig(
        faces,
        tmp_path / "photos",
        tmp_path / "out",
        stages=3,
        starts=3,
        look_alikes=40,
        hard_look_alikes=4,
    )


def test_training_places_the_eyes_of_held_out_faces(tmp_path: Path, faces: Path) -> None:
    save_pictures(tmp_path / "photos", 6)
    *told, result = train_face_points(_config(faces, tmp_path))
    assert all(isinstance(message, Progress) for message in told)
    assert isinstance(result, FacePointResult)
    assert result.median_error < 0.08  # rough starts are off by about 0.2
    assert result.kept_faces > 0.8
    store = ModelStore(tmp_path / "out", tmp_path / "none")
    assert load_face_points(store).stages.shape[0] == 3
    assert store.card(MODEL_NAME).role == "face_points"


def test_missing_folders_are_told(tmp_path: Path, faces: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserInputError, match="no pictures"):
        list(train_face_points(_config(faces, tmp_path)))
    with pytest.raises(UserInputError, match=r"index\.csv"):
        list(train_face_points(_config(tmp_path, tmp_path)))
