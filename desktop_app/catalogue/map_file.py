"""The stored map of a library: one file for each encoder, written whole or not at all."""

from __future__ import annotations

import logging
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from desktop_app.catalogue.database import disk_error
from desktop_app.core.types import FloatArray

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class StoredMap:
    """Places of photos.

    Attributes:
        photo_ids: (N,).
        places: (N, 2).
        clusters: (N,) numbers; -1: in none.
        is_placed: (N,) whether the photo was put beside its like after the map was computed.
    """

    photo_ids: npt.NDArray[np.int64]
    places: FloatArray
    clusters: npt.NDArray[np.int32]
    is_placed: npt.NDArray[np.bool_]

    def kept(self, which: npt.NDArray[np.bool_]) -> StoredMap:
        """Some of the photos."""
        return StoredMap(
            self.photo_ids[which], self.places[which], self.clusters[which], self.is_placed[which]
        )


def load_map(file: Path) -> StoredMap | None:
    """Read a map; None when there is none or it is damaged (it can be computed again)."""
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
            found = StoredMap(
                content["photo_ids"].astype(np.int64),
                content["places"].astype(np.float32),
                content["clusters"].astype(np.int32),
                content["is_placed"].astype(np.bool_),
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("the stored map is not readable and has to be computed again: %s", error)
        return None
    count = len(found.photo_ids)
    is_whole = found.places.shape == (count, 2) and len(found.clusters) == len(found.is_placed) == count
    if not is_whole or not np.isfinite(found.places).all():
        _log.warning("the stored map is damaged and has to be computed again")
        return None
    return found


def save_map(file: Path, found: StoredMap) -> None:
    """Write a map.

    Raises:
        ResourceError: Disk full or not writable.
    """
    temporary = file.with_suffix(".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            np.savez(
                handle,
                photo_ids=found.photo_ids,
                places=found.places,
                clusters=found.clusters,
                is_placed=found.is_placed,
            )
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(file)
    except OSError as error:
        raise disk_error(error, "The map cannot be saved") from error
