"""Classes and marks in the library file, and the way there from a file of the first format."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from desktop_app.catalogue import schema
from desktop_app.catalogue.catalogue import Catalogue
from desktop_app.catalogue.database import DATABASE_NAME
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Mark


def _add_photos(connection: sqlite3.Connection, count: int) -> None:
    for number in range(count):
        connection.execute(
            "INSERT INTO photo "
            "(path, sort_name, size_bytes, modified_ns, width_px, height_px, state, reason) "
            "VALUES (?, ?, 1, 1, 4, 4, 'indexed', '')",
            (b"/photos/%d.jpg" % number, str(number)),
        )


@pytest.fixture
def filled(catalogue: Catalogue) -> Catalogue:
    _add_photos(catalogue._connection, 5)
    return catalogue


def test_marks_survive_a_restart_and_the_later_mark_counts(filled: Catalogue) -> None:
    cats = filled.classes.create("Cats")
    assert filled.classes.create("  cats ") == cats, "capitals and spaces make no other class"
    assert filled.classes.mark(cats, [1, 2, 3], mark=Mark.IS) == 3
    assert filled.classes.mark(cats, [3], mark=Mark.IS_NOT, is_answer=True) == 1
    assert filled.classes.mark(cats, [1], mark=Mark.NONE) == 1
    assert filled.classes.mark(cats, [999], mark=Mark.IS) == 0
    again = Catalogue.open(filled.folder)
    one = again.classes.by_name("CATS")
    assert (one.name, one.members, one.others, one.answered) == ("Cats", 1, 1, 1)
    assert {(m.photo_id, m.is_member) for m in again.classes.marks(cats)} == {(2, True), (3, False)}
    again.close()


def test_marks_go_with_photos_and_classes_and_missing_photos_wait(filled: Catalogue) -> None:
    cats, dogs = filled.classes.create("cats"), filled.classes.create("dogs")
    filled.classes.mark(cats, [1, 2], mark=Mark.IS)
    filled.classes.mark(dogs, [1], mark=Mark.IS)
    filled._connection.execute("UPDATE photo SET state = 'missing' WHERE id = 1")
    assert [m.photo_id for m in filled.classes.marks(cats)] == [2]
    assert [one.members for one in filled.classes.all()] == [1, 0]
    filled._connection.execute("UPDATE photo SET state = 'indexed' WHERE id = 1")
    assert [one.members for one in filled.classes.all()] == [2, 1]
    filled.photos.remove([1])
    assert [one.members for one in filled.classes.all()] == [1, 0]
    filled.classes.remove(cats)
    assert filled._connection.execute("SELECT count(*) FROM class_mark").fetchone()[0] == 0


def test_names_are_checked(filled: Catalogue) -> None:
    cats = filled.classes.create("cats")
    filled.classes.create("Straße")
    for name in ("", "  ", "\x07", "x" * 81):
        with pytest.raises(UserInputError):
            filled.classes.create(name)
    with pytest.raises(UserInputError, match="another class"):
        filled.classes.rename(cats, "STRASSE")
    filled.classes.rename(cats, "CATS")
    assert filled.classes.by_id(cats).name == "CATS"
    for wrong in (lambda: filled.classes.rename(77, "x"), lambda: filled.classes.remove(77)):
        with pytest.raises(UserInputError, match="no longer there"):
            wrong()
    with pytest.raises(UserInputError, match="no longer there"):
        filled.classes.mark(77, [1], mark=Mark.IS)


def test_library_of_the_first_format_gets_the_tables_and_keeps_its_photos(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / DATABASE_NAME)
    old.executescript(schema.STEPS[0])
    _add_photos(old, 3)
    old.execute("PRAGMA user_version = 1")
    old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    old.commit()
    old.close()
    catalogue = Catalogue.open(tmp_path)
    assert len(catalogue.photos.by_ids([1, 2, 3])) == 3 and catalogue.classes.all() == ()
    cats = catalogue.classes.create("cats")
    assert catalogue.classes.mark(cats, [1], mark=Mark.IS) == 1
    catalogue.close()
    backup = sqlite3.connect(tmp_path / "library.format-1.backup.db")
    assert backup.execute("SELECT count(*) FROM photo").fetchone()[0] == 3
    backup.close()
