"""What the library knows of people, as the window shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from desktop_app.catalogue.people import FaceEncoderRow, FaceRow
from desktop_app.core.types import FaceTile, FloatArray, PeopleList, PersonInfo, PhotoRow
from desktop_app.jobs.services import Services

FACE_ENCODER = "contrastive_face.builtin"
_ANOTHER_ENCODER = (
    "The faces were described by another face encoder than the one that is installed. Names and groups are "
    "kept; Find people describes the faces anew."
)
_NO_ENCODER = (
    "The face encoder is not installed: the people that were found are shown, new ones are not looked for."
)


def people_list(services: Services, *, changed: int = 0) -> PeopleList:
    """All people of the library, the most frequent first, the named ones before the others."""
    repository = services.catalogue.people
    encoder = repository.encoder()
    by_person: dict[int, list[FaceRow]] = defaultdict(list)
    faces = repository.faces()
    for face in faces:
        by_person[face.person_id].append(face)
    people = [
        PersonInfo(
            person_id=person.person_id,
            name=person.name,
            faces=len(by_person[person.person_id]),
            photos=len({face.photo_id for face in by_person[person.person_id]}),
            cover=_cover(by_person[person.person_id]),
            is_hidden=person.is_hidden,
        )
        for person in repository.people()
    ]
    people = [person for person in people if person.faces or person.name]
    people.sort(key=lambda one: (not one.name, -one.photos, -one.faces, one.person_id))
    problem = encoder_problem(services, encoder)
    return PeopleList(
        people=tuple(people),
        faces=len(faces),
        loose=len(by_person[0]),
        searched=repository.searched(),
        waiting=len(repository.waiting(None if problem == _ANOTHER_ENCODER else encoder)),
        encoder=encoder.name if encoder else "",
        is_usable=not problem,
        problem=problem,
        changed=changed,
    )


def encoder_problem(services: Services, stored: FaceEncoderRow | None) -> str:
    """Why stored vectors cannot be compared with new ones, one sentence; empty when they can."""
    version = services.encoder_version(FACE_ENCODER)
    if not version:
        return _NO_ENCODER
    if stored is not None and (stored.name, stored.version) != (FACE_ENCODER, version):
        return _ANOTHER_ENCODER
    return ""


# Without a threshold on the card: few are joined rather than strangers.
_CAUTIOUS = 0.6


def same_person_similarity(services: Services, faces: int) -> float:
    """Similarity from which on two of a number of faces count as one person.

    It was chosen with the encoder, stands on its card, and is stricter among many faces.
    """
    from desktop_app.engine.space.people import threshold_among

    try:
        among_few = float(services.card_of(FACE_ENCODER)["config"]["same_person"])
    except (KeyError, TypeError, ValueError):
        among_few = _CAUTIOUS
    return threshold_among(faces, among_few)


def tiles(services: Services, faces: Sequence[FaceRow]) -> tuple[FaceTile, ...]:
    """Faces with the photos they are in; those whose photo is gone are left out."""
    rows: dict[int, PhotoRow] = services.catalogue.photos.by_ids(sorted({face.photo_id for face in faces}))
    return tuple(
        FaceTile(face.face_id, rows[face.photo_id], face.picture, face.person_id, face.is_confirmed)
        for face in faces
        if face.photo_id in rows
    )


def by_likeness(faces: Sequence[FaceRow], vectors: FloatArray) -> list[FaceRow]:
    """Faces of one person, the most typical first: nearest to the mean of all."""
    if not len(faces) or not vectors.shape[1]:
        return list(faces)
    order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
    return [faces[int(row)] for row in order]


def _cover(faces: Sequence[FaceRow]) -> Path | None:
    """The face that stands for a person: one that the user confirmed, else the first one found."""
    return max(faces, key=lambda face: (face.is_confirmed, -face.face_id)).picture if faces else None
