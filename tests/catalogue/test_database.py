"""Opening, migrating and refusing library files."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from desktop_app.catalogue import database, schema
from desktop_app.catalogue.catalogue import Catalogue
from desktop_app.catalogue.database import DATABASE_NAME, check_integrity, open_database, transaction
from desktop_app.core.errors import CatalogueError, ResourceError


def test_new_library_has_the_current_format_and_safe_settings(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a" / "b")
    ask = lambda name: connection.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
    assert ask("user_version") == schema.SCHEMA_VERSION
    assert ask("journal_mode") == "wal"
    assert ask("foreign_keys") == 1
    assert ask("synchronous") == 2
    connection.close()
    open_database(tmp_path / "a" / "b").close()


def test_newer_library_is_refused(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CatalogueError, match="newer version of Contrastyle"):
        open_database(tmp_path)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"this is not a database at all, whatever it is called" * 50)
    with pytest.raises(CatalogueError, match="damaged"):
        open_database(tmp_path)


def test_database_of_another_program_is_refused_and_untouched(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / DATABASE_NAME)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    before = (tmp_path / DATABASE_NAME).read_bytes()
    with pytest.raises(CatalogueError, match="another program"):
        open_database(tmp_path)
    assert (tmp_path / DATABASE_NAME).read_bytes() == before


def test_damage_inside_is_found(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    with transaction(connection, tmp_path / DATABASE_NAME):
        for number in range(3000):
            connection.execute("INSERT INTO folder (path) VALUES (?)", (b"/photos/%06d" % number,))
    check_integrity(connection, tmp_path / DATABASE_NAME)
    connection.close()
    content = bytearray((tmp_path / DATABASE_NAME).read_bytes())
    content[8192:40000] = b"\xa5" * (40000 - 8192)
    (tmp_path / DATABASE_NAME).write_bytes(content)
    with pytest.raises(CatalogueError, match="damaged"):
        connection = open_database(tmp_path)
        try:
            check_integrity(connection, tmp_path / DATABASE_NAME)
        finally:
            connection.close()


def test_migration_keeps_content_and_leaves_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = open_database(tmp_path)
    connection.execute("INSERT INTO folder (path) VALUES (?)", (b"/photos",))
    connection.close()
    steps = (*schema.STEPS, "ALTER TABLE folder ADD COLUMN note TEXT NOT NULL DEFAULT '';")
    monkeypatch.setattr(database, "STEPS", steps)
    monkeypatch.setattr(database, "SCHEMA_VERSION", len(steps))
    connection = open_database(tmp_path)
    assert connection.execute("SELECT path, note FROM folder").fetchall() == [(b"/photos", "")]
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(steps)
    connection.close()
    before = len(steps) - 1
    backup = sqlite3.connect(tmp_path / f"library.format-{before}.backup.db")
    assert backup.execute("SELECT path FROM folder").fetchall() == [(b"/photos",)]
    assert backup.execute("PRAGMA user_version").fetchone()[0] == before
    backup.close()


def test_embeddings_of_an_older_library_are_of_full_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STEPS", schema.STEPS[:4])
    monkeypatch.setattr(database, "SCHEMA_VERSION", 4)
    connection = open_database(tmp_path)
    connection.execute(
        "INSERT INTO photo (id, path, sort_name, size_bytes, modified_ns, width_px, height_px, digest, "
        "state, reason) VALUES (1, ?, 'a', 10, 20, 4, 3, ?, 'indexed', '')",
        (b"/p/a.jpg", b"d" * 16),
    )
    connection.execute("INSERT INTO model (id, name, version, embedding_size) VALUES (1, 'a', '1', 4)")
    connection.execute("INSERT INTO vector (model_id, photo_id, position) VALUES (1, 1, 0)")
    connection.commit()
    connection.close()
    monkeypatch.undo()
    opened = Catalogue.open(tmp_path)
    known = opened.photos.known_below([Path("/p")], model_id=1)[Path("/p/a.jpg")]
    assert known.has_vector and not known.is_preview
    assert opened.photos.facts_by_digest(model_id=1) == {b"d" * 16: (1, False)}
    opened.close()


def test_failed_migration_leaves_the_old_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_database(tmp_path).close()
    steps = (*schema.STEPS, "ALTER TABLE folder ADD COLUMN note TEXT; ALTER TABLE nothing ADD COLUMN x;")
    monkeypatch.setattr(database, "STEPS", steps)
    monkeypatch.setattr(database, "SCHEMA_VERSION", len(steps))
    with pytest.raises(CatalogueError):
        open_database(tmp_path)
    monkeypatch.undo()
    connection = open_database(tmp_path)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(folder)")]
    assert columns == ["id", "path"]
    connection.close()


def test_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    with pytest.raises(ZeroDivisionError), transaction(connection, tmp_path / DATABASE_NAME):
        connection.execute("INSERT INTO folder (path) VALUES (?)", (b"/photos",))
        raise ZeroDivisionError
    assert connection.execute("SELECT count(*) FROM folder").fetchone()[0] == 0
    connection.close()


def test_full_disk_and_lock_are_resource_errors(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with (
        pytest.raises(ResourceError, match="disk is full"),
        transaction(connection, tmp_path / DATABASE_NAME),
    ):
        connection.execute("INSERT INTO folder (path) VALUES (?)", (bytes(200_000),))
    connection.execute("PRAGMA max_page_count = 1000000")
    other = open_database(tmp_path)
    other.execute("PRAGMA busy_timeout = 10")
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(ResourceError, match="in use"), transaction(other, tmp_path / DATABASE_NAME):
        pass
    connection.execute("ROLLBACK")
    other.close()
    connection.close()


def test_disk_errors_say_what_happened() -> None:
    assert "full" in database.disk_error(OSError(errno.ENOSPC, "No space left"), "It cannot be saved").message
    assert "Read-only" in database.disk_error(OSError(errno.EROFS, "Read-only file system"), "X").message


def test_folder_that_cannot_be_made_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError):
        open_database(tmp_path / "file" / "library")
