"""Encoders against a folder of labelled pictures."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.label_list import read_list
from desktop_app.core.types import FileProblem, FloatArray, Image, Progress
from desktop_app.engine.embed.picture_file import picture_files, read_picture
from desktop_app.evaluation.copies import CopyPlan, CopyScores, copy_scores, make_copy, plan_copies
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
        copies: How well originals of changed copies are found, if that was asked for.
    """

    name: str
    sets: dict[str, RetrievalScores]
    embedding_size: int
    images_per_s: float
    copies: CopyScores | None = None

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
        compared: The pictures themselves.
        rows: (pictures, D) embeddings by encoder, in the order of `compared`.
    """

    encoders: tuple[EncoderScores, ...]
    pictures: int
    problems: tuple[FileProblem, ...]
    compared: tuple[LabelledPicture, ...] = ()
    rows: dict[str, FloatArray] = field(default_factory=dict)


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
    rows = read_list(table, ("file", "label"))
    pictures = [
        LabelledPicture(_located(row["file"], folder), row["label"], row.get("set") or ALL)
        for row in rows
        if row["file"] and row["label"]
    ]
    if not pictures:
        raise UserInputError(f"The list {display_path(table)} names no pictures.")
    return pictures


def labels_of_folder(folder: Path) -> list[LabelledPicture]:
    """Take the folders below a folder as labels: `folder/label/picture`.

    A folder that holds an `index.csv` is read by that list instead.

    Raises:
        UserInputError: There is no folder, or no folders of pictures in it.
    """
    if (folder / "index.csv").is_file():
        return read_labels(folder / "index.csv", folder)
    pictures = [
        LabelledPicture(file, file.relative_to(folder).parts[0], ALL)
        for file in picture_files(folder)
        if len(file.relative_to(folder).parts) > 1
    ]
    if not pictures:
        raise UserInputError(
            f"The folder {display_path(folder)} holds no folders of pictures.",
            "Sort the pictures into one folder for each label, or give a list with --labels.",
        )
    return pictures


def evaluate_retrieval(
    pictures: Sequence[LabelledPicture], describers: dict[str, Describer], *, copies: CopyPlan | None = None
) -> Generator[Progress, None, RetrievalReport]:
    """Describe every picture with every describer and score the neighbours, set by set.

    Args:
        pictures: What to compare.
        describers: By name.
        copies: Changed copies whose originals are sought among all pictures, of all sets together.

    Yields:
        Progress, after each picture.

    Returns:
        The report; a picture that cannot be read is left out and listed.

    Raises:
        UserInputError: No two readable pictures of a set share a label.
    """
    at_least = max(MIN_SIDE_PX, *(describer.input_px for describer in describers.values()))
    table = yield from _described(pictures, describers, at_least)
    if not table.kept:
        raise UserInputError("None of the listed pictures can be read.", "Check the folder and the list.")
    found: dict[str, CopyScores | None] = dict.fromkeys(describers)
    if copies is not None and copies.count:
        found = yield from _find_originals(table, describers, copies, at_least=at_least)
    results = []
    for name in describers:
        rows = table.rows[name]
        scores = _score_sets(rows, table.kept)
        if not scores:
            raise UserInputError("No two pictures share a label, so there is nothing to find.")
        speed = len(table.kept) / max(table.seconds[name], 1e-9)
        results.append(EncoderScores(name, scores, rows.shape[1], speed, found[name]))
    return RetrievalReport(
        tuple(results), len(table.kept), tuple(table.problems), tuple(table.kept), table.rows
    )


@dataclass(slots=True)
class Described:
    """Readable pictures and their rows by describer.

    Attributes:
        kept: Pictures that were read.
        problems: Those that were not.
        rows: (len(kept), D) by describer.
        seconds: Time of describing, by describer.
    """

    kept: list[LabelledPicture]
    problems: list[FileProblem]
    rows: dict[str, FloatArray]
    seconds: dict[str, float]


def describe_all(pictures: Sequence[LabelledPicture], describers: dict[str, Describer]) -> Described:
    """Read and describe all pictures at once, without progress."""
    at_least = max(MIN_SIDE_PX, *(describer.input_px for describer in describers.values()))
    running = _described(pictures, describers, at_least)
    while True:
        try:
            next(running)
        except StopIteration as ending:
            table: Described = ending.value
            return table


def _described(
    pictures: Sequence[LabelledPicture], describers: dict[str, Describer], at_least: int
) -> Generator[Progress, None, Described]:
    """Read and describe all pictures."""
    table = Described([], [], {}, dict.fromkeys(describers, 0.0))
    waiting: list[Image] = []
    began = time.monotonic()
    for done, picture in enumerate(pictures, start=1):
        try:
            waiting.append(_reduced(read_picture(picture.file, at_least_px=at_least), at_least))
            table.kept.append(picture)
        except UserInputError as error:
            _log.info("left out: %s", error)
            table.problems.append(FileProblem(picture.file, error.message))
        if len(waiting) == BATCH or (waiting and done == len(pictures)):
            _describe(waiting, describers, table.seconds)
            waiting = []
        left = (time.monotonic() - began) / done * (len(pictures) - done)
        yield Progress(done, len(pictures), left, "Comparing pictures")
    if table.kept:
        for name, describer in describers.items():
            start = time.monotonic()
            table.rows[name] = describer.finish()
            table.seconds[name] += time.monotonic() - start
    return table


def _find_originals(
    table: Described, describers: dict[str, Describer], plan: CopyPlan, *, at_least: int
) -> Generator[Progress, None, dict[str, CopyScores | None]]:
    """Make copies, describe them and look for their originals."""
    queries = plan_copies(len(table.kept), plan)
    waiting: list[Image] = []
    began = time.monotonic()
    for done, query in enumerate(queries, start=1):
        # A crop of the reduced picture would be enlarged again, so it is cut from a larger one.
        picture = read_picture(table.kept[query.original].file, at_least_px=at_least * 2)
        rng = np.random.default_rng(query.seed)
        waiting.append(_reduced(make_copy(_reduced(picture, at_least * 2), query.kind, rng), at_least))
        if len(waiting) == BATCH or done == len(queries):
            _describe(waiting, describers, dict.fromkeys(describers, 0.0))
            waiting = []
        left = (time.monotonic() - began) / done * (len(queries) - done)
        yield Progress(done, len(queries), left, "Looking for originals of copies")
    return {
        name: copy_scores(table.rows[name], describer.finish(), queries)
        for name, describer in describers.items()
    }


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
