"""The library as a plane: requests and answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from desktop_app.core.common_types import FloatArray
from desktop_app.core.library_types import PhotoRow

IdArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.int32]
TimeArray = npt.NDArray[np.float64]

# Fewer photos make no map.
LEAST_PHOTOS = 10


@dataclass(frozen=True, slots=True)
class MapRequest:
    """Ask for the stored map; photos that came since are placed beside their like. Answer: `LibraryMap`."""


@dataclass(frozen=True, slots=True)
class ComputeMapRequest:
    """Compute the map anew, and store it. Partial messages: `MapSketch`. Answer: `LibraryMap`."""

    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class MapSketch:
    """Places while they are still moving.

    Attributes:
        places: (N, 2); most within -1 to 1.
    """

    places: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LibraryMap:
    """Where each photo lies, and what it can be coloured by.

    Attributes:
        photos: Photos that can be on a map.
        photo_ids: (N,); empty when no map was computed yet.
        places: (N, 2); most within -1 to 1.
        modified_at: (N,) seconds since 1970.
        folders: (N,) numbers into `folder_names`.
        clusters: (N,) numbers from 0, the largest first; -1: in none.
        classes: (N,) numbers into `class_names`; -1: marked as a member of none.
        folder_names: Folders for the user.
        class_names: Classes of the user.
        placed: Photos that were put beside their like since the map was computed.
    """

    photos: int
    photo_ids: IdArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    places: FloatArray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.float32))
    modified_at: TimeArray = field(default_factory=lambda: np.zeros(0))
    folders: CodeArray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    clusters: CodeArray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    classes: CodeArray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    folder_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    placed: int = 0


@dataclass(frozen=True, slots=True)
class PhotosRequest:
    """Ask for photos by id. Answer: `PhotoRows`; photos that are gone are left out."""

    photo_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PhotoRows:
    """Photos, in the order asked for."""

    rows: tuple[PhotoRow, ...]
