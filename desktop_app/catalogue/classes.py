"""The user's classes and the marks on photos."""

from __future__ import annotations

import sqlite3
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from desktop_app.catalogue.database import transaction, translated_errors
from desktop_app.catalogue.names import clean_name
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import ClassInfo, Mark

MOST_NAME_LETTERS = 80


@dataclass(frozen=True, slots=True)
class PhotoMark:
    """One mark: the photo, and whether it is a member."""

    photo_id: int
    is_member: bool


class ClassRepository:
    """Reads and writes classes and marks; every change is one transaction.

    Args:
        connection: The library's connection.
        file: Its database file, for messages.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._file = file

    # --- reading --------------------------------------------------------------------------------

    def all(self) -> tuple[ClassInfo, ...]:
        """All classes with their numbers of marks on photos that are there, by name."""
        query = (
            "SELECT class.id, class.name, coalesce(sum(is_member = 1 AND photo.id IS NOT NULL), 0), "
            "coalesce(sum(is_member = 0 AND photo.id IS NOT NULL), 0), "
            "coalesce(sum(is_answer = 1 AND photo.id IS NOT NULL), 0) "
            "FROM class LEFT JOIN class_mark ON class_mark.class_id = class.id "
            "LEFT JOIN photo ON photo.id = class_mark.photo_id AND photo.state = 'indexed' "
            "GROUP BY class.id ORDER BY class.folded_name"
        )
        with translated_errors(self._file):
            rows = self._connection.execute(query).fetchall()
        return tuple(ClassInfo(*row) for row in rows)

    def by_id(self, class_id: int) -> ClassInfo:
        """One class.

        Raises:
            UserInputError: There is none.
        """
        for one in self.all():
            if one.class_id == class_id:
                return one
        raise UserInputError("This class is no longer there.", "Choose another class.")

    def by_name(self, name: str) -> ClassInfo:
        """The class of a name; capitals make no difference.

        Raises:
            UserInputError: There is none.
        """
        folded = _folded(name)
        for one in self.all():
            if _folded(one.name) == folded:
                return one
        raise UserInputError(f"There is no class named '{name}'.", "contrastyle classes list names them.")

    def marks(self, class_id: int) -> list[PhotoMark]:
        """Marks of a class on photos that are there, the newest first."""
        query = (
            "SELECT photo_id, is_member FROM class_mark JOIN photo ON photo.id = photo_id "
            "WHERE class_id = ? AND photo.state = 'indexed' ORDER BY marked_at DESC, photo_id"
        )
        with translated_errors(self._file):
            rows = self._connection.execute(query, (class_id,)).fetchall()
        return [PhotoMark(photo_id, bool(is_member)) for photo_id, is_member in rows]

    # --- writing --------------------------------------------------------------------------------

    def create(self, name: str) -> int:
        """Make a class, or find the one of that name; returns its id.

        Raises:
            UserInputError: The name is empty or too long.
        """
        clean = _clean(name)
        with transaction(self._connection, self._file):
            self._connection.execute(
                "INSERT INTO class (name, folded_name) VALUES (?, ?) ON CONFLICT (folded_name) DO NOTHING",
                (clean, _folded(clean)),
            )
            found = self._connection.execute("SELECT id FROM class WHERE folded_name = ?", (_folded(clean),))
            return int(found.fetchone()[0])

    def rename(self, class_id: int, name: str) -> None:
        """Give a class another name.

        Raises:
            UserInputError: The name is empty, too long or taken, or the class is gone.
        """
        clean = _clean(name)
        query = "SELECT 1 FROM class WHERE folded_name = ? AND id <> ?"
        with transaction(self._connection, self._file):
            if self._connection.execute(query, (_folded(clean), class_id)).fetchone():
                raise UserInputError(f"There is another class named '{clean}'.", "Choose another name.")
            changed = self._connection.execute(
                "UPDATE class SET name = ?, folded_name = ? WHERE id = ?", (clean, _folded(clean), class_id)
            ).rowcount
            _check_found(changed)

    def remove(self, class_id: int) -> None:
        """Forget a class and its marks.

        Raises:
            UserInputError: It is gone already.
        """
        with transaction(self._connection, self._file):
            _check_found(self._connection.execute("DELETE FROM class WHERE id = ?", (class_id,)).rowcount)

    def mark(self, class_id: int, photo_ids: Sequence[int], *, mark: Mark, is_answer: bool = False) -> int:
        """Mark photos, or take marks back; returns how many of the photos are in the library.

        Raises:
            UserInputError: The class is gone.
        """
        now = time.time()
        with transaction(self._connection, self._file):
            found = self._connection.execute("SELECT count(*) FROM class WHERE id = ?", (class_id,))
            _check_found(found.fetchone()[0])
            done = 0
            for photo_id in photo_ids:
                done += self._mark_one((class_id, int(photo_id)), mark=mark, is_answer=is_answer, now=now)
        return done

    def _mark_one(self, key: tuple[int, int], *, mark: Mark, is_answer: bool, now: float) -> int:
        if mark is Mark.NONE:
            query = "DELETE FROM class_mark WHERE class_id = ? AND photo_id = ?"
            return self._connection.execute(query, key).rowcount
        return self._connection.execute(
            "INSERT OR REPLACE INTO class_mark (class_id, photo_id, is_member, is_answer, marked_at) "
            "SELECT ?, id, ?, ?, ? FROM photo WHERE id = ?",
            (key[0], mark is Mark.IS, is_answer, now, key[1]),
        ).rowcount


def _clean(name: str) -> str:
    return clean_name(name, kind="class", most=MOST_NAME_LETTERS, hint="Type a word, for example 'cats'.")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def _check_found(count: int) -> None:
    if not count:
        raise UserInputError("This class is no longer there.", "Choose another class.")
