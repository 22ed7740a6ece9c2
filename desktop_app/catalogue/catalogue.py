"""A library on disk: its database, thumbnails, embeddings and the lock that lets one program write."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from desktop_app.catalogue.classes import ClassRepository
from desktop_app.catalogue.database import (
    DATABASE_NAME,
    check_integrity,
    open_database,
    transaction,
    translated_errors,
)
from desktop_app.catalogue.groups import GroupRepository
from desktop_app.catalogue.lock import WriterLock
from desktop_app.catalogue.people import PeopleRepository
from desktop_app.catalogue.photos import PhotoFacts, PhotoRepository
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.segments import SegmentFiles
from desktop_app.catalogue.thumbnails import ThumbnailStore
from desktop_app.core.types import FloatArray, PhotoRow

IdArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StoredModel:
    """An encoder whose embeddings are kept.

    Attributes:
        model_id: Row key.
        name: Model name.
        version: Tells weights of one name apart.
        embedding_size: Length of an embedding.
    """

    model_id: int
    name: str
    version: str
    embedding_size: int


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that cannot be used."""

    stamp: FileStamp
    reason: str
    is_lasting: bool


@dataclass(slots=True)
class Batch:
    """What is written together.

    Attributes:
        photos: Photos with a new embedding, in the order of `embeddings`.
        embeddings: (len(photos), D) float32, unit length.
        copies: Photos whose content is known, with the photo whose embedding they share.
        unreadable: Files that cannot be used.
    """

    photos: list[PhotoFacts] = field(default_factory=list)
    embeddings: FloatArray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    copies: list[tuple[PhotoFacts, int]] = field(default_factory=list)
    unreadable: list[UnreadableFile] = field(default_factory=list)


class Catalogue:
    """One open library. Used on one thread. Make it with `open`.

    Args:
        folder: Where the library lies.
        connection: Its open database.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._file = folder / DATABASE_NAME
        self.thumbnails = ThumbnailStore(folder / "thumbnails")
        self.photos = PhotoRepository(connection, self._file, thumbnails=self.thumbnails)
        self.groups = GroupRepository(connection, self._file)
        self.classes = ClassRepository(connection, self._file)
        self.people = PeopleRepository(connection, self._file)
        self._lock = WriterLock(folder)

    @classmethod
    def open(cls, folder: Path) -> Catalogue:
        """Open a library, or make an empty one.

        Raises:
            CatalogueError: It is damaged, newer than the program or not ours.
            ResourceError: It cannot be opened or written.
        """
        return cls(folder, open_database(folder))

    def close(self) -> None:
        """Give the lock back and close the database."""
        self._lock.release()
        self._connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the library for writing; every job that changes it runs inside.

        Raises:
            CatalogueError: Another program or job is changing it.
        """
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    @property
    def is_writing(self) -> bool:
        """Whether a job of this program holds the library for writing."""
        return self._lock.is_held

    def check_integrity(self) -> None:
        """Raise `CatalogueError` when the database file is damaged inside."""
        check_integrity(self._connection, self._file)

    def foreign_changes(self) -> int:
        """A number that changes when another program writes to the library."""
        with translated_errors(self._file):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    # --- folders --------------------------------------------------------------------------------

    def folders(self) -> list[Path]:
        """Watched folders, by path."""
        with translated_errors(self._file):
            rows = self._connection.execute("SELECT path FROM folder ORDER BY path").fetchall()
        return [Path(os.fsdecode(row[0])) for row in rows]

    def add_folder(self, folder: Path) -> None:
        """Watch a folder; folders below it need no entry of their own any more."""
        watched = self.folders()
        if any(folder == other or other in folder.parents for other in watched):
            return
        below = [(os.fsencode(other),) for other in watched if folder in other.parents]
        with transaction(self._connection, self._file):
            self._connection.executemany("DELETE FROM folder WHERE path = ?", below)
            self._connection.execute("INSERT INTO folder (path) VALUES (?)", (os.fsencode(folder),))

    def remove_folder(self, folder: Path) -> list[int]:
        """Stop watching a folder and forget its photos; returns their ids. Files stay untouched."""
        with transaction(self._connection, self._file):
            self._connection.execute("DELETE FROM folder WHERE path = ?", (os.fsencode(folder),))
        removed = self.photos.remove_below(folder, keep=self.folders())
        self.drop_orphaned_thumbnails()
        return removed

    def drop_orphaned_thumbnails(self) -> None:
        """Delete thumbnails of contents that are no longer in the library."""
        self.thumbnails.remove(self.thumbnails.known() - self.photos.digests())

    # --- embeddings -----------------------------------------------------------------------------

    def current_model(self, name: str) -> StoredModel | None:
        """The stored model of that name, or None when nothing was embedded with it yet."""
        query = "SELECT id, name, version, embedding_size FROM model WHERE name = ? ORDER BY id DESC LIMIT 1"
        with translated_errors(self._file):
            row = self._connection.execute(query, (name,)).fetchone()
        return StoredModel(*row) if row else None

    def use_model(self, name: str, version: str, *, embedding_size: int) -> StoredModel:
        """The entry to store embeddings under.

        Embeddings of other weights of the same name cannot be compared with new ones: they are
        dropped, and the next index run makes new ones. Other names are left alone.
        """
        current = self.current_model(name)
        if current is not None and (current.version, current.embedding_size) == (version, embedding_size):
            return current
        with translated_errors(self._file):
            old = self._connection.execute(
                "SELECT id, embedding_size FROM model WHERE name = ?", (name,)
            ).fetchall()
        with transaction(self._connection, self._file):
            self._connection.execute("DELETE FROM model WHERE name = ?", (name,))
            model_id = self._connection.execute(
                "INSERT INTO model (name, version, embedding_size) VALUES (?, ?, ?) RETURNING id",
                (name, version, embedding_size),
            ).fetchone()[0]
        for old_id, old_size in old:
            self.segments(StoredModel(old_id, name, "", old_size)).remove_all()
        return StoredModel(model_id, name, version, embedding_size)

    def segments(self, model: StoredModel) -> SegmentFiles:
        """The files with a model's embeddings."""
        return SegmentFiles(self.folder / "vectors" / str(model.model_id), model.embedding_size)

    def positions(self, model: StoredModel) -> tuple[IdArray, IdArray]:
        """Photo ids and positions of the embeddings of all indexed photos, by position."""
        query = "SELECT photo_id, position FROM vector WHERE model_id = ? ORDER BY position"
        with translated_errors(self._file):
            stored = self._connection.execute(query, (model.model_id,)).fetchall()
            # A join with the photo table would look up each photo; those to leave out are few.
            hidden = self._connection.execute("SELECT id FROM photo WHERE state <> 'indexed'").fetchall()
        pairs = np.array(stored, dtype=np.int64).reshape(-1, 2)
        if hidden:
            pairs = pairs[~np.isin(pairs[:, 0], np.array(hidden, dtype=np.int64))]
        return pairs[:, 0], pairs[:, 1]

    def position_of(self, model: StoredModel, photo_id: int) -> int | None:
        """Where the embedding of a photo lies, or None."""
        query = "SELECT position FROM vector WHERE model_id = ? AND photo_id = ?"
        with translated_errors(self._file):
            row = self._connection.execute(query, (model.model_id, photo_id)).fetchone()
        return row[0] if row else None

    def vector_counts(self) -> dict[str, int]:
        """Indexed photos with an embedding, by model name; models without any are left out."""
        query = (
            "SELECT model.name, count(*) FROM model JOIN vector ON vector.model_id = model.id "
            "JOIN photo ON photo.id = vector.photo_id AND photo.state = 'indexed' GROUP BY model.name"
        )
        with translated_errors(self._file):
            return dict(self._connection.execute(query).fetchall())

    def count_unread(self, model: StoredModel | None) -> int:
        """Indexed photos without an embedding of the model; all of them when there is no model."""
        query = (
            "SELECT count(*) FROM photo WHERE state = 'indexed' AND NOT EXISTS "
            "(SELECT 1 FROM vector WHERE model_id = ? AND photo_id = photo.id)"
        )
        with translated_errors(self._file):
            row = self._connection.execute(query, (model.model_id if model else None,)).fetchone()
        return int(row[0])

    def stored_vectors(self, model: StoredModel) -> tuple[IdArray, FloatArray]:
        """Ids of the indexed photos and their embeddings, (N, D) unit length; lost ones are left out."""
        ids, positions = self.positions(model)
        halves, is_there = self.segments(model).read(positions)
        rows = halves.astype(np.float32)
        length = np.linalg.norm(rows, axis=1)
        is_usable = is_there & np.isfinite(length) & (length > 0)
        unit: FloatArray = rows[is_usable] / length[is_usable, None]
        return ids[is_usable], unit

    def put_vectors(self, model: StoredModel, photo_ids: Sequence[int], embeddings: FloatArray) -> None:
        """Store embeddings of photos that are in the library: on disk first, then in one transaction.

        Args:
            model: Whose embeddings.
            photo_ids: The photos; one that was removed meanwhile is passed over. One that was not read
                in full yet has the new embedding marked as that of a preview too.
            embeddings: (len(photo_ids), D) unit length.
        """
        start = self._next_position(model)
        self.segments(model).write(start, embeddings)
        put = (
            "INSERT OR REPLACE INTO vector (model_id, photo_id, position, is_preview) "
            "SELECT ?, id, ?, EXISTS (SELECT 1 FROM vector WHERE photo_id = photo.id AND is_preview) "
            "FROM photo WHERE id = ?"
        )
        with transaction(self._connection, self._file):
            self._connection.executemany(
                put, [(model.model_id, start + number, int(i)) for number, i in enumerate(photo_ids)]
            )

    def remove_model(self, name: str) -> None:
        """Drop all embeddings of a model."""
        model = self.current_model(name)
        if model is None:
            return
        with transaction(self._connection, self._file):
            self._connection.execute("DELETE FROM model WHERE name = ?", (name,))
        self.segments(model).remove_all()

    def forget_vectors(self, model: StoredModel, photo_ids: Sequence[int]) -> None:
        """Drop embeddings that turned out to be lost; the next index run makes them again."""
        with transaction(self._connection, self._file):
            self._connection.executemany(
                "DELETE FROM vector WHERE model_id = ? AND photo_id = ?",
                [(model.model_id, photo_id) for photo_id in photo_ids],
            )

    # --- writing --------------------------------------------------------------------------------

    def store(self, batch: Batch, model: StoredModel) -> tuple[PhotoRow, ...]:
        """Write a batch: embeddings to disk first, then all rows in one transaction.

        Returns:
            The rows of photos, copies and unreadable files, in that order; they are safe now.

        Raises:
            ResourceError: Disk full or not writable; nothing of the batch is in the library then.
        """
        if len(batch.photos) != len(batch.embeddings):
            raise ValueError(f"{len(batch.photos)} photos but {len(batch.embeddings)} embeddings")
        start = self._next_position(model)
        if batch.photos:
            self.segments(model).write(start, batch.embeddings)
        ids: list[int] = []
        put_vector = (
            "INSERT OR REPLACE INTO vector (model_id, photo_id, position, is_preview) VALUES (?, ?, ?, ?)"
        )
        with transaction(self._connection, self._file):
            for number, facts in enumerate(batch.photos):
                photo_id = self.photos.put_photo(facts)
                self._connection.execute(
                    put_vector, (model.model_id, photo_id, start + number, facts.is_preview)
                )
                ids.append(photo_id)
            for facts, source_id in batch.copies:
                photo_id = self.photos.put_photo(facts)
                self._copy_vectors(source_id, photo_id)
                ids.append(photo_id)
            for file in batch.unreadable:
                ids.append(self.photos.put_unreadable(file.stamp, file.reason, is_lasting=file.is_lasting))
        rows = self.photos.by_ids(ids)
        return tuple(rows[photo_id] for photo_id in ids)

    def _next_position(self, model: StoredModel) -> int:
        query = "SELECT coalesce(max(position) + 1, 0) FROM vector WHERE model_id = ?"
        with translated_errors(self._file):
            return int(self._connection.execute(query, (model.model_id,)).fetchone()[0])

    def _copy_vectors(self, source_id: int, photo_id: int) -> None:
        """Give a photo the embeddings of another with the same content, of all models."""
        if source_id == photo_id:
            return
        self._connection.execute("DELETE FROM vector WHERE photo_id = ?", (photo_id,))
        self._connection.execute(
            "INSERT INTO vector (model_id, photo_id, position, is_preview) "
            "SELECT model_id, ?, position, is_preview FROM vector WHERE photo_id = ?",
            (photo_id, source_id),
        )
