"""Encoders against a folder of labelled pictures."""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import FileProblem, FloatArray, Image, Progress
from desktop_app.engine.embed.picture_file import read_picture
from desktop_app.evaluation.describers import BATCH, Describer
from desktop_app.evaluation.metrics import RetrievalScores, retrieval_scores

_log = logging.getLogger(__name__)

ALL = "all"
MIN_SIDE_PX = 144


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One line of the list: a file, what it shows, and the set it is compared within."""

    file: Path
    label: str
    set_name: str


@dataclass(frozen=True, slots=True)
class EncoderScores:
    """One encoder on every set that can be scored.

    Attributes:
        name: Of the encoder.
        sets: Scores by set, in the order of the list.
        embedding_size: Length of its rows.
        images_per_s: Pictures described in a second, decoding not counted.
    """

    name: str
    sets: dict[str, RetrievalScores]
    embedding_size: int
    images_per_s: float

    def mean(self) -> tuple[float, float, float]:
        """mAP, recall@1 and 5-NN accuracy, each set counting alike."""
        rows = [(s.mean_average_precision, s.recall_at_1, s.knn_accuracy) for s in self.sets.values()]
        first, second, third = np.mean(np.asarray(rows), axis=0)
        return float(first), float(second), float(third)


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """What an evaluation found.

    Attributes:
        encoders: Scores, in the order asked for.
        pictures: Pictures compared.
        problems: Pictures that could not be read.
    """

    encoders: tuple[EncoderScores, ...]
    pictures: int
    problems: tuple[FileProblem, ...]


def read_labels(table: Path, folder: Path) -> list[LabelledPicture]:
    """Read a CSV with the columns `file`, `label` and, if there, `set`.

    Args:
        table: The CSV file.
        folder: Folder of the pictures; files are relative to it or to its parent.

    Raises:
        UserInputError: A file, folder or column is missing, or the list is empty.
    """
    if not folder.is_dir():
        raise UserInputError(f"There is no folder {display_path(folder)}.")
    try:
        with table.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
            columns = set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserInputError(f"The list {display_path(table)} cannot be read: {error}.") from error
    if not {"file", "label"} <= columns:
        raise UserInputError(
            f"The list {display_path(table)} needs the columns file and label.",
            "The first line names the columns.",
        )
    pictures = [
        LabelledPicture(_located(row["file"], folder), row["label"], row.get("set") or ALL)
        for row in rows
        if row["file"] and row["label"]
    ]
    if not pictures:
        raise UserInputError(f"The list {display_path(table)} names no pictures.")
    return pictures


def evaluate_retrieval(
    pictures: Sequence[LabelledPicture], describers: dict[str, Describer]
) -> Generator[Progress, None, RetrievalReport]:
    """Describe every picture with every describer and score the neighbours, set by set.

    Args:
        pictures: What to compare.
        describers: By name.

    Yields:
        Progress, after each picture.

    Returns:
        The report; a picture that cannot be read is left out and listed.

    Raises:
        UserInputError: No two readable pictures of a set share a label.
    """
    at_least = max(MIN_SIDE_PX, *(describer.input_px for describer in describers.values()))
    problems: list[FileProblem] = []
    kept: list[LabelledPicture] = []
    waiting: list[Image] = []
    seconds = dict.fromkeys(describers, 0.0)
    began = time.monotonic()
    for done, picture in enumerate(pictures, start=1):
        try:
            waiting.append(_reduced(read_picture(picture.file, at_least_px=at_least), at_least))
            kept.append(picture)
        except UserInputError as error:
            _log.info("left out: %s", error)
            problems.append(FileProblem(picture.file, error.message))
        if waiting and (len(waiting) == BATCH or done == len(pictures)):
            _describe(waiting, describers, seconds)
            waiting = []
        left = (time.monotonic() - began) / done * (len(pictures) - done)
        yield Progress(done, len(pictures), left, "Comparing pictures")
    if waiting:
        _describe(waiting, describers, seconds)
    if not kept:
        raise UserInputError("None of the listed pictures can be read.", "Check the folder and the list.")
    results = []
    for name, describer in describers.items():
        start = time.monotonic()
        rows = describer.finish()
        seconds[name] += time.monotonic() - start
        scores = _score_sets(rows, kept)
        if not scores:
            raise UserInputError("No two pictures share a label, so there is nothing to find.")
        speed = len(kept) / max(seconds[name], 1e-9)
        results.append(EncoderScores(name, scores, rows.shape[1], speed))
    return RetrievalReport(tuple(results), len(kept), tuple(problems))


def _describe(images: Sequence[Image], describers: dict[str, Describer], seconds: dict[str, float]) -> None:
    for name, describer in describers.items():
        start = time.monotonic()
        describer.add(images)
        seconds[name] += time.monotonic() - start


def _score_sets(rows: FloatArray, pictures: Sequence[LabelledPicture]) -> dict[str, RetrievalScores]:
    scores: dict[str, RetrievalScores] = {}
    for set_name in dict.fromkeys(picture.set_name for picture in pictures):
        members = [i for i, picture in enumerate(pictures) if picture.set_name == set_name]
        found = retrieval_scores(rows[members], [pictures[i].label for i in members])
        if found is None:
            _log.warning("the set '%s' has no two pictures of one label and is not scored", set_name)
        else:
            scores[set_name] = found
    return scores


def _located(name: str, folder: Path) -> Path:
    inside = folder / name
    return inside if inside.is_file() or not (folder.parent / name).is_file() else folder.parent / name


def _reduced(image: Image, side: int) -> Image:
    """The picture with its shorter side at `side`, when it is larger."""
    shorter = min(image.shape[:2])
    if shorter <= side:
        return image
    size = (round(image.shape[1] * side / shorter), round(image.shape[0] * side / shorter))
    small = PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BICUBIC, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(small))
