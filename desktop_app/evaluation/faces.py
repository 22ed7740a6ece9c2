"""Who is it: face encoders on pictures of people, two photos of one person against those of others.

Collections of portraits hold the same photograph several times, cut and compressed anew. Two such copies
say nothing about faces; pairs of them are told apart by their pixels and counted on their own.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from desktop_app.core.errors import ResourceError, UserInputError, display_path
from desktop_app.core.label_list import read_list
from desktop_app.core.types import FloatArray, Image, Progress
from desktop_app.engine.embed.face_encoder import ALIGNED_PX, CROP_LEFT, CROP_PX, CROP_TOP
from desktop_app.engine.embed.picture_file import picture_files, read_picture
from desktop_app.evaluation.describers import BATCH, Describer

_log = logging.getLogger(__name__)

# Correlation of two small grey inner faces from which on they are one photograph; looked at on pairs of
# training people: at .88 copies with other colours begin, below are other photos.
COPY_CORRELATION = 0.88
_SMALL_PX = 21
FALSE_ACCEPTS = 0.01
LEAST_SIDE_PX = 128


@dataclass(frozen=True, slots=True)
class FacePicture:
    """One aligned face: its file and who it is."""

    file: Path
    person: str


@dataclass(frozen=True, slots=True)
class VerificationScores:
    """How well pairs of one person are told from pairs of two.

    Attributes:
        pairs: Pairs of one person.
        auc: Chance that a pair of one person is more similar than a pair of two.
        accepted: Share of them that is accepted where 1 % of the pairs of two are.
        rank_1: Share of faces whose nearest other face is of the same person.
        probes: Faces that have another one of their person.
    """

    pairs: int
    auc: float
    accepted: float
    rank_1: float
    probes: int


@dataclass(frozen=True, slots=True)
class FaceScores:
    """One encoder.

    Attributes:
        name: Of the encoder.
        other_photos: On pairs of two photos; None when there is no such pair.
        all_pairs: On all pairs, copies of one photograph included.
        embedding_size: Length of its rows.
    """

    name: str
    other_photos: VerificationScores | None
    all_pairs: VerificationScores | None
    embedding_size: int


@dataclass(frozen=True, slots=True)
class FaceReport:
    """What an evaluation found.

    Attributes:
        encoders: Scores, in the order asked for.
        faces: Faces compared.
        people: People among them.
        left_out: Files that could not be read.
    """

    encoders: tuple[FaceScores, ...]
    faces: int
    people: int
    left_out: int


def people_of_folder(folder: Path, *, split: str = "") -> list[FacePicture]:
    """The aligned faces of a folder and whose they are.

    Args:
        folder: With an `index.csv` (columns `file`, `person` and, if wanted, `split`), or with one folder
            for each person.
        split: Only faces of this split of the list; empty: all.

    Raises:
        UserInputError: The folder or its list cannot be used, or nobody is there twice.
    """
    table = folder / "index.csv"
    if table.is_file():
        faces = _listed(table, split=split)
    elif folder.is_dir():
        faces = [FacePicture(file, file.parent.name) for file in sorted(picture_files(folder))]
    else:
        raise UserInputError(f"The folder {display_path(folder)} is not there.", "Check its name.")
    if len({face.person for face in faces}) < 2:
        raise UserInputError(
            f"In {display_path(folder)} there are not two people{f' of the split {split}' if split else ''} "
            "to tell apart.",
            "Give a folder with one folder for each person, or with an index.csv (file, person, split).",
        )
    return faces


def evaluate_faces(
    faces: Sequence[FacePicture], describers: dict[str, Describer]
) -> Generator[Progress, None, FaceReport]:
    """Describe all faces and compare each with all others.

    Raises:
        UserInputError: Fewer than two can be read.
    """
    images, kept, left_out = yield from read_faces(faces)
    people = [face.person for face in kept]
    copies = same_photograph(images)
    scores = []
    for name, describer in describers.items():
        for start in range(0, len(images), BATCH):
            describer.add(images[start : start + BATCH])
            yield Progress(start, len(images), text=f"Describing by {name}")
        rows = describer.finish()
        similarity = rows @ rows.T
        scores.append(
            FaceScores(
                name,
                verification_scores(similarity, people, left_out=copies),
                verification_scores(similarity, people),
                rows.shape[1],
            )
        )
    return FaceReport(tuple(scores), len(images), len(set(people)), left_out)


def read_faces(
    faces: Sequence[FacePicture],
) -> Generator[Progress, None, tuple[list[Image], list[FacePicture], int]]:
    """Pictures of faces, those that can be read, and how many cannot."""
    images, kept = [], []
    for number, face in enumerate(faces):
        try:
            images.append(read_picture(face.file, at_least_px=LEAST_SIDE_PX))
            kept.append(face)
        except UserInputError as error:
            _log.info("picture left out: %s", error)
        yield Progress(number, len(faces), text="Reading faces")
    if len(kept) < 2:
        raise UserInputError("Fewer than two of the faces can be read.", "Choose another folder.")
    return images, kept, len(faces) - len(kept)


def same_photograph(images: Sequence[Image]) -> npt.NDArray[np.bool_]:
    """Which pairs of aligned faces are copies of one photograph; (N, N)."""
    rows = np.stack([_small_face(image) for image in images])
    return np.asarray(rows @ rows.T >= COPY_CORRELATION)


def verification_scores(
    similarity: FloatArray, people: Sequence[str], *, left_out: npt.NDArray[np.bool_] | None = None
) -> VerificationScores | None:
    """Score all pairs.

    Args:
        similarity: (N, N), higher is nearer.
        people: N names.
        left_out: (N, N), pairs of one person that do not count.

    Returns:
        The scores, or None when nobody is there twice.
    """
    codes = np.unique(np.asarray(people), return_inverse=True)[1]
    is_same = codes[:, None] == codes[None, :]
    counts = is_same.copy() if left_out is None else is_same & ~left_out
    np.fill_diagonal(counts, False)
    upper = np.triu(np.ones_like(is_same), k=1)
    same, unlike = similarity[counts & upper], similarity[~is_same & upper]
    if not len(same) or not len(unlike):
        return None
    unlike = np.sort(unlike)
    # The mean rank; equal values count half.
    below = np.searchsorted(unlike, same, side="left") + np.searchsorted(unlike, same, side="right")
    threshold = np.quantile(unlike, 1.0 - FALSE_ACCEPTS)
    asking = counts.any(axis=1)
    ranked = np.where(is_same & ~counts, -np.inf, similarity)[asking]
    nearest = ranked.argmax(axis=1)
    return VerificationScores(
        pairs=len(same),
        auc=float(below.mean() / 2.0 / len(unlike)),
        accepted=float((same > threshold).mean()),
        rank_1=float((codes[nearest] == codes[asking]).mean()),
        probes=int(asking.sum()),
    )


def write_face_report(report: FaceReport, folder: Path) -> Path:
    """Write `faces.json` and `faces.csv`; returns the table.

    Raises:
        ResourceError: The files cannot be written.
    """
    table = folder / "faces.csv"
    columns = ("pairs", "auc", "accepted", "rank_1", "probes")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "faces.json").write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
        with table.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.writer(sink)
            writer.writerow(("encoder", "compared", *columns))
            for encoder in report.encoders:
                for kind in ("other_photos", "all_pairs"):
                    scores = getattr(encoder, kind)
                    if scores is not None:
                        writer.writerow((encoder.name, kind, *(getattr(scores, name) for name in columns)))
    except OSError as error:
        raise ResourceError(
            f"The tables cannot be written into {display_path(folder)}: {error.strerror}.",
            "Choose another folder.",
        ) from error
    return table


def _listed(table: Path, *, split: str) -> list[FacePicture]:
    rows = read_list(table, ("file", "person"))
    if not rows:
        raise UserInputError(f"The list {display_path(table)} names no pictures.")
    if split and "split" not in rows[0]:
        raise UserInputError(f"The list {display_path(table)} has no column split.", "Leave --split out.")
    chosen = [row for row in rows if not split or row["split"] == split]
    return [FacePicture(table.parent / row["file"], row["person"]) for row in chosen]


def _small_face(image: Image) -> FloatArray:
    """The inner face, small and grey, mean 0 and length 1."""
    whole = cv2.resize(image, (ALIGNED_PX, ALIGNED_PX), interpolation=cv2.INTER_AREA)
    inner = whole[CROP_TOP : CROP_TOP + CROP_PX, CROP_LEFT : CROP_LEFT + CROP_PX].mean(axis=2)
    small = cv2.resize(inner.astype(np.float32), (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    unit: FloatArray = small / max(float(np.linalg.norm(small)), 1e-6)
    return unit
