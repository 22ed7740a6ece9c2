"""Faces and their labels for finding edit directions: people of `train` alone, split again by person."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import Image
from desktop_app.engine.edit.attributes import ATTRIBUTES

_log = logging.getLogger(__name__)

SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Face:
    """A line of the index.

    Attributes:
        file: The aligned picture.
        row: What the index says of it.
    """

    file: Path
    row: dict[str, str]

    @property
    def person(self) -> str:
        """Who it is; a picture without a person is its own."""
        return self.row.get("person") or str(self.file)


@dataclass(frozen=True, slots=True)
class Label:
    """A property of a face.

    Attributes:
        name: Key of the direction.
        label: Text of the slider; the right end has more of it.
        of_row: Reads it from the index; NaN when it is unknown.
        of_picture: Reads it from a picture; None where a rule cannot.
    """

    name: str
    label: str
    of_row: Callable[[dict[str, str]], float] | None = None
    of_picture: Callable[[Image], float] | None = None

    def value(self, face: Face, image: Image) -> float:
        """The property of a face; NaN when it is unknown."""
        if self.of_row is not None:
            return self.of_row(face.row)
        assert self.of_picture is not None
        return self.of_picture(image)


def choose_faces(folder: Path, *, count: int, seed: int) -> list[Face]:
    """Faces of people of the `train` split; a part of them for every label of the index.

    People who are also in another split are left out.

    Args:
        folder: Folder with `index.csv`.
        count: How many at most.
        seed: Seed of the choice.

    Raises:
        UserInputError: There is no index, or it names no such faces.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise UserInputError(f"{display_path(folder)} holds no index.csv.", "Name a folder of aligned faces.")
    with index.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows or not {"file", "split"} <= set(rows[0]):
        raise UserInputError(f"{display_path(index)} needs the columns file and split.")
    faces = [Face(folder / row["file"], row) for row in rows]
    others = {face.person for face in faces if face.row["split"] != SPLIT}
    known = [face for face in faces if face.row["split"] == SPLIT and face.person not in others]
    if len(known) < 2:
        raise UserInputError(f"{display_path(folder)} holds no '{SPLIT}' faces.", "Look into its index.csv.")
    return _with_every_label(known, count, np.random.default_rng(seed))


def held_out(faces: Sequence[Face], *, share: float, seed: int) -> np.ndarray:
    """Which faces are kept for measuring, by person: (N,) bool."""
    people = sorted({face.person for face in faces})
    order = np.random.default_rng(seed + 1).permutation(len(people))
    chosen = {people[k] for k in order[: max(1, round(share * len(people)))]}
    return np.array([face.person in chosen for face in faces])


def read_face(face: Face) -> Image:
    """The picture of a face.

    Raises:
        UserInputError: It cannot be read.
    """
    try:
        with PillowImage.open(face.file) as picture:
            return np.array(picture.convert("RGB"))
    except OSError as error:
        raise UserInputError(
            f"The face {display_path(face.file)} cannot be read.", "Mend it, or take it out of index.csv."
        ) from error


def _with_every_label(faces: list[Face], count: int, rng: np.random.Generator) -> list[Face]:
    """An equal share for each label of the index, the rest from all; in mixed order."""
    order = rng.permutation(len(faces))
    of_index = [label for label in LABELS if label.of_row is not None]
    quota = count // (len(of_index) + 1)
    chosen: dict[int, None] = {}
    for label in of_index:
        assert label.of_row is not None
        known = [int(k) for k in order if math.isfinite(label.of_row(faces[k].row))]
        chosen.update(dict.fromkeys(known[:quota]))
    for k in order:
        if len(chosen) >= count:
            break
        chosen.setdefault(int(k))
    picked = list(chosen)
    return [faces[picked[k]] for k in rng.permutation(len(picked))]


def _age(row: dict[str, str]) -> float:
    try:
        return float(row["photo_year_about"]) - float(row["birth_year"])
    except (KeyError, ValueError):
        return math.nan


def _sex(row: dict[str, str]) -> float:
    return {"male": 1.0, "female": 0.0}.get(row.get("sex", "").strip().lower(), math.nan)


LABELS = (
    Label("sex", "Sex as recorded (male)", of_row=_sex),
    Label("age", "Age", of_row=_age),
    *(Label(one.name, one.label, of_picture=one.value) for one in ATTRIBUTES),
)
