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
# Fewest faces of one kind among which a label is compared.
LEAST_OF_A_KIND = 20


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
        kind_of: Faces are compared with those of one kind alone (`among_their_kind`); None: with all.
    """

    name: str
    label: str
    of_row: Callable[[dict[str, str]], float] | None = None
    of_picture: Callable[[Image], float] | None = None
    kind_of: Callable[[dict[str, str]], str] | None = None

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


def label_values(labels: Sequence[Label], faces: Sequence[Face], read: np.ndarray) -> np.ndarray:
    """What labels teach: their values as read, those of labels with kinds among their kind, (N, labels)."""
    columns = []
    for k, label in enumerate(labels):
        kind_of = label.kind_of
        values = read[:, k]
        columns.append(
            values if kind_of is None else among_their_kind(values, [kind_of(f.row) for f in faces])
        )
    return np.stack(columns, axis=1)


def among_their_kind(values: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """Values less the median of their kind, (N,); NaN where a kind knows fewer than 20.

    What tells the kinds apart (the style of a collection, of a time) then says nothing of the label.
    """
    centred = np.full(len(values), np.nan)
    names = np.array(kinds)
    for kind in set(kinds):
        members = (names == kind) & np.isfinite(values)
        if members.sum() >= LEAST_OF_A_KIND:
            centred[members] = values[members] - np.median(values[members])
    return centred


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
    """Years at the time of the photo; where that is unknown, minus the year of birth.

    Both put the faces of one kind (`_photo_kind`) in order of age, and no others are compared.
    """
    try:
        return float(row.get("photo_year_about") or 0.0) - float(row["birth_year"])
    except (KeyError, ValueError):
        return math.nan


def _photo_kind(row: dict[str, str]) -> str:
    """Source, and decade of the photo: a source without years holds portraits of one time."""
    year = row.get("photo_year_about", "").strip()
    return f"{row.get('source', '')} {year[:3]}"


def _sex(row: dict[str, str]) -> float:
    return {"male": 1.0, "female": 0.0}.get(row.get("sex", "").strip().lower(), math.nan)


LABELS = (
    Label("sex", "Sex as recorded (male)", of_row=_sex),
    Label("age", "Age", of_row=_age, kind_of=_photo_kind),
    *(Label(one.name, one.label, of_picture=one.value) for one in ATTRIBUTES),
)
