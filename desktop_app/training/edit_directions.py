"""Edit directions of a face model, found on real faces: principal, closed-form, and labelled ones.

Every face is inverted; the codes show which directions of W+ real faces vary along. Labels of the
face index (age) and properties that can be read off the picture (side of the light, background)
give directions that mean something: a ridge regression on the principal coordinates, as a linear
probe, mapped back to W+. Held-out people tell how well each direction predicts its label.
"""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import FloatArray, Image, Progress
from desktop_app.engine.edit.attributes import ATTRIBUTES, Attribute
from desktop_app.engine.edit.calibrate import calibrated, target_of
from desktop_app.engine.edit.directions import Direction, closed_form_directions, make_direction
from desktop_app.engine.edit.discover import PrincipalDirections, principal_directions
from desktop_app.engine.image_tensor import images_to_tensor, resized_image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import passes

_log = logging.getLogger(__name__)

BATCH = 16
# Principal coordinates that a labelled direction may use, and its ridge penalty relative to them.
PROBE_COORDINATES = 80
PROBE_RIDGE = 1.0
# A labelled direction is kept when it predicts held-out people with at least this correlation.
LEAST_CORRELATION = 0.3
# Codes on which slider ranges are measured.
CALIBRATION_CODES = 4
# Real faces hardly lie further out than this along a principal direction, in standard deviations.
LARGEST_DEVIATION = 3.5


@dataclass(frozen=True, slots=True)
class DirectionConfig:
    """How directions are found.

    Attributes:
        faces: Folder with `index.csv` (file, split) and aligned faces.
        steps: Inversion steps per face.
        most_faces: Faces of the training people that are inverted.
        most_held_out: Faces of the held-out people.
        principal: Principal directions kept.
        per_group: Closed-form directions kept per group of rows.
        seed: Seed of the choice of faces.
    """

    faces: Path
    steps: int = 5
    most_faces: int = 1200
    most_held_out: int = 200
    principal: int = 6
    per_group: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FoundDirections:
    """Directions in the order of the sliders, and what is known of each.

    Attributes:
        directions: Labelled, principal, closed-form.
        facts: Name -> correlation with the label on held-out people, or share of variance.
    """

    directions: tuple[Direction, ...]
    facts: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Face:
    file: Path
    row: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Label:
    """A property of a face.

    Attributes:
        name: Key of the direction.
        label: Text of the slider; the right end has more of it.
        value: Reads it from the index row or the picture; NaN when it is unknown.
    """

    name: str
    label: str
    value: Callable[[dict[str, str], Image], float]


def find_directions(model: InversionModel, config: DirectionConfig) -> Iterator[Progress | FoundDirections]:
    """Invert faces and find directions.

    Yields:
        Progress, then the directions as the last item.

    Raises:
        UserInputError: The folder holds no aligned faces.
    """
    known = _choose(config.faces, "train", count=config.most_faces, seed=config.seed)
    held_out = _choose(config.faces, "val", count=config.most_held_out, seed=config.seed)
    faces = known + held_out
    codes: list[FloatArray] = []
    labels: list[list[float]] = []
    for first in range(0, len(faces), BATCH):
        yield Progress(first, len(faces), text="Inverting faces")
        images = [_read(face.file) for face in faces[first : first + BATCH]]
        codes.append(_invert(model, images, steps=config.steps))
        labels += [
            [label.value(face.row, image) for label in LABELS]
            for face, image in zip(faces[first : first + BATCH], images, strict=True)
        ]
    every = np.concatenate(codes)
    values = np.array(labels)
    wanted = min(max(PROBE_COORDINATES, config.principal), len(known) - 1)
    principal = principal_directions(every[: len(known)], wanted)
    found, facts = _labelled(principal, every, values=values, split=len(known))
    for number in range(min(config.principal, len(principal.components))):
        direction = _principal_slider(principal, number)
        found.append(direction)
        facts[direction.name] = float(principal.explained[number])
    found += closed_form_directions(model.generator, config.per_group)
    samples = [every[k] for k in range(min(CALIBRATION_CODES, len(every)))]
    ranged = []
    for number, direction in enumerate(found):
        yield Progress(number, len(found), text="Measuring slider ranges")
        limited = _ranged(direction, model, samples)
        if limited is not None:
            ranged.append(limited)
    yield FoundDirections(tuple(ranged), facts)


def _choose(folder: Path, split: str, *, count: int, seed: int) -> list[_Face]:
    index = folder / "index.csv"
    if not index.is_file():
        raise UserInputError(f"{display_path(folder)} holds no index.csv.", "Name a folder of aligned faces.")
    with index.open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["split"] == split]
    if len(rows) < 2:
        raise UserInputError(f"{display_path(folder)} holds no '{split}' faces.", "Look into its index.csv.")
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [_Face(folder / rows[k]["file"], rows[k]) for k in order]


def _read(file: Path) -> Image:
    try:
        with PillowImage.open(file) as picture:
            return np.array(picture.convert("RGB"))
    except OSError as error:
        raise UserInputError(f"The face {display_path(file)} cannot be read.") from error


def _invert(model: InversionModel, images: Sequence[Image], *, steps: int) -> FloatArray:
    height, width = model.input_size
    small = np.stack([resized_image(image, width_px=width, height_px=height) for image in images])
    with torch.inference_mode():
        x = images_to_tensor(small).to(model.device)
        *_, last = islice(passes(model, x), steps)
        codes: FloatArray = last.w_plus.float().cpu().numpy()
    return codes


def _labelled(
    principal: PrincipalDirections, codes: FloatArray, *, values: np.ndarray, split: int
) -> tuple[list[Direction], dict[str, float]]:
    """Directions along which a label changes, where held-out people confirm it."""
    basis = principal.components.reshape(len(principal.components), -1)
    flat = (codes - principal.mean).reshape(len(codes), -1)
    coordinates = (flat @ basis.T) / np.maximum(principal.std, 1e-9)
    found, facts = [], {}
    for column, label in enumerate(LABELS):
        known = np.isfinite(values[:, column])
        fit, test = known.copy(), known.copy()
        fit[split:], test[:split] = False, False
        if fit.sum() < 50 or test.sum() < 20:
            continue
        weights = _probe(coordinates[fit], values[fit, column])
        correlation = _correlation(coordinates[test] @ weights, values[test, column])
        facts[label.name] = correlation
        _log.info("%s: correlation %.3f on %d held-out faces", label.name, correlation, test.sum())
        if correlation < LEAST_CORRELATION:
            continue
        # In whitened coordinates the way along which the label changes, all else least, is the
        # regression's own gradient; multiplied by the spread it is a move of the code.
        move = ((weights * principal.std) @ basis).reshape(codes.shape[1:])
        vector = move / np.linalg.norm(move)
        found.append(make_direction(label.name, label.label, "attribute", vector=vector))
    return found, facts


def _probe(coordinates: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Ridge regression of centred values on whitened coordinates."""
    centred = coordinates - coordinates.mean(axis=0)
    gram = centred.T @ centred + PROBE_RIDGE * len(values) * 0.1 * np.eye(coordinates.shape[1])
    return np.linalg.solve(gram, centred.T @ (values - values.mean()))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's; 0 when one of them does not vary."""
    spread = first.std() * second.std()
    if spread <= 1e-12:
        return 0.0
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread)


def _principal_slider(principal: PrincipalDirections, number: int) -> Direction:
    reach = LARGEST_DEVIATION * float(principal.std[number])
    return make_direction(
        f"pca.{number + 1}",
        f"Principal direction {number + 1}",
        "pca",
        vector=principal.components[number],
        reach=(-reach, reach),
    )


def _ranged(direction: Direction, model: InversionModel, samples: Sequence[FloatArray]) -> Direction | None:
    """Calibrated, but a principal direction not beyond where real faces lie."""
    ranged = calibrated(direction, model, samples, target=target_of(direction))
    if ranged is None or direction.kind != "pca":
        return ranged
    return replace(
        ranged,
        minimum=max(ranged.minimum, direction.minimum),
        maximum=min(ranged.maximum, direction.maximum),
    )


def _age(row: dict[str, str], _: Image) -> float:
    try:
        return float(row["photo_year_about"]) - float(row["birth_year"])
    except (KeyError, ValueError):
        return math.nan


def _of_picture(attribute: Attribute) -> Callable[[dict[str, str], Image], float]:
    return lambda _, image: attribute.value(image)


LABELS = (
    _Label("age", "Age", _age),
    *(_Label(one.name, one.label, _of_picture(one)) for one in ATTRIBUTES),
)
