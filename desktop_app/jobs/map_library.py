"""The library as a plane: compute it, keep it, put new photos beside their like."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from desktop_app.catalogue.map_file import StoredMap, load_map, save_map
from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.map_types import LEAST_PHOTOS
from desktop_app.core.types import ComputeMapRequest, FloatArray, LibraryMap, MapRequest, MapSketch, read_only
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)

_ROWS_A_STEP = 8192
_PLACED_A_STEP = 512
_STAGES = {
    "Reducing": "Getting ready",
    "Finding neighbours": "Finding neighbours",
    "Arranging": "Arranging photos",
}

IdArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.int32]


def run(request: MapRequest | ComputeMapRequest, services: Services) -> Generator[object, None, LibraryMap]:
    """Answer either request. A run that is cancelled or killed leaves the map that was there.

    Yields:
        `Progress`, and `MapSketch` while places are still moving.

    Returns:
        `LibraryMap`; without places when none was computed yet.

    Raises:
        UserInputError: There are too few photos for a map.
        ResourceError: The map cannot be saved.
    """
    ids = services.vectors.photo_ids()
    if isinstance(request, ComputeMapRequest):
        if len(ids) < LEAST_PHOTOS:
            raise UserInputError(
                f"A map needs at least {LEAST_PHOTOS} photos; the library holds {len(ids)}.",
                "Add a folder with more photos.",
            )
        stored = yield from _compute(request, services, ids)
        save_map(_file(services), stored)
    else:
        found = load_map(_file(services)) if len(ids) else None
        if found is None:
            return LibraryMap(photos=len(ids))
        stored = yield from _with_new_photos(found, services, ids)
    return _answer(stored, services, photos=len(ids))


def _file(services: Services) -> Path:
    model = services.vectors.model
    number = 0 if model is None else model.model_id
    return services.library / "maps" / f"{number}.npz"


def _compute(
    request: ComputeMapRequest, services: Services, ids: IdArray
) -> Generator[object, None, StoredMap]:
    from desktop_app.engine.space.clusters import find_clusters
    from desktop_app.engine.space.layout import lay_out

    rows = yield from _rows(services, ids)
    layout = lay_out(rows, seed=request.seed, threads=max(1, services.settings.engine.threads))
    pace: Pace | None = None
    places: FloatArray | None = None
    while places is None:
        try:
            step = next(layout)
        except StopIteration as ending:
            places = ending.value
            break
        pace = pace or Pace(step.total)
        yield pace.progress(step.done, text=_STAGES[step.stage])
        if step.places is not None:
            read_only(step.places)
            yield MapSketch(step.places)
    clusters = find_clusters(places, seed=request.seed)
    yield None
    return StoredMap(ids, places, clusters, np.zeros(len(ids), dtype=np.bool_))


def _with_new_photos(
    found: StoredMap, services: Services, ids: IdArray
) -> Generator[object, None, StoredMap]:
    """The stored map without photos that are gone and with those that came."""
    stored = found.kept(np.isin(found.photo_ids, ids))
    new = np.setdiff1d(ids, stored.photo_ids)
    if not len(new) or not len(stored.photo_ids):
        return stored
    from desktop_app.engine.space.clusters import NO_CLUSTER
    from desktop_app.engine.space.layout import place_beside

    known = yield from _rows(services, stored.photo_ids)
    places = np.empty((len(new), 2), dtype=np.float32)
    pace = Pace(len(new), "Placing new photos")
    for start in range(0, len(new), _PLACED_A_STEP):
        piece = slice(start, start + _PLACED_A_STEP)
        places[piece] = place_beside(services.vectors.rows_of(new[piece]), known, stored.places)
        yield pace.progress(min(start + _PLACED_A_STEP, len(new)))
    wider = StoredMap(
        np.concatenate([stored.photo_ids, new]),
        np.concatenate([stored.places, places]),
        np.concatenate([stored.clusters, np.full(len(new), NO_CLUSTER, dtype=np.int32)]),
        np.concatenate([stored.is_placed, np.ones(len(new), dtype=np.bool_)]),
    )
    save_map(_file(services), wider)
    return wider


def _rows(services: Services, ids: IdArray) -> Generator[object, None, FloatArray]:
    parts = []
    for start in range(0, len(ids), _ROWS_A_STEP):
        parts.append(services.vectors.rows_of(ids[start : start + _ROWS_A_STEP]))
        yield None
    return np.concatenate(parts)


def _answer(stored: StoredMap, services: Services, *, photos: int) -> LibraryMap:
    paths, modified = services.catalogue.photos.places(stored.photo_ids.tolist())
    names, folders = np.unique([display_path(path.parent) for path in paths], return_inverse=True)
    class_names, classes = _classes(stored.photo_ids, services)
    answer = LibraryMap(
        photos=photos,
        photo_ids=stored.photo_ids,
        places=stored.places,
        modified_at=np.array(modified),
        folders=folders.astype(np.int32),
        clusters=stored.clusters,
        classes=classes,
        folder_names=tuple(names.tolist()),
        class_names=class_names,
        placed=int(stored.is_placed.sum()),
    )
    for array in (answer.photo_ids, answer.places, answer.modified_at, answer.folders, answer.clusters):
        read_only(array)
    read_only(answer.classes)
    return answer


def _classes(photo_ids: IdArray, services: Services) -> tuple[tuple[str, ...], CodeArray]:
    """For each photo the first class, by name, that it is marked as a member of."""
    codes = np.full(len(photo_ids), -1, dtype=np.int32)
    everything = services.catalogue.classes.all()
    for number in reversed(range(len(everything))):
        marks = services.catalogue.classes.marks(everything[number].class_id)
        members = [mark.photo_id for mark in marks if mark.is_member]
        codes[np.isin(photo_ids, np.array(members, dtype=np.int64))] = number
    return tuple(one.name for one in everything), codes
