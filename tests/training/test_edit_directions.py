"""Finding edit directions on faces with a tiny model."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Progress
from desktop_app.engine.edit.directions import edit_code
from desktop_app.engine.invert.model import load_inversion_model
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training import edit_directions
from desktop_app.training.edit_directions import DirectionConfig, FoundDirections, find_directions
from tests.tiny_inverter import MODEL, N_STYLES, STYLE_DIM, write_tiny_model


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Grey squares of every brightness."""
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "split", "birth_year", "photo_year_about"])
        for number in range(90):
            picture = np.full((32, 32, 3), int(rng.integers(10, 245)), dtype=np.uint8)
            picture[10:20, 10:20] = rng.integers(0, 255, 3)
            PillowImage.fromarray(picture).save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", "train" if number < 60 else "val", "", "2020"])
    return folder


def test_directions_are_found_and_named(tmp_path: Path, faces: Path) -> None:
    write_tiny_model(tmp_path)
    model = load_inversion_model(ModelStore(tmp_path, tmp_path), MODEL, device=torch.device("cpu"))
    config = DirectionConfig(faces, steps=2, principal=3, per_group=1)
    *told, result = find_directions(model, config)
    assert all(isinstance(message, Progress) for message in told)
    assert isinstance(result, FoundDirections)
    kinds = {direction.kind for direction in result.directions}
    assert {"pca", "sefa"} <= kinds
    assert all(d.minimum < 0 < d.maximum for d in result.directions)
    assert all(d.vector.shape == (N_STYLES, STYLE_DIM) for d in result.directions)
    assert "age" not in result.facts  # no birth years in this index
    shares = [result.facts[f"pca.{k}"] for k in (1, 2, 3)]
    assert shares == sorted(shares, reverse=True)


def test_a_probe_finds_the_coordinate_that_carries_the_label() -> None:
    rng = np.random.default_rng(0)
    coordinates = rng.normal(size=(300, 12))
    values = 40 + 8 * coordinates[:, 4] + rng.normal(size=300)
    weights = edit_directions._probe(coordinates, values)
    assert np.abs(weights).argmax() == 4
    assert weights[4] > 0


def test_without_faces_it_says_so(tmp_path: Path, faces: Path) -> None:
    write_tiny_model(tmp_path)
    model = load_inversion_model(ModelStore(tmp_path, tmp_path), MODEL, device=torch.device("cpu"))
    with pytest.raises(UserInputError, match=r"index\.csv"):
        list(find_directions(model, DirectionConfig(tmp_path)))
    (faces / "3.png").unlink()
    with pytest.raises(UserInputError, match="cannot be read"):
        list(find_directions(model, replace(DirectionConfig(faces), steps=1)))


def test_labels_read_what_they_say() -> None:
    labels = {label.name: label.value for label in edit_directions.LABELS}
    picture = np.full((64, 64, 3), 100, dtype=np.uint8)
    assert labels["light"]({}, picture) == pytest.approx(0)
    brighter = picture.copy()
    brighter[:, 32:] = 160
    assert labels["light"]({}, brighter) > 0.2
    warm = picture.copy()
    warm[:, :, 0] = 200
    assert labels["warmth"]({}, warm) > 0.3
    corners = picture.copy()
    corners[:16] = 255
    assert labels["background"]({}, corners) > labels["background"]({}, picture)
    teeth = picture.copy()
    teeth[46:50, 28:36] = 240
    assert labels["smile"]({}, teeth) > labels["smile"]({}, picture)
    assert labels["age"]({"photo_year_about": "2020", "birth_year": "1980"}, picture) == 40
    assert np.isnan(labels["age"]({"photo_year_about": "2020", "birth_year": ""}, picture))


def test_moving_along_a_found_direction_is_an_edit(tmp_path: Path, faces: Path) -> None:
    write_tiny_model(tmp_path)
    model = load_inversion_model(ModelStore(tmp_path, tmp_path), MODEL, device=torch.device("cpu"))
    *_, result = find_directions(model, DirectionConfig(faces, steps=1, principal=2, per_group=1))
    assert isinstance(result, FoundDirections)
    first = result.directions[0]
    code = np.zeros((N_STYLES, STYLE_DIM), dtype=np.float32)
    moved = edit_code(code, result.directions, ((first.name, first.maximum),))
    assert moved == pytest.approx(first.maximum * first.vector)
