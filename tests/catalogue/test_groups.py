"""Marked groups in the database: joined, taken apart, gone with their photos; the step that adds them."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue import database, schema
from desktop_app.catalogue.catalogue import Batch, Catalogue
from desktop_app.catalogue.database import DATABASE_NAME, open_database
from desktop_app.catalogue.photos import PhotoFacts
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.thumbnails import content_digest
from desktop_app.core.types import PhotoState


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    made = Catalogue.open(tmp_path / "library")
    facts = [
        PhotoFacts(FileStamp(Path(f"/p/{n % 2}/{n}.jpg"), 10, n), content_digest(b"%d" % n), 4, 3, bytes(304))
        for n in range(6)
    ]
    rows = np.eye(6, 4, dtype=np.float32) + 0.1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made.store(Batch(photos=facts, embeddings=rows), made.use_model("a", "1", embedding_size=4))
    yield made
    made.close()


def _sets(catalogue: Catalogue) -> list[list[int]]:
    return list(catalogue.groups.all().values())


def test_marked_photos_are_a_group_and_survive_closing(catalogue: Catalogue) -> None:
    catalogue.groups.mark([1, 3])
    catalogue.groups.mark([4, 5, 4])
    other = Catalogue.open(catalogue.folder)
    assert _sets(other) == [[4, 5], [1, 3]]  # the newest first
    other.close()


def test_groups_that_share_a_photo_become_one(catalogue: Catalogue) -> None:
    first = catalogue.groups.mark([1, 2])
    catalogue.groups.mark([3, 4])
    assert catalogue.groups.mark([2, 3, 6]) == first
    assert _sets(catalogue) == [[1, 2, 3, 4, 6]]


def test_group_of_one_is_none(catalogue: Catalogue) -> None:
    catalogue.groups.mark([1, 2])
    catalogue.groups.mark([3, 4, 5])
    catalogue.groups.unmark([2, 5])
    assert _sets(catalogue) == [[3, 4]]


def test_removed_and_missing_photos_leave_their_group(catalogue: Catalogue) -> None:
    catalogue.groups.mark([1, 2, 3])
    catalogue.photos.remove([1])
    assert _sets(catalogue) == [[2, 3]]
    catalogue.photos.set_state([2], PhotoState.MISSING)
    assert _sets(catalogue) == []
    catalogue.photos.set_state([2], PhotoState.INDEXED)
    assert _sets(catalogue) == [[2, 3]]


def test_library_of_the_first_format_gets_the_tables_and_keeps_its_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        old.setattr(database, "STEPS", schema.STEPS[:1])
        old.setattr(database, "SCHEMA_VERSION", 1)
        connection = open_database(tmp_path)
        connection.execute(
            "INSERT INTO photo (path, sort_name, size_bytes, modified_ns, width_px, height_px, "
            "state, reason) VALUES (?, 'a', 1, 1, 1, 1, 'indexed', ''), (?, 'b', 1, 1, 1, 1, 'indexed', '')",
            (b"/a", b"/b"),
        )
        connection.close()
    made = Catalogue.open(tmp_path)
    made.groups.mark([1, 2])
    assert _sets(made) == [[1, 2]]
    made.close()
    backup = sqlite3.connect(tmp_path / "library.format-1.backup.db")
    assert backup.execute("SELECT count(*) FROM photo").fetchone()[0] == 2
    backup.close()
    assert (tmp_path / DATABASE_NAME).is_file()


def test_vectors_of_a_second_model_stand_beside_the_first(catalogue: Catalogue) -> None:
    first = catalogue.current_model("a")
    assert first is not None
    ids, before = catalogue.stored_vectors(first)
    second = catalogue.use_model("b", "1", embedding_size=4)
    catalogue.put_vectors(second, [*ids.tolist(), 999], np.vstack([before[:, ::-1], np.ones((1, 4))]))
    assert catalogue.vector_counts() == {"a": 6, "b": 6}
    again, rows = catalogue.stored_vectors(second)
    assert again.tolist() == ids.tolist()
    assert np.allclose(rows, before[:, ::-1], atol=2e-3)
    assert np.array_equal(catalogue.stored_vectors(first)[1], before)
    catalogue.remove_model("b")
    catalogue.remove_model("none")
    assert catalogue.vector_counts() == {"a": 6}


def test_photos_that_a_model_has_not_read_are_counted(catalogue: Catalogue) -> None:
    first = catalogue.current_model("a")
    assert first is not None
    ids, before = catalogue.stored_vectors(first)
    second = catalogue.use_model("b", "1", embedding_size=4)
    catalogue.put_vectors(second, ids.tolist()[1:], before[1:])
    assert [catalogue.count_unread(model) for model in (first, second, None)] == [0, 1, 6]
    catalogue.photos.set_state(ids.tolist()[:2], PhotoState.MISSING)
    assert [catalogue.count_unread(model) for model in (first, second, None)] == [0, 0, 4]


def test_lost_vectors_are_left_out(catalogue: Catalogue, expected_log: list[logging.LogRecord]) -> None:
    model = catalogue.current_model("a")
    assert model is not None
    catalogue.segments(model).remove_all()
    ids, rows = catalogue.stored_vectors(model)
    assert len(ids) == 0 and rows.shape == (0, 4)


def test_photos_are_counted_by_their_folder(catalogue: Catalogue) -> None:
    assert catalogue.photos.folder_counts() == {Path("/p/0"): 3, Path("/p/1"): 3}
