"""Search over the stored embeddings of one model: an exact half-precision scan held in memory.

FAISS scans 100,000 embeddings of length 256 in about 6 ms, so there is no approximate index to
build, to store or to find damaged; the rows of the library are the only copy on disk. Without FAISS
the same scan is done with numpy.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

try:
    import faiss
except ImportError:  # a machine without the wheel: numpy answers
    faiss = None  # type: ignore[assignment]

from desktop_app.catalogue.catalogue import Catalogue, IdArray, StoredModel
from desktop_app.catalogue.segments import HalfArray
from desktop_app.core.types import FloatArray

_log = logging.getLogger(__name__)

# Removed photos stay in the index and are passed over until they are this many and this share.
_MOST_REMOVED = 256
_MOST_REMOVED_SHARE = 0.1
_ROWS_A_CHECK = 4096
# No component of a unit vector is larger; half precision rounds to about 0.001.
_LARGEST_BITS = np.array(1.02, dtype=np.float16).view(np.uint16)
# Photos of the sample whose pairs tell how similar unlike photos are.
_BACKGROUND_SAMPLE = 600
# The background is measured again when the number of photos changed by this share.
_BACKGROUND_STALE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A found photo; `similarity` in [-1, 1]."""

    photo_id: int
    similarity: float


class _Index(Protocol):
    """An exact inner-product scan; rows are numbered in the order they were added."""

    def add(self, rows: FloatArray) -> None: ...

    def search(self, query: FloatArray, count: int) -> tuple[FloatArray, IdArray]: ...

    def rows(self, numbers: IdArray) -> FloatArray: ...


class VectorStore:
    """Embeddings of the indexed photos of a library, in memory from the first search on.

    Args:
        catalogue: The library.
        model_name: Whose embeddings; those of other models are never looked at.
    """

    def __init__(self, catalogue: Catalogue, *, model_name: str) -> None:
        self._catalogue = catalogue
        self._model_name = model_name
        self._model: StoredModel | None = None
        self._foreign_changes = -1
        self._index: _Index | None = None
        self._ids: list[int] = []
        self._row_of: dict[int, int] = {}
        self._removed = 0
        self._background: tuple[int, FloatArray] | None = None

    @property
    def model(self) -> StoredModel | None:
        """The stored model, or None when nothing was embedded yet."""
        return self._catalogue.current_model(self._model_name)

    @property
    def count(self) -> int:
        """Photos that are compared."""
        self._refresh()
        return len(self._row_of)

    def search(self, query: FloatArray, count: int) -> list[Neighbour]:
        """The most similar photos, nearest first.

        Args:
            query: (D,) unit length.
            count: Photos at most.
        """
        self._refresh()
        if self._index is None or not self._row_of:
            return []
        wanted = min(count + self._removed, len(self._ids))
        similarities, rows = self._index.search(np.ascontiguousarray(query, dtype=np.float32), wanted)
        found = []
        for similarity, row in zip(similarities.tolist(), rows.tolist(), strict=True):
            photo_id = self._ids[row]
            if self._row_of.get(photo_id) == row:
                found.append(Neighbour(photo_id, min(1.0, max(-1.0, similarity))))
        return found[:count]

    def vector_of(self, photo_id: int) -> FloatArray | None:
        """The embedding of a photo, (D,) float32, unit length; None when it has none."""
        model = self.model
        position = self._catalogue.position_of(model, photo_id) if model else None
        if model is None or position is None:
            return None
        halves, is_usable = _read(self._catalogue, model, np.array([position]))
        if not is_usable[0]:
            _log.warning("a stored embedding is lost; the next index run makes it again")
            self._catalogue.forget_vectors(model, [photo_id])
            return None
        row = halves[0].astype(np.float32)
        unit: FloatArray = row / np.linalg.norm(row)
        return unit

    def photo_ids(self) -> IdArray:
        """Photos that are compared, in an order that stays while nothing changes."""
        self._refresh()
        return np.fromiter(self._row_of, dtype=np.int64, count=len(self._row_of))

    def rows_of(self, photo_ids: IdArray) -> FloatArray:
        """Embeddings, (N, D) float32, of photos that `photo_ids` names; those of others are an error."""
        self._refresh()
        if self._index is None or not len(photo_ids):
            return np.zeros((0, 0), dtype=np.float32)
        numbers = np.array([self._row_of[photo_id] for photo_id in photo_ids.tolist()], dtype=np.int64)
        return self._index.rows(numbers)

    def background(self) -> FloatArray:
        """Similarities of random pairs of photos, sorted; the same for the same library."""
        self._refresh()
        if self._index is None or len(self._row_of) < 2:
            return np.zeros(0, dtype=np.float32)
        count = len(self._row_of)
        if self._background is None or abs(count - self._background[0]) > _BACKGROUND_STALE_SHARE * count:
            alive = np.array(sorted(self._row_of.values()), dtype=np.int64)
            if count > _BACKGROUND_SAMPLE:
                alive = np.random.default_rng(0).choice(alive, _BACKGROUND_SAMPLE, replace=False)
            sample = self._index.rows(np.sort(alive))
            pairs = np.triu_indices(len(sample), k=1)
            similarities = np.clip((sample @ sample.T)[pairs], -1.0, 1.0)
            self._background = (count, np.sort(similarities).astype(np.float32))
        return self._background[1]

    def add(self, photo_ids: Sequence[int], embeddings: FloatArray) -> None:
        """Take in photos that were just stored; does nothing before the first search."""
        if self._index is None or not photo_ids:
            return
        if self._model is None or self._catalogue.current_model(self._model_name) != self._model:
            self.forget()
            return
        self.remove(photo_ids)
        for photo_id in photo_ids:
            self._row_of[photo_id] = len(self._ids)
            self._ids.append(photo_id)
        self._index.add(np.ascontiguousarray(embeddings, dtype=np.float32))

    def remove(self, photo_ids: Sequence[int]) -> None:
        """Pass over photos from now on."""
        for photo_id in photo_ids:
            if self._row_of.pop(photo_id, None) is not None:
                self._removed += 1

    def forget(self) -> None:
        """Read everything anew at the next search."""
        self._index = None
        self._ids = []
        self._row_of = {}
        self._removed = 0

    def _refresh(self) -> None:
        """Load when nothing is loaded, another program wrote, or too many rows are dead."""
        changes = self._catalogue.foreign_changes()
        is_worn = self._removed > max(_MOST_REMOVED, _MOST_REMOVED_SHARE * len(self._ids))
        if self._index is not None and changes == self._foreign_changes and not is_worn:
            return
        self.forget()
        self._foreign_changes = changes
        self._model = self.model
        if self._model is None:
            return
        ids, positions = self._catalogue.positions(self._model)
        halves, is_usable = _read(self._catalogue, self._model, positions)
        lost = ids[~is_usable].tolist()
        if lost:
            halves = halves[is_usable]
            ids = ids[is_usable]
        self._index = _new_index(halves)
        self._ids = ids.tolist()
        self._row_of = {photo_id: row for row, photo_id in enumerate(self._ids)}
        if lost:
            _log.warning("%d stored embeddings are lost; the next index run makes them again", len(lost))
            self._catalogue.forget_vectors(self._model, lost)


def _read(
    catalogue: Catalogue, model: StoredModel, positions: IdArray
) -> tuple[HalfArray, npt.NDArray[np.bool_]]:
    """Embeddings, (N, D), and whether each is whole: there, not empty, and possible in a unit vector."""
    halves, is_there = catalogue.segments(model).read(positions)
    # The bits of half precision without sign grow with the value; infinity and NaN are the largest.
    bits = halves.view(np.uint16)
    for start in range(0, len(bits), _ROWS_A_CHECK):
        piece = slice(start, start + _ROWS_A_CHECK)
        largest = (bits[piece] & np.uint16(0x7FFF)).max(axis=1, initial=0)
        is_there[piece] &= (largest > 0) & (largest <= _LARGEST_BITS)
    return halves, is_there


def _new_index(halves: HalfArray) -> _Index:
    return _FaissIndex(halves) if faiss is not None else _NumpyIndex(halves)


class _FaissIndex:
    """The scan by FAISS, half precision in memory."""

    def __init__(self, halves: HalfArray) -> None:
        if sys.platform == "darwin":  # two OpenMP runtimes beside torch: one thread is safe
            faiss.omp_set_num_threads(1)
        self._index = faiss.IndexScalarQuantizer(
            halves.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        # The rows are the index's own codes already; adding them as float32 takes ten times as long.
        faiss.copy_array_to_vector(halves.view(np.uint8).reshape(-1), self._index.codes)
        self._index.ntotal = len(halves)

    def add(self, rows: FloatArray) -> None:
        if len(rows):
            self._index.add(rows)

    def search(self, query: FloatArray, count: int) -> tuple[FloatArray, IdArray]:
        similarities, rows = self._index.search(query[None], count)
        return similarities[0], rows[0]

    def rows(self, numbers: IdArray) -> FloatArray:
        found: FloatArray = self._index.reconstruct_batch(numbers)
        return found


class _NumpyIndex:
    """The same scan by numpy, single precision in memory."""

    def __init__(self, halves: HalfArray) -> None:
        self._rows: FloatArray = halves.astype(np.float32)
        self._added: list[FloatArray] = []

    def add(self, rows: FloatArray) -> None:
        # The same rounding as on disk, so that both scans give the same answers.
        self._added.append(rows.astype(np.float16).astype(np.float32))

    def search(self, query: FloatArray, count: int) -> tuple[FloatArray, IdArray]:
        similarities = self._whole() @ query
        nearest = np.argpartition(-similarities, count - 1)[:count]
        order = nearest[np.argsort(-similarities[nearest], kind="stable")]
        return similarities[order], order

    def rows(self, numbers: IdArray) -> FloatArray:
        found: FloatArray = self._whole()[numbers]
        return found

    def _whole(self) -> FloatArray:
        if self._added:
            self._rows = np.concatenate([self._rows, *self._added])
            self._added = []
        return self._rows
