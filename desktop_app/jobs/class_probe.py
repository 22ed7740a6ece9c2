"""What jobs about classes share: a probe fitted on the marks of a class, and its view of all photos."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import ClassInfo, FloatArray
from desktop_app.jobs.services import Services

# Unmarked photos that stand in as negatives; more change little and take longer.
_BACKGROUND = 600
_ROWS_A_STEP = 8192
# Photos whose embeddings are nearer than this look the same to the encoder.
_SAME = 0.995


@dataclass(frozen=True, slots=True)
class Judged:
    """All photos of a library, seen by the probe of one class.

    Attributes:
        class_info: The class.
        photo_ids: (N,) photos without a mark.
        confidence: (N,) chance of each to be a member.
        expected: Members among them, estimated.
        is_calibrated: Whether enough was marked for the confidence to mean something.
        has_learnt: Whether members are told from others at all.
        contradicting: Photos that look the same but are marked differently, in pairs.
        without_vector: Marked photos that the current encoder has not seen.
    """

    class_info: ClassInfo
    photo_ids: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    expected: float
    is_calibrated: bool
    has_learnt: bool
    contradicting: tuple[tuple[int, int], ...]
    without_vector: int


def judge(class_id: int, services: Services) -> Generator[None, None, Judged]:
    """Fit a probe on the marks of a class and judge all unmarked photos.

    Yields:
        Nothing, between two pieces of work.

    Raises:
        UserInputError: Nothing is marked as a member, nothing is indexed, or nothing is left to compare.
    """
    from desktop_app.engine.classify.linear_probe import LEAST_RANKING, Examples, fit_probe

    found = services.catalogue.classes.by_id(class_id)
    marks = services.catalogue.classes.marks(class_id)
    ids = services.vectors.photo_ids()
    if not len(ids):
        raise UserInputError(
            "The library holds no photos that can be compared yet.", "Add a folder of photos first."
        )
    there = set(ids.tolist())
    positives = [mark.photo_id for mark in marks if mark.is_member and mark.photo_id in there]
    negatives = [mark.photo_id for mark in marks if not mark.is_member and mark.photo_id in there]
    if not positives:
        raise UserInputError(
            f"No photo is marked as '{found.name}' yet.",
            "Mark 3 to 10 photos that are, and if you like some that are not.",
        )
    unmarked = np.setdiff1d(ids, np.array(positives + negatives, dtype=np.int64))
    if not len(unmarked) + len(negatives):
        raise UserInputError(
            "The library holds no other photo to compare with.", "Add more photos, or mark one that is not."
        )
    rng = np.random.default_rng(class_id)
    sample = unmarked
    if len(unmarked) > _BACKGROUND:
        sample = np.sort(rng.choice(unmarked, _BACKGROUND, replace=False))
    size = services.vectors.rows_of(ids[:1]).shape[1]
    rows = [_rows(services, part, size) for part in (positives, negatives, sample.tolist())]
    yield None
    probe = fit_probe(Examples(*rows), seed=class_id)
    yield None
    confidence = np.empty(len(unmarked))
    for start in range(0, len(unmarked), _ROWS_A_STEP):
        piece = slice(start, start + _ROWS_A_STEP)
        confidence[piece] = probe.confidence(services.vectors.rows_of(unmarked[piece]))
        yield None
    # Those that took part in the fit are judged out of fold, or they would seem less sure than they are.
    confidence[np.searchsorted(unmarked, sample)] = probe.background_confidence
    return Judged(
        found,
        unmarked,
        confidence,
        expected=float(confidence.sum()),
        is_calibrated=probe.is_calibrated,
        has_learnt=probe.ranking >= LEAST_RANKING,
        contradicting=_contradicting(positives, negatives, rows[0], rows[1]),
        without_vector=len(marks) - len(positives) - len(negatives),
    )


def _rows(services: Services, photo_ids: list[int], size: int) -> FloatArray:
    if not photo_ids:
        return np.zeros((0, size), dtype=np.float32)
    return services.vectors.rows_of(np.array(photo_ids, dtype=np.int64))


def _contradicting(
    positives: list[int], negatives: list[int], is_rows: FloatArray, is_not_rows: FloatArray
) -> tuple[tuple[int, int], ...]:
    if not len(is_rows) or not len(is_not_rows):
        return ()
    pairs = np.argwhere(is_rows @ is_not_rows.T >= _SAME)
    return tuple((positives[int(i)], negatives[int(j)]) for i, j in pairs)
