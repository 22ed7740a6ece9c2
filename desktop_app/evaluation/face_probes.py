"""Is it still the same person: reconstructions of a model, sought among the photos of many people."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FloatArray, Image, Progress
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import invert
from desktop_app.evaluation.faces import FacePicture, read_faces, same_photograph


@dataclass(frozen=True, slots=True)
class ProbeScores:
    """How many reconstructions are still their person.

    Attributes:
        model: Whose reconstructions.
        encoder: Who judges.
        step: Which step of the inversion was shown.
        people: People in the gallery, and reconstructions: one each.
        rank_1: Share of reconstructions whose nearest gallery photo is the one that was inverted.
        median_rank: Of the true person, 1 is best.
        similarity: Mean similarity to the photo that was inverted.
        others: Reconstructions of people of whom there is another photo.
        other_rank_1: Share of those that are nearest to that other photo, the inverted one taken away;
            None when there are none.
    """

    model: str
    encoder: str
    step: int
    people: int
    rank_1: float
    median_rank: float
    similarity: float
    others: int
    other_rank_1: float | None


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What is sought.

    Attributes:
        people: People of the gallery.
        steps: Steps of the inversion; the last is shown.
    """

    people: int = 100
    steps: int = 5


def probe_model(
    model: InversionModel, faces: Sequence[FacePicture], *, embedder: Embedder, plan: ProbePlan
) -> Generator[Progress, None, ProbeScores]:
    """Invert one photo of each person and look for the person among real photos.

    Raises:
        UserInputError: There are too few people.
    """
    images, kept, _ = yield from read_faces(faces)
    groups: dict[str, list[int]] = {}
    for row, face in enumerate(kept):
        groups.setdefault(face.person, []).append(row)
    # People of several photos first: only they can be sought in another photo.
    chosen = sorted(groups.values(), key=lambda rows: -len(rows))[: plan.people]
    if len(chosen) < 2:
        raise UserInputError("At least two people are needed.", "Choose another folder.")
    gallery = embedder.embed([images[rows[0]] for rows in chosen])
    probes = []
    for number, rows in enumerate(chosen):
        yield Progress(number, len(chosen), text=f"Inverting with {model.name}")
        last: Image | None = None
        for step in invert(model, images[rows[0]], steps=plan.steps):
            last = step.y_hat
        assert last is not None
        probes.append(embedder.embed([last])[0])
    similarity = np.stack(probes) @ gallery.T
    true = np.diagonal(similarity).copy()
    ranks = 1 + (similarity > true[:, None]).sum(axis=1)
    others = _other_photos(images, chosen, embedder)
    hits = [
        float(probes[number] @ other) > np.delete(similarity[number], number).max()
        for number, other in others.items()
    ]
    return ProbeScores(
        model=model.name,
        encoder=embedder.name,
        step=plan.steps,
        people=len(chosen),
        rank_1=float((ranks == 1).mean()),
        median_rank=float(np.median(ranks)),
        similarity=float(true.mean()),
        others=len(hits),
        other_rank_1=float(np.mean(hits)) if hits else None,
    )


def _other_photos(
    images: Sequence[Image], chosen: Sequence[Sequence[int]], embedder: Embedder
) -> dict[int, FloatArray]:
    """For each person with a photo that is no copy of the first one: its embedding."""
    found = {}
    for number, rows in enumerate(chosen):
        copies = same_photograph([images[row] for row in rows])
        other = [row for place, row in enumerate(rows) if not copies[0, place]]
        if other:
            found[number] = embedder.embed([images[other[0]]])[0]
    return found
