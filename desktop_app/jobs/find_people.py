"""Find people: look for faces in the photos of the library, describe them, group them."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence

import numpy as np

from desktop_app.catalogue.decode import decode_photo
from desktop_app.catalogue.people import FaceEncoderRow, FaceRow, NewFace, SearchedPhoto
from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import (
    DetectedFace,
    FindPeopleRequest,
    FloatArray,
    Image,
    PeopleList,
    PhotoRow,
    Progress,
)
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.people_list import (
    FACE_ENCODER,
    encoder_problem,
    people_list,
    same_person_similarity,
)
from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)

# Faces are looked for in a picture whose shorter side has at least this many pixels.
READ_PX = 900
# Smaller crops hold fewer than 12 pixels between the eyes: nobody can be told from that.
SMALLEST_FACE_PX = 48.0
PICTURE_PX = 160
_LONGEST_BATCH_S = 3.0
_WAIT_S = 0.05
_BATCH = 16


def run(request: FindPeopleRequest, services: Services) -> Generator[object, None, PeopleList]:
    """Look at the photos that were not looked at yet, then group all faces.

    What was found is stored every few seconds: a run that is stopped or killed goes on there.

    Yields:
        Progress.

    Raises:
        WeightsError: The face encoder is missing or damaged; nothing changes then.
        UserInputError: The library holds no photo.
    """
    yield Progress(0, None, text="Looking for faces")
    catalogue = services.catalogue
    if not services.encoder_version(FACE_ENCODER):
        raise WeightsError(
            f"The face encoder {FACE_ENCODER} is not installed, so people cannot be told apart.",
            "Install the program again; people that were found before are kept.",
        )
    if not request.regroup_only:
        yield from _look(services)
    elif encoder_problem(services, catalogue.people.encoder()):
        raise UserInputError(encoder_problem(services, catalogue.people.encoder()), "Press Find people.")
    yield Progress(0, None, text="Grouping faces")
    yield from _until_free(services)
    with catalogue.writing():
        group_people(services)
        catalogue.people.drop_old_encoders()
    return people_list(services)


def _until_free(services: Services) -> Iterator[Progress]:
    """Wait while another job of this program, such as an index run, changes the library."""
    while services.catalogue.is_writing:
        yield Progress(0, None, text="Waiting until the library is free")
        time.sleep(_WAIT_S)


def _look(services: Services) -> Iterator[Progress]:
    """Search, describe and store, batch by batch."""
    repository = services.catalogue.people
    embedder = services.embedder(FACE_ENCODER)
    yield from _until_free(services)
    with services.catalogue.writing():
        encoder = repository.use_encoder(
            FACE_ENCODER, services.encoder_version(FACE_ENCODER), embedding_size=embedder.embedding_size
        )
    waiting = repository.waiting(encoder)
    if not waiting and not repository.searched():
        raise UserInputError("There is no photo in the library yet.", "Add a folder first.")
    pace = Pace(len(waiting), "Looking for faces")
    batch: list[SearchedPhoto] = []
    since = time.monotonic()
    for number, photo_id in enumerate(waiting):
        row = services.catalogue.photos.by_id(photo_id)
        if row is not None:
            batch.append(SearchedPhoto(photo_id, _faces_of(row, services)))
        if len(batch) >= _BATCH or time.monotonic() - since > _LONGEST_BATCH_S:
            yield from _store(batch, encoder, services=services)
            batch, since = [], time.monotonic()
        yield pace.progress(number + 1)
    yield from _store(batch, encoder, services=services)


def _store(batch: list[SearchedPhoto], encoder: FaceEncoderRow, *, services: Services) -> Iterator[Progress]:
    """Write a batch; the library is held for writing for no longer than that."""
    yield from _until_free(services)
    with services.catalogue.writing():
        services.catalogue.people.store(batch, encoder)


def _faces_of(row: PhotoRow, services: Services) -> tuple[NewFace, ...]:
    """The faces of a photo; none when the file cannot be read now."""
    try:
        photo = decode_photo(
            row.path, max_megapixels=services.settings.library.max_megapixels, at_least_px=READ_PX
        )
    except UserInputError as error:
        _log.info("no faces are looked for: %s", error.message)
        return ()
    return described_faces(photo.image, services, scale=photo.width_px / photo.image.shape[1])


def described_faces(image: Image, services: Services, *, scale: float) -> tuple[NewFace, ...]:
    """Find and describe the faces of a picture.

    Args:
        image: (H, W, 3), perhaps reduced.
        services: Detector and encoder.
        scale: Pixels of the full photo for each of the picture.
    """
    found = [(face, aligned) for face in services.faces.detector.find(image) if _is_large(face)
             for aligned in _aligned(image, face)]  # fmt: skip
    if not found:
        return ()
    vectors = services.embedder(FACE_ENCODER).embed([aligned for _, aligned in found])
    return tuple(
        NewFace(tuple((x * scale, y * scale) for x, y in face.quad), vector, aligned)
        for (face, aligned), vector in zip(found, vectors, strict=True)
        if np.isfinite(vector).all()
    )


def _is_large(face: DetectedFace) -> bool:
    corners = np.array(face.quad)
    return float(np.hypot(*(corners[3] - corners[0]))) >= SMALLEST_FACE_PX


def _aligned(image: Image, face: DetectedFace) -> list[Image]:
    from desktop_app.engine.align.ffhq_crop import align_face

    try:
        return [align_face(image, face.quad, output_px=PICTURE_PX, transform_px=2 * PICTURE_PX)]
    except UserInputError:
        return []  # the crop lies outside the picture


def group_people(services: Services) -> None:
    """Group all faces anew; people that the user has touched keep their faces and names."""
    repository = services.catalogue.people
    faces = repository.faces()
    vectors, is_usable = repository.vectors(faces)
    kept = {person.person_id for person in repository.people() if person.is_kept}
    refusals = repository.refusals()
    threshold = same_person_similarity(services, int(is_usable.sum()))
    free = [row for row, face in enumerate(faces) if face.person_id not in kept and is_usable[row]]
    person_of = _attached(faces, vectors, free, kept=kept, refusals=refusals, threshold=threshold)
    loose = [row for row in free if faces[row].face_id not in person_of]
    groups = _grouped(faces, vectors, loose, threshold=threshold)
    new: list[list[int]] = []
    taken: set[int] = set(kept)
    for rows in sorted(groups, key=len, reverse=True):
        before = _most_common([faces[row].person_id for row in rows], besides=taken)
        if len(rows) == 1:
            person_of[faces[rows[0]].face_id] = 0
        elif before:
            taken.add(before)
            person_of.update({faces[row].face_id: before for row in rows})
        else:
            new.append([faces[row].face_id for row in rows])
    repository.write_groups(person_of, new)


def _attached(
    faces: Sequence[FaceRow],
    vectors: FloatArray,
    free: Sequence[int],
    *,
    kept: set[int],
    refusals: set[tuple[int, int]],
    threshold: float,
) -> dict[int, int]:
    """Free faces that are like enough to those of a person the user has touched: face to person."""
    from desktop_app.engine.space.people import attach_faces

    members: dict[int, list[int]] = defaultdict(list)
    for row, face in enumerate(faces):
        if face.person_id in kept and vectors[row].any():
            members[face.person_id].append(row)
    names = sorted(members)
    places, _ = attach_faces(
        vectors[list(free)], [vectors[members[name]] for name in names], threshold=threshold
    )
    found = {}
    for row, place in zip(free, places.tolist(), strict=True):
        face_id = faces[row].face_id
        if place >= 0 and (face_id, names[place]) not in refusals:
            found[face_id] = names[place]
    return found


def _grouped(
    faces: Sequence[FaceRow], vectors: FloatArray, rows: Sequence[int], *, threshold: float
) -> list[list[int]]:
    from desktop_app.engine.space.people import group_faces

    if not rows:
        return []
    groups: dict[int, list[int]] = defaultdict(list)
    for row, label in zip(rows, group_faces(vectors[list(rows)], threshold=threshold).tolist(), strict=True):
        groups[label].append(row)
    return list(groups.values())


def _most_common(person_ids: Sequence[int], *, besides: set[int]) -> int:
    """The person most of the faces were of before, unless another group has them; 0: nobody."""
    counts: dict[int, int] = defaultdict(int)
    for person_id in person_ids:
        if person_id and person_id not in besides:
            counts[person_id] += 1
    return max(counts, key=lambda one: (counts[one], -one)) if counts else 0
