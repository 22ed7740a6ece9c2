"""Propose photos of a class from a few marked ones."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from desktop_app.core.errors import display_path
from desktop_app.core.types import PhotoRow, PhotoState, Proposal, Proposals, ProposeRequest
from desktop_app.jobs.class_probe import Judged, judge
from desktop_app.jobs.services import Services

_PAIRS_NAMED = 2


def run(request: ProposeRequest, services: Services) -> Generator[object, None, Proposals]:
    """Fit a probe on the marks and judge the unmarked photos.

    Returns:
        `Proposals`; none, and a warning, when the marks tell nothing.

    Raises:
        UserInputError: Nothing is marked as a member, or nothing is indexed.
    """
    started_at = time.monotonic()
    judged = yield from judge(request.class_id, services)
    order = np.argsort(-judged.confidence, kind="stable")[: max(0, request.most)]
    if not judged.has_learnt:
        order = order[:0]
    order = order[judged.confidence[order] >= request.min_confidence]
    marks = services.catalogue.classes.marks(request.class_id)
    wanted = [int(i) for i in judged.photo_ids[order]] + [mark.photo_id for mark in marks]
    rows = services.catalogue.photos.by_ids(wanted)
    proposals = tuple(
        Proposal(rows[int(judged.photo_ids[i])], float(judged.confidence[i]))
        for i in order
        if _is_there(rows.get(int(judged.photo_ids[i])))
    )
    return Proposals(
        class_info=judged.class_info,
        proposals=proposals,
        members=tuple(rows[m.photo_id] for m in marks if m.is_member and m.photo_id in rows),
        others=tuple(rows[m.photo_id] for m in marks if not m.is_member and m.photo_id in rows),
        expected=judged.expected if judged.has_learnt else 0.0,
        searched=len(judged.photo_ids),
        is_calibrated=judged.is_calibrated,
        warnings=tuple(_warnings(judged, rows)),
        seconds=time.monotonic() - started_at,
    )


def _is_there(row: PhotoRow | None) -> bool:
    return row is not None and row.state is PhotoState.INDEXED


def _warnings(judged: Judged, rows: dict[int, PhotoRow]) -> list[str]:
    found = []
    for is_id, is_not_id in judged.contradicting[:_PAIRS_NAMED]:
        names = [display_path(rows[i].path.name) for i in (is_id, is_not_id) if i in rows]
        found.append(f"{' and '.join(names)} look the same, but one is marked as a member and one is not.")
    if len(judged.contradicting) > _PAIRS_NAMED:
        found.append(f"{len(judged.contradicting) - _PAIRS_NAMED} more pairs of marks contradict each other.")
    if not len(judged.photo_ids):
        found.append("Every photo of the library is marked already.")
    elif not judged.has_learnt:
        found.append(
            "To this encoder the marked photos look no different from the rest, so nothing is proposed. "
            "Mark photos that have more in common, or some that are not of the class."
        )
    elif not judged.is_calibrated:
        found.append("The confidence is a rough guess until 3 photos are marked as members.")
    if judged.without_vector:
        found.append(
            f"{judged.without_vector} marked photos are not compared: the current encoder has not seen them."
        )
    return found
