"""Embeddings on disk: append-only half-precision rows in files of a fixed number of rows.

The database says which positions hold something; rows beyond those are what a crash left behind
and are written over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from desktop_app.catalogue.database import disk_error
from desktop_app.core.types import FloatArray

_log = logging.getLogger(__name__)

ROWS_A_SEGMENT = 65_536
_ROWS_A_COPY = 4096
HalfArray = npt.NDArray[np.float16]


class SegmentFiles:
    """The rows of one model.

    Args:
        folder: Where the segments lie; made when the first row is written.
        embedding_size: Length D of a row.
    """

    def __init__(self, folder: Path, embedding_size: int) -> None:
        self._folder = folder
        self._size = embedding_size
        self._row_bytes = embedding_size * 2

    def write(self, position: int, rows: FloatArray) -> None:
        """Write rows from a position on and bring them safely to the disk.

        Args:
            position: Number of the first row.
            rows: (B, D) embeddings.

        Raises:
            ResourceError: Disk full or not writable.
        """
        if rows.ndim != 2 or rows.shape[1] != self._size:
            raise ValueError(f"expected (B, {self._size}), got {rows.shape}")
        halves = rows.astype("<f2")
        done = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            while done < len(halves):
                segment, row = divmod(position + done, ROWS_A_SEGMENT)
                count = min(len(halves) - done, ROWS_A_SEGMENT - row)
                self._write_into(segment, row, halves[done : done + count].tobytes())
                done += count
        except OSError as error:
            raise disk_error(error, "The embeddings cannot be written") from error

    def read(self, positions: npt.NDArray[np.int64]) -> tuple[HalfArray, npt.NDArray[np.bool_]]:
        """Read rows.

        Args:
            positions: (N,) row numbers, any order.

        Returns:
            (N, D) rows, and (N,) whether each was there in full; those that were not are zero.
        """
        rows = np.empty((len(positions), self._size), dtype=np.float16)
        is_there = np.zeros(len(positions), dtype=np.bool_)
        segments, inside = np.divmod(positions, ROWS_A_SEGMENT)
        for segment in np.unique(segments):
            here = segments == segment
            content = self._content(int(segment))
            is_there |= here & (inside < len(content))
            for start in range(0, len(positions), _ROWS_A_COPY):
                piece = slice(start, start + _ROWS_A_COPY)
                wanted = here[piece] & is_there[piece]
                if wanted.all():
                    np.take(content, inside[piece], axis=0, out=rows[piece], mode="clip")
                elif wanted.any():
                    rows[piece][wanted] = content[inside[piece][wanted]]
        rows[~is_there] = 0
        return rows, is_there

    def remove_all(self) -> None:
        """Delete all segments; what cannot be deleted stays and does no harm."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, segment: int) -> Path:
        return self._folder / f"{segment:06d}.f16"

    def _write_into(self, segment: int, row: int, content: bytes) -> None:
        file = self._file(segment)
        is_new = not file.exists()
        with file.open("r+b" if not is_new else "w+b") as handle:
            handle.seek(row * self._row_bytes)
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        if is_new:
            _sync_folder(self._folder)

    def _content(self, segment: int) -> HalfArray:
        """All whole rows of a segment, mapped from the file; none when it is gone."""
        empty = np.zeros((0, self._size), dtype=np.float16)
        try:
            count = min(self._file(segment).stat().st_size // self._row_bytes, ROWS_A_SEGMENT)
            if count == 0:
                return empty
            return np.memmap(self._file(segment), dtype="<f2", mode="r", shape=(count, self._size))
        except OSError as error:
            _log.warning("a file of embeddings is not readable: %s", error.strerror)
            return empty


def _sync_folder(folder: Path) -> None:
    """Make a new file's name safe too, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
