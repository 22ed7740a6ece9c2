"""More photos of one person: a face of the library, or of any picture, against all faces."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import (
    FaceHit,
    FaceSearchRequest,
    FaceSearchResult,
    FloatArray,
    PhotoSource,
    Progress,
)
from desktop_app.jobs.find_people import described_faces
from desktop_app.jobs.people_list import encoder_problem, same_person_similarity, tiles
from desktop_app.jobs.services import Services

# Faces that only look alike, shown after those that are probably of the person: the encoder misses some.
MOST_OTHERS = 16
# Different people have 0.1 to 0.2 on average, two photos of one person .39 and more where few faces are
# compared: what lies below looks alike to nobody.
_LEAST_ALIKE = 0.2


def run(request: FaceSearchRequest, services: Services) -> Generator[object, None, FaceSearchResult]:
    """Find faces like one, the nearest of each photo.

    Raises:
        UserInputError: No face is given or found, or faces were never looked for in the library.
        WeightsError: The stored faces were described by another encoder.
    """
    started_at = time.monotonic()
    repository = services.catalogue.people
    stored = repository.encoder()
    if stored is None:
        raise UserInputError(
            "Faces of the library were not looked for yet.", "Open the page People and press Find people."
        )
    problem = encoder_problem(services, stored)
    if problem and not request.face_id:
        raise WeightsError(problem, "Press Find people on the page People.")
    yield Progress(0, None, text="Looking for this person")
    query, own_photo, count = _query(request, services)
    faces = repository.faces()
    vectors, is_usable = repository.vectors(faces)
    similarity = np.where(is_usable, vectors @ query if len(faces) else 0.0, -1.0)
    threshold = same_person_similarity(services, int(is_usable.sum()))
    hits: list[FaceHit] = []
    seen = {own_photo}
    order = np.argsort(-similarity, kind="stable")
    chosen: list[int] = []
    others = 0
    for row in order.tolist():
        others += similarity[row] < threshold
        is_enough = len(chosen) >= request.top_k or others > MOST_OTHERS
        if is_enough or not is_usable[row] or similarity[row] < _LEAST_ALIKE:
            break
        if faces[row].photo_id not in seen:
            seen.add(faces[row].photo_id)
            chosen.append(row)
    by_id = {tile.face_id: tile for tile in tiles(services, [faces[row] for row in chosen])}
    for row in chosen:
        tile = by_id.get(faces[row].face_id)
        if tile is not None:
            value = float(np.clip(similarity[row], -1.0, 1.0))
            hits.append(FaceHit(tile, value, value >= threshold))
    return FaceSearchResult(
        tuple(hits), threshold, int(is_usable.sum()), count, time.monotonic() - started_at
    )


def _query(request: FaceSearchRequest, services: Services) -> tuple[FloatArray, int, int]:
    """The vector that is looked for, the photo it comes from, and how many faces that picture has."""
    repository = services.catalogue.people
    if request.face_id:
        face = repository.face(request.face_id)
        vectors, is_usable = repository.vectors([face])
        if not is_usable[0]:
            raise UserInputError("The vector of this face is lost.", "Press Find people to make it again.")
        return vectors[0], face.photo_id, 0
    source = request.source or PhotoSource()
    image = services.read_photo(source)
    faces = described_faces(image, services, scale=1.0)
    if not faces:
        raise UserInputError("No face was found in this picture.", "Choose a picture that shows one clearly.")
    largest = max(faces, key=lambda one: float(np.ptp(np.array(one.quad), axis=0).sum()))
    return largest.vector, source.photo_id or 0, len(faces)
