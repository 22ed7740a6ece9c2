"""The photo table: pages for the grid, look-ups, and what an index run writes."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from desktop_app.catalogue.database import transaction, translated_errors
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.thumbnails import ThumbnailStore
from desktop_app.core.types import FileProblem, PageRequest, PhotoOrder, PhotoPage, PhotoRow, PhotoState

_COLUMNS = "id, path, width_px, height_px, modified_ns, digest, state, reason"
_ORDERS = {
    PhotoOrder.NEWEST: "modified_ns DESC, id DESC",
    PhotoOrder.OLDEST: "modified_ns, id",
    PhotoOrder.NAME: "sort_name, id",
}
# SQLite's own limit of bound values is higher; smaller pieces keep statements short.
_IDS_A_STATEMENT = 500
_DIGITS = re.compile(r"\d+")
_RowTuple = tuple[int, bytes, int, int, int, bytes | None, str, str]


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    """What the library remembers of a file, to decide whether it has to be read again."""

    photo_id: int
    size_bytes: int
    modified_ns: int
    state: PhotoState
    reason: str
    digest: bytes | None
    has_vector: bool
    is_preview: bool = False


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What an index run learnt about a readable photo.

    Attributes:
        stamp: The file.
        digest: Digest of its content.
        width_px: Width of the upright picture.
        height_px: Height of the upright picture.
        signature: Of the picture, see `duplicates`.
        photo_id: The row to write over, or None for the row of that path or a new one.
        is_preview: Signature and embedding are of the small picture inside the file.
    """

    stamp: FileStamp
    digest: bytes
    width_px: int
    height_px: int
    signature: bytes
    photo_id: int | None = None
    is_preview: bool = False


class PhotoRepository:
    """Reads and writes photo rows. Methods named `put_...` run inside a caller's transaction.

    Args:
        connection: The library's connection.
        file: Its database file, for messages.
        thumbnails: Tells where a photo's thumbnail lies.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path, *, thumbnails: ThumbnailStore) -> None:
        self._connection = connection
        self._file = file
        self._thumbnails = thumbnails

    # --- reading --------------------------------------------------------------------------------

    def by_id(self, photo_id: int) -> PhotoRow | None:
        """One photo, or None when it is not in the library."""
        return self.by_ids([photo_id]).get(photo_id)

    def by_ids(self, photo_ids: Sequence[int]) -> dict[int, PhotoRow]:
        """Photos by id; those that are not in the library are left out."""
        found: dict[int, PhotoRow] = {}
        for start in range(0, len(photo_ids), _IDS_A_STATEMENT):
            piece = [int(i) for i in photo_ids[start : start + _IDS_A_STATEMENT]]
            marks = ",".join("?" * len(piece))
            for row in self._all(f"SELECT {_COLUMNS} FROM photo WHERE id IN ({marks})", piece):
                found[row.photo_id] = row
        return found

    def by_path(self, path: Path) -> PhotoRow | None:
        """The photo of a file, or None."""
        rows = self._all(f"SELECT {_COLUMNS} FROM photo WHERE path = ?", [os.fsencode(path)])
        return rows[0] if rows else None

    def ids_with_digest(self, digest: bytes) -> set[int]:
        """Photos with exactly this content."""
        with translated_errors(self._file):
            rows = self._connection.execute("SELECT id FROM photo WHERE digest = ?", (digest,)).fetchall()
        return {row[0] for row in rows}

    def digest_of(self, photo_id: int) -> bytes | None:
        """Content digest of a photo; None when it is unknown."""
        with translated_errors(self._file):
            row = self._connection.execute("SELECT digest FROM photo WHERE id = ?", (photo_id,)).fetchone()
        return row[0] if row else None

    def signatures(self, photo_ids: Sequence[int], *, sure: bool = False) -> dict[int, bytes]:
        """Picture signatures by photo id; `sure`: without those of previews, which may be out of date."""
        found: dict[int, bytes] = {}
        for start in range(0, len(photo_ids), _IDS_A_STATEMENT):
            piece = [int(i) for i in photo_ids[start : start + _IDS_A_STATEMENT]]
            marks = ",".join("?" * len(piece))
            query = f"SELECT photo_id, picture FROM signature WHERE photo_id IN ({marks})"
            if sure:
                query += " AND photo_id NOT IN (SELECT photo_id FROM vector WHERE is_preview = 1)"
            with translated_errors(self._file):
                found.update(self._connection.execute(query, piece).fetchall())
        return found

    def page(self, request: PageRequest) -> PhotoPage:
        """A stretch of the grid."""
        condition = "state = ?"
        bounds: list[object] = [str(request.state)]
        if request.folder is not None:
            condition += " AND path > ? AND path < ?"
            bounds += _below(request.folder)
        order = _ORDERS[request.order]
        with translated_errors(self._file):
            counted = self._connection.execute(f"SELECT count(*) FROM photo WHERE {condition}", bounds)
            total = int(counted.fetchone()[0])
        # The ids come from an index alone; only the rows shown are read in full.
        rows = self._all(
            f"SELECT {_COLUMNS} FROM photo WHERE id IN "
            f"(SELECT id FROM photo WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?) ORDER BY {order}",
            [*bounds, max(0, request.count), max(0, request.offset)],
        )
        return PhotoPage(offset=request.offset, total=total, rows=tuple(rows))

    def places(self, photo_ids: Sequence[int]) -> tuple[list[Path], list[float]]:
        """Path and modification time of many photos, in their order; an empty path for those gone."""
        query = "SELECT id, path, modified_ns FROM photo WHERE state = 'indexed'"
        with translated_errors(self._file):
            found = {row[0]: (row[1], row[2]) for row in self._connection.execute(query)}
        rows = [found.get(photo_id, (b"", 0)) for photo_id in photo_ids]
        return [Path(os.fsdecode(path)) for path, _ in rows], [modified / 1e9 for _, modified in rows]

    def counts(self) -> dict[PhotoState, int]:
        """Photos by state."""
        with translated_errors(self._file):
            rows = self._connection.execute("SELECT state, count(*) FROM photo GROUP BY state").fetchall()
        return {state: dict(rows).get(str(state), 0) for state in PhotoState}

    def count_below(self, folder: Path) -> int:
        """Indexed photos below a folder."""
        query = "SELECT count(*) FROM photo WHERE path > ? AND path < ? AND state = 'indexed'"
        with translated_errors(self._file):
            return int(self._connection.execute(query, _below(folder)).fetchone()[0])

    def folder_counts(self) -> Counter[Path]:
        """Indexed photos by the folder they lie in."""
        with translated_errors(self._file):
            rows = self._connection.execute("SELECT path FROM photo WHERE state = 'indexed'")
            return Counter(Path(os.path.dirname(os.fsdecode(row[0]))) for row in rows)  # noqa: PTH120

    def problems(self, limit: int) -> tuple[FileProblem, ...]:
        """Unreadable files with their reasons, by path."""
        query = "SELECT path, reason FROM photo WHERE state = 'unreadable' ORDER BY path LIMIT ?"
        with translated_errors(self._file):
            rows = self._connection.execute(query, (limit,)).fetchall()
        return tuple(FileProblem(Path(os.fsdecode(path)), reason) for path, reason in rows)

    def known_below(self, folders: Iterable[Path], *, model_id: int) -> dict[Path, KnownPhoto]:
        """What the library remembers of all files below folders, by path."""
        query = (
            "SELECT path, id, size_bytes, modified_ns, state, reason, digest, "
            "vector.photo_id IS NOT NULL, coalesce(vector.is_preview, 0) "
            "FROM photo LEFT JOIN vector ON vector.model_id = ? AND vector.photo_id = photo.id "
            "WHERE path > ? AND path < ?"
        )
        found: dict[Path, KnownPhoto] = {}
        for folder in folders:
            with translated_errors(self._file):
                for path, photo_id, size, modified, state, *rest in self._connection.execute(
                    query, (model_id, *_below(folder))
                ):
                    reason, digest, has_vector, is_preview = rest
                    found[Path(os.fsdecode(path))] = KnownPhoto(
                        photo_id,
                        size,
                        modified,
                        PhotoState(state),
                        reason,
                        digest,
                        bool(has_vector),
                        bool(is_preview),
                    )
        return found

    def digests(self) -> set[bytes]:
        """Digests of all contents in the library."""
        with translated_errors(self._file):
            rows = self._connection.execute("SELECT DISTINCT digest FROM photo WHERE digest IS NOT NULL")
            return {row[0] for row in rows}

    def facts_by_digest(self, *, model_id: int) -> dict[bytes, tuple[int, bool]]:
        """For each content that has an embedding of the model: a photo that holds it.

        Beside it, whether its embedding is of a preview; a photo that was read in full goes first.
        """
        query = (
            "SELECT digest, id, is_preview FROM photo "
            "JOIN vector ON vector.photo_id = photo.id AND vector.model_id = ? WHERE digest IS NOT NULL"
        )
        found: dict[bytes, tuple[int, bool]] = {}
        with translated_errors(self._file):
            for digest, photo_id, is_preview in self._connection.execute(query, (model_id,)):
                if not is_preview or digest not in found:
                    found[digest] = (photo_id, bool(is_preview))
        return found

    def missing_by_digest(self) -> dict[bytes, int]:
        """Photos whose file is gone, by content: one that turns up elsewhere was moved."""
        query = "SELECT digest, id FROM photo WHERE state = 'missing' AND digest IS NOT NULL"
        with translated_errors(self._file):
            return dict(self._connection.execute(query))

    # --- writing --------------------------------------------------------------------------------

    def put_photo(self, facts: PhotoFacts) -> int:
        """Write a readable photo; returns its id. Embeddings of an older content are dropped."""
        stamp = facts.stamp
        path = os.fsencode(stamp.path)
        photo_id = self._row_to_write(path, facts)
        values = (
            path,
            sort_name(stamp.path),
            stamp.size_bytes,
            stamp.modified_ns,
            facts.width_px,
            facts.height_px,
            facts.digest,
        )
        if photo_id is None:
            photo_id = self._connection.execute(
                "INSERT INTO photo (path, sort_name, size_bytes, modified_ns, width_px, height_px, digest, "
                "state, reason) VALUES (?, ?, ?, ?, ?, ?, ?, 'indexed', '') RETURNING id",
                values,
            ).fetchone()[0]
        else:
            self._connection.execute(
                "UPDATE photo SET path = ?, sort_name = ?, size_bytes = ?, modified_ns = ?, width_px = ?, "
                "height_px = ?, digest = ?, state = 'indexed', reason = '' WHERE id = ?",
                (*values, photo_id),
            )
        # That of a preview never takes the place of one of the full picture.
        otherwise = "IGNORE" if facts.is_preview else "REPLACE"
        self._connection.execute(
            f"INSERT OR {otherwise} INTO signature (photo_id, picture) VALUES (?, ?)",
            (photo_id, facts.signature),
        )
        return int(photo_id)

    def _row_to_write(self, path: bytes, facts: PhotoFacts) -> int | None:
        """The row a photo is written over, without what belongs to another content; None for a new one."""
        if facts.photo_id is not None:
            found = self._connection.execute("SELECT id, digest FROM photo WHERE id = ?", (facts.photo_id,))
        else:
            found = self._connection.execute("SELECT id, digest FROM photo WHERE path = ?", (path,))
        row = found.fetchone()
        if row is None:
            return None
        if row[1] != facts.digest:
            self._connection.execute("DELETE FROM vector WHERE photo_id = ?", (row[0],))
            self._connection.execute("DELETE FROM signature WHERE photo_id = ?", (row[0],))
        return int(row[0])

    def put_unreadable(self, stamp: FileStamp, reason: str, *, is_lasting: bool) -> int:
        """Write a file that cannot be used; one whose fault may pass is read again by the next run."""
        row = self._connection.execute(
            "INSERT INTO photo (path, sort_name, size_bytes, modified_ns, width_px, height_px, digest, "
            "state, reason) VALUES (?, ?, ?, ?, 0, 0, NULL, 'unreadable', ?) "
            "ON CONFLICT (path) DO UPDATE SET size_bytes = excluded.size_bytes, "
            "modified_ns = excluded.modified_ns, width_px = 0, height_px = 0, digest = NULL, "
            "state = 'unreadable', reason = excluded.reason RETURNING id",
            (
                os.fsencode(stamp.path),
                sort_name(stamp.path),
                stamp.size_bytes if is_lasting else -1,
                stamp.modified_ns,
                reason,
            ),
        ).fetchone()
        self._connection.execute("DELETE FROM signature WHERE photo_id = ?", row)
        self._connection.execute("DELETE FROM vector WHERE photo_id = ?", row)
        return int(row[0])

    def set_state(self, photo_ids: Sequence[int], state: PhotoState) -> None:
        """Mark photos, for example as missing, in one transaction."""
        with transaction(self._connection, self._file):
            self._connection.executemany(
                "UPDATE photo SET state = ? WHERE id = ?", [(str(state), photo_id) for photo_id in photo_ids]
            )

    def remove(self, photo_ids: Sequence[int]) -> None:
        """Forget photos, in one transaction."""
        with transaction(self._connection, self._file):
            self._connection.executemany("DELETE FROM photo WHERE id = ?", [(i,) for i in photo_ids])

    def remove_below(self, folder: Path, *, keep: Iterable[Path] = ()) -> list[int]:
        """Forget all photos below a folder but those below one of `keep`; returns their ids."""
        condition, bounds = "path > ? AND path < ?", list(_below(folder))
        for kept in keep:
            condition += " AND NOT (path > ? AND path < ?)"
            bounds += _below(kept)
        with transaction(self._connection, self._file):
            return [
                row[0]
                for row in self._connection.execute(
                    f"DELETE FROM photo WHERE {condition} RETURNING id", bounds
                ).fetchall()
            ]

    # --- private --------------------------------------------------------------------------------

    def _all(self, query: str, values: Sequence[object]) -> list[PhotoRow]:
        with translated_errors(self._file):
            rows: list[_RowTuple] = self._connection.execute(query, values).fetchall()
        return [self._row(row) for row in rows]

    def _row(self, row: _RowTuple) -> PhotoRow:
        photo_id, path, width, height, modified_ns, digest, state, reason = row
        return PhotoRow(
            photo_id=photo_id,
            path=Path(os.fsdecode(path)),
            width_px=width,
            height_px=height,
            modified_at=modified_ns / 1e9,
            thumbnail=self._thumbnails.path_of(digest) if digest is not None else None,
            state=PhotoState(state),
            reason=reason,
        )


def sort_name(path: Path) -> str:
    """What photos are sorted by: the file name without case, numbers by value."""
    name = os.fsencode(path.name).decode("utf-8", "replace").lower()
    return _DIGITS.sub(lambda digits: digits[0].lstrip("0").zfill(12), name)


def _below(folder: Path) -> tuple[bytes, bytes]:
    """Bounds, both exclusive, of the stored paths below a folder."""
    start = os.fsencode(folder)
    separator = os.sep.encode()
    if not start.endswith(separator):
        start += separator
    return start, start[:-1] + bytes([start[-1] + 1])
