"""Faces of the library and whose they are: rows, vectors of their own, small pictures; wiped at once."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from desktop_app.catalogue.database import disk_error, transaction, translated_errors
from desktop_app.catalogue.names import clean_name
from desktop_app.catalogue.segments import SegmentFiles
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FloatArray, Image

IdArray = npt.NDArray[np.int64]
Quad = tuple[tuple[float, float], ...]

MOST_NAME_LETTERS = 80
_QUALITY = 88
# A face whose crop lies within this share of its side of an earlier one's is the same face.
_SAME_PLACE = 0.4


@dataclass(frozen=True, slots=True)
class FaceEncoderRow:
    """A face encoder whose vectors are kept."""

    encoder_id: int
    name: str
    version: str
    embedding_size: int


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face that was found.

    Attributes:
        quad: Corners of its crop in pixels of the full photo.
        vector: (D,) unit length.
        picture: The aligned face, small.
    """

    quad: Quad
    vector: FloatArray
    picture: Image


@dataclass(frozen=True, slots=True)
class SearchedPhoto:
    """A photo that was looked at, and the faces in it."""

    photo_id: int
    faces: tuple[NewFace, ...]


@dataclass(frozen=True, slots=True)
class FaceRow:
    """A stored face."""

    face_id: int
    photo_id: int
    position: int
    quad: Quad
    picture: Path
    person_id: int
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A stored person; `is_kept`: the user has touched it, and grouping anew leaves it alone."""

    person_id: int
    name: str
    is_hidden: bool
    is_kept: bool


class PeopleRepository:
    """Reads and writes faces and people; every change is one transaction.

    Args:
        connection: The library's connection.
        file: Its database file; faces lie beside it.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._file = file
        self._folder = file.parent / "faces"

    # --- reading --------------------------------------------------------------------------------

    def encoder(self) -> FaceEncoderRow | None:
        """The encoder of the stored vectors, the newest one; None before the first search."""
        query = "SELECT id, name, version, embedding_size FROM face_encoder ORDER BY id DESC LIMIT 1"
        rows = self._all(query)
        return FaceEncoderRow(*rows[0]) if rows else None

    def people(self) -> list[PersonRow]:
        """All people."""
        rows = self._all("SELECT id, name, is_hidden, is_kept FROM person ORDER BY id")
        return [PersonRow(row[0], row[1], bool(row[2]), bool(row[3])) for row in rows]

    def faces(self) -> list[FaceRow]:
        """All faces of photos that are there, described by the present encoder, by position."""
        query = (
            "SELECT face.id, photo_id, position, quad, picture, coalesce(person_id, 0), is_confirmed "
            "FROM face JOIN photo ON photo.id = face.photo_id AND photo.state = 'indexed' "
            "WHERE encoder_id = (SELECT max(id) FROM face_encoder) ORDER BY position"
        )
        return [self._face(row) for row in self._all(query)]

    def faces_in(self, photo_id: int) -> int:
        """How many faces the newest encoder described in a photo."""
        query = (
            "SELECT count(*) FROM face WHERE photo_id = ? AND encoder_id = (SELECT max(id) FROM face_encoder)"
        )
        return int(self._all(query, (photo_id,))[0][0])

    def face(self, face_id: int) -> FaceRow:
        """One face.

        Raises:
            UserInputError: It is gone.
        """
        query = (
            "SELECT id, photo_id, position, quad, picture, coalesce(person_id, 0), is_confirmed "
            "FROM face WHERE id = ?"
        )
        rows = self._all(query, (face_id,))
        if not rows:
            raise UserInputError("This face is no longer in the library.", "Choose another face.")
        return self._face(rows[0])

    def refusals(self) -> set[tuple[int, int]]:
        """Faces and the people that the user said they are not."""
        return set(self._all("SELECT face_id, person_id FROM face_refusal"))

    def vectors(self, faces: Sequence[FaceRow]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Vectors of faces, (N, D) unit length, and which of them could be read in full."""
        encoder = self.encoder()
        if encoder is None or not faces:
            return np.zeros((len(faces), 0), dtype=np.float32), np.zeros(len(faces), dtype=np.bool_)
        positions = np.array([face.position for face in faces], dtype=np.int64)
        halves, is_there = self._segments(encoder).read(positions)
        rows = halves.astype(np.float32)
        length = np.linalg.norm(rows, axis=1)
        is_usable = is_there & np.isfinite(length) & (length > 0.5) & (length < 1.5)
        rows[~is_usable] = 0.0
        rows[is_usable] /= length[is_usable, None]
        return rows, is_usable

    def waiting(self, encoder: FaceEncoderRow | None) -> list[int]:
        """Photos whose present content was not looked at with this encoder, by id."""
        query = (
            "SELECT photo.id FROM photo LEFT JOIN face_search ON face_search.photo_id = photo.id "
            "AND face_search.digest IS photo.digest AND face_search.encoder_id = ? "
            "WHERE photo.state = 'indexed' AND face_search.photo_id IS NULL ORDER BY photo.id"
        )
        return [row[0] for row in self._all(query, (encoder.encoder_id if encoder else 0,))]

    def searched(self) -> int:
        """Photos that were looked at."""
        query = (
            "SELECT count(*) FROM face_search JOIN photo ON photo.id = photo_id AND photo.state = 'indexed'"
        )
        return int(self._all(query)[0][0])

    # --- what a search writes -------------------------------------------------------------------

    def use_encoder(self, name: str, version: str, *, embedding_size: int) -> FaceEncoderRow:
        """The encoder to store vectors under; vectors of another one wait until their photos are redone."""
        current = self.encoder()
        wanted = (name, version, embedding_size)
        if current is not None and (current.name, current.version, current.embedding_size) == wanted:
            return current
        query = "INSERT INTO face_encoder (name, version, embedding_size) VALUES (?, ?, ?) RETURNING id"
        with transaction(self._connection, self._file):
            row = self._connection.execute(query, wanted).fetchone()
        return FaceEncoderRow(row[0], *wanted)

    def store(self, photos: Sequence[SearchedPhoto], encoder: FaceEncoderRow) -> None:
        """Write what was found: vectors and pictures to disk first, then all rows in one transaction.

        A face at the place of an earlier one of the same photo keeps its person.

        Raises:
            ResourceError: Disk full or not writable; nothing of these photos is stored then.
        """
        found = [(photo.photo_id, face) for photo in photos for face in photo.faces]
        start = self._next_position(encoder)
        if found:
            self._segments(encoder).write(start, np.stack([face.vector for _, face in found]))
        names = [self._write_picture(photo_id, face) for photo_id, face in found]
        with transaction(self._connection, self._file):
            earlier = {photo.photo_id: self._earlier_faces(photo.photo_id) for photo in photos}
            for photo in photos:
                self._connection.execute("DELETE FROM face WHERE photo_id = ?", (photo.photo_id,))
                self._connection.execute(
                    "INSERT OR REPLACE INTO face_search (photo_id, encoder_id, digest) "
                    "SELECT id, ?, digest FROM photo WHERE id = ?",
                    (encoder.encoder_id, photo.photo_id),
                )
            for number, (photo_id, face) in enumerate(found):
                before = _at_same_place(face.quad, earlier[photo_id])
                self._put_face((photo_id, encoder.encoder_id, start + number), face.quad, names[number])
                if before is not None:
                    self._take_over(before, start + number, encoder)

    def write_groups(self, person_of: dict[int, int], new: Iterable[Sequence[int]]) -> None:
        """Store a grouping: faces of people that are there, 0 for nobody, and groups that are new people."""
        with transaction(self._connection, self._file):
            self._connection.executemany(
                "UPDATE face SET person_id = ? WHERE id = ?",
                [(person_id or None, face_id) for face_id, person_id in person_of.items()],
            )
            for faces in new:
                self._give(faces, self._new_person(is_kept=False))
            self._drop_empty()

    def drop_old_encoders(self) -> None:
        """Delete the vectors of earlier encoders that no face needs any more."""
        query = (
            "SELECT id, name, version, embedding_size FROM face_encoder "
            "WHERE id < (SELECT max(id) FROM face_encoder) "
            "AND NOT EXISTS (SELECT 1 FROM face WHERE encoder_id = face_encoder.id)"
        )
        old = [FaceEncoderRow(*row) for row in self._all(query)]
        with transaction(self._connection, self._file):
            self._connection.executemany(
                "DELETE FROM face_encoder WHERE id = ?", [(encoder.encoder_id,) for encoder in old]
            )
        for encoder in old:
            self._segments(encoder).remove_all()

    # --- what the user says ---------------------------------------------------------------------

    def name(self, person_id: int, name: str) -> int:
        """Give a person a name; a name that another person has joins the two. Returns the person now.

        Raises:
            UserInputError: The person is gone, or the name is empty or too long.
        """
        clean = _clean(name)
        self._check_person(person_id)
        same = [
            person.person_id
            for person in self.people()
            if person.name.casefold() == clean.casefold() and person.person_id != person_id
        ]
        with transaction(self._connection, self._file):
            self._connection.execute(
                "UPDATE person SET name = ?, is_kept = 1 WHERE id = ?", (clean, person_id)
            )
        return self.merge([*same, person_id]) if same else person_id

    def merge(self, person_ids: Sequence[int]) -> int:
        """Join people; the first with a name, else the first, stays. Returns who stays.

        Raises:
            UserInputError: Fewer than two of them are there.
        """
        known = {person.person_id: person for person in self.people()}
        wanted = [i for i in dict.fromkeys(person_ids) if i in known]
        if len(wanted) < 2:
            raise UserInputError("Two people are needed to join them.", "Choose at least two.")
        stays = next((i for i in wanted if known[i].name), wanted[0])
        others = [i for i in wanted if i != stays]
        with transaction(self._connection, self._file):
            for other in others:
                self._connection.execute("UPDATE face SET person_id = ? WHERE person_id = ?", (stays, other))
                self._connection.execute("DELETE FROM person WHERE id = ?", (other,))
            self._connection.execute(
                "UPDATE person SET is_kept = 1, is_hidden = ? WHERE id = ?",
                (all(known[i].is_hidden for i in wanted), stays),
            )
            self._connection.execute("UPDATE face SET is_confirmed = 1 WHERE person_id = ?", (stays,))
        return stays

    def hide(self, person_id: int, *, is_hidden: bool) -> None:
        """Hide a person, or show them again.

        Raises:
            UserInputError: The person is gone.
        """
        self._check_person(person_id)
        with transaction(self._connection, self._file):
            self._connection.execute(
                "UPDATE person SET is_hidden = ?, is_kept = 1 WHERE id = ?", (is_hidden, person_id)
            )

    def move(self, face_ids: Sequence[int], person_id: int) -> int:
        """Give faces to a person (-1: a new one), or to nobody (0): they never come back by themselves.

        Returns:
            The person they are with now, or 0.

        Raises:
            UserInputError: The person is gone.
        """
        if person_id > 0:
            self._check_person(person_id)
        with transaction(self._connection, self._file):
            self._connection.executemany(
                "INSERT OR IGNORE INTO face_refusal (face_id, person_id) SELECT id, person_id FROM face "
                "WHERE id = ? AND person_id IS NOT NULL AND person_id <> ?",
                [(face_id, person_id) for face_id in face_ids],
            )
            target = self._new_person(is_kept=True) if person_id < 0 else person_id
            self._give(face_ids, target, is_confirmed=target > 0)
            if target:
                self._connection.execute("UPDATE person SET is_kept = 1 WHERE id = ?", (target,))
                self._connection.executemany(
                    "DELETE FROM face_refusal WHERE face_id = ? AND person_id = ?",
                    [(face_id, target) for face_id in face_ids],
                )
            self._drop_empty()
        return target

    def forget_all(self) -> None:
        """Wipe faces, vectors, pictures, people and names; the bytes in the database are overwritten.

        Raises:
            ResourceError: Files could not be deleted.
        """
        with translated_errors(self._file):
            self._connection.execute("PRAGMA secure_delete = ON")
        with transaction(self._connection, self._file):
            for table in ("face_refusal", "face", "face_search", "person", "face_encoder"):
                self._connection.execute(f"DELETE FROM {table}")
        with translated_errors(self._file), contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        try:
            if self._folder.exists():
                shutil.rmtree(self._folder)
        except OSError as error:
            raise disk_error(error, "The files of the faces could not all be deleted") from error

    # --- inside ---------------------------------------------------------------------------------

    def _all(self, query: str, bounds: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with translated_errors(self._file):
            return self._connection.execute(query, tuple(bounds)).fetchall()

    def _face(self, row: tuple[Any, ...]) -> FaceRow:
        face_id, photo_id, position, quad, picture, person_id, is_confirmed = row
        file = self._folder / "pictures" / picture
        return FaceRow(face_id, photo_id, position, _quad(quad), file, person_id, bool(is_confirmed))

    def _segments(self, encoder: FaceEncoderRow) -> SegmentFiles:
        return SegmentFiles(self._folder / "vectors" / str(encoder.encoder_id), encoder.embedding_size)

    def _next_position(self, encoder: FaceEncoderRow) -> int:
        query = "SELECT coalesce(max(position) + 1, 0) FROM face WHERE encoder_id = ?"
        return int(self._all(query, (encoder.encoder_id,))[0][0])

    def _write_picture(self, photo_id: int, face: NewFace) -> str:
        """Write the small picture of a face; returns its name below the folder of pictures."""
        buffer = io.BytesIO()
        PillowImage.fromarray(face.picture).save(buffer, "JPEG", quality=_QUALITY)
        content = buffer.getvalue()
        key = hashlib.blake2b(content, digest_size=10).hexdigest()
        name = f"{key[:2]}/{photo_id}-{key[2:]}.jpg"
        target = self._folder / "pictures" / name
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise disk_error(error, "The picture of a face cannot be written") from error
        return name

    def _put_face(self, keys: tuple[int, int, int], quad: Quad, name: str) -> None:
        self._connection.execute(
            "INSERT INTO face (photo_id, encoder_id, position, quad, picture) "
            "SELECT id, ?, ?, ?, ? FROM photo WHERE id = ?",
            (keys[1], keys[2], np.array(quad, dtype="<f8").tobytes(), name, keys[0]),
        )

    def _earlier_faces(self, photo_id: int) -> list[tuple[Quad, int, int, list[int]]]:
        """Places, people and refusals of the faces that a photo has."""
        rows = self._connection.execute(
            "SELECT id, quad, coalesce(person_id, 0), is_confirmed FROM face WHERE photo_id = ?", (photo_id,)
        ).fetchall()
        found = []
        for face_id, quad, person_id, is_confirmed in rows:
            refused = self._connection.execute(
                "SELECT person_id FROM face_refusal WHERE face_id = ?", (face_id,)
            ).fetchall()
            found.append((_quad(quad), person_id, is_confirmed, [row[0] for row in refused]))
        return found

    def _take_over(
        self, before: tuple[Quad, int, int, list[int]], position: int, encoder: FaceEncoderRow
    ) -> None:
        """Give a face what was known of the one that was at its place."""
        _, person_id, is_confirmed, refused = before
        row = self._connection.execute(
            "UPDATE face SET person_id = ?, is_confirmed = ? WHERE encoder_id = ? AND position = ? "
            "RETURNING id",
            (person_id or None, is_confirmed, encoder.encoder_id, position),
        ).fetchone()
        if row:
            self._connection.executemany(
                "INSERT OR IGNORE INTO face_refusal (face_id, person_id) VALUES (?, ?)",
                [(row[0], other) for other in refused],
            )

    def _new_person(self, *, is_kept: bool) -> int:
        row = self._connection.execute(
            "INSERT INTO person (is_kept) VALUES (?) RETURNING id", (is_kept,)
        ).fetchone()
        return int(row[0])

    def _give(self, face_ids: Sequence[int], person_id: int, *, is_confirmed: bool = False) -> None:
        self._connection.executemany(
            "UPDATE face SET person_id = ?, is_confirmed = ? WHERE id = ?",
            [(person_id or None, is_confirmed, face_id) for face_id in face_ids],
        )

    def _drop_empty(self) -> None:
        """People without a face are forgotten, unless they have a name: their photos may come back."""
        self._connection.execute(
            "DELETE FROM person WHERE name = '' AND NOT EXISTS "
            "(SELECT 1 FROM face WHERE face.person_id = person.id)"
        )

    def _check_person(self, person_id: int) -> None:
        if not self._all("SELECT 1 FROM person WHERE id = ?", (person_id,)):
            raise UserInputError("This person is no longer there.", "Choose another one.")


def _quad(content: bytes) -> Quad:
    return tuple((float(x), float(y)) for x, y in np.frombuffer(content, dtype="<f8").reshape(4, 2))


def _at_same_place(
    quad: Quad, earlier: list[tuple[Quad, int, int, list[int]]]
) -> tuple[Quad, int, int, list[int]] | None:
    corners = np.array(quad)
    side = float(np.hypot(*(corners[3] - corners[0])))
    for known in earlier:
        distance = float(np.hypot(*(np.array(known[0]).mean(axis=0) - corners.mean(axis=0))))
        if distance < _SAME_PLACE * side:
            return known
    return None


def _clean(name: str) -> str:
    return clean_name(
        name, kind="person", most=MOST_NAME_LETTERS, hint="Type it, or leave the person without one."
    )
