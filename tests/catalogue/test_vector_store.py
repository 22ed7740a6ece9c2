"""Exact search over stored embeddings, with FAISS and without."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue import vector_store as module
from desktop_app.catalogue.catalogue import Batch, Catalogue, StoredModel
from desktop_app.catalogue.vector_store import VectorStore
from desktop_app.core.types import FloatArray, PhotoState
from tests.catalogue.test_catalogue import facts, unit

SIZE = 16


@pytest.fixture(params=["faiss", "numpy"])
def library(
    request: pytest.FixtureRequest, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> Catalogue:
    if request.param == "numpy":
        monkeypatch.setattr(module, "faiss", None)
    return catalogue


def fill(
    catalogue: Catalogue, rows: FloatArray, *, first: int = 0, model: StoredModel | None = None
) -> list[int]:
    model = model or catalogue.use_model("m", "1", embedding_size=rows.shape[1])
    photos = [facts(f"/p/{first + i}.jpg") for i in range(len(rows))]
    return [row.photo_id for row in catalogue.store(Batch(photos=photos, embeddings=rows), model)]


def brute(rows: FloatArray, ids: list[int], query: FloatArray, count: int) -> list[int]:
    halves = rows.astype(np.float16).astype(np.float32)
    return [ids[i] for i in np.argsort(-(halves @ query), kind="stable")[:count]]


def test_answers_are_those_of_a_plain_scan(library: Catalogue) -> None:
    rows = unit(300, SIZE)
    ids = fill(library, rows)
    store = VectorStore(library, model_name="m")
    assert store.count == 300
    for query in unit(5, SIZE, seed=9):
        found = store.search(query, 10)
        assert [n.photo_id for n in found] == brute(rows, ids, query, 10)
        assert found[0].similarity == pytest.approx(float((rows @ query).max()), abs=2e-3)
    assert len(store.search(rows[0], 1000)) == 300


def test_added_changed_and_removed_photos_are_followed(library: Catalogue) -> None:
    rows = unit(20, SIZE)
    ids = fill(library, rows)
    store = VectorStore(library, model_name="m")
    store.search(rows[0], 1)
    more = unit(5, SIZE, seed=1)
    new = fill(library, more, first=100)
    store.add(new, more)
    assert store.search(more[2], 1)[0].photo_id == new[2]
    store.remove([new[2], ids[0]])
    assert store.count == 23
    assert new[2] not in [n.photo_id for n in store.search(more[2], 25)]
    turned = -rows[:1]
    store.add([ids[1]], turned)
    assert store.search(turned[0], 1)[0].photo_id == ids[1]
    assert len([n for n in store.search(turned[0], 30) if n.photo_id == ids[1]]) == 1


def test_worn_index_is_read_anew(library: Catalogue) -> None:
    rows = unit(400, SIZE)
    ids = fill(library, rows)
    store = VectorStore(library, model_name="m")
    assert store.count == 400
    library.photos.set_state(ids[:300], PhotoState.MISSING)
    store.remove(ids[:300])
    assert store.count == 100
    assert store._removed == 0
    assert store.search(rows[350], 1)[0].photo_id == ids[350]


def test_other_program_writing_is_noticed(library: Catalogue) -> None:
    rows = unit(4, SIZE)
    fill(library, rows)
    store = VectorStore(library, model_name="m")
    assert store.count == 4
    other = Catalogue.open(library.folder)
    model = other.current_model("m")
    assert model is not None
    fill(other, unit(3, SIZE, seed=5), first=50, model=model)
    other.close()
    assert store.count == 7


def test_models_are_never_mixed(library: Catalogue) -> None:
    a, b = unit(6, SIZE), unit(4, SIZE, seed=3)
    fill(library, a, model=library.use_model("a", "1", embedding_size=SIZE))
    ids = fill(library, b, first=10, model=library.use_model("b", "1", embedding_size=SIZE))
    assert VectorStore(library, model_name="a").count == 6
    found = VectorStore(library, model_name="b").search(b[0], 10)
    assert {n.photo_id for n in found} == set(ids)
    assert VectorStore(library, model_name="unknown").search(b[0], 3) == []


def test_lost_and_damaged_rows_are_dropped_not_answered(
    library: Catalogue, expected_log: list[logging.LogRecord]
) -> None:
    rows = unit(10, SIZE)
    ids = fill(library, rows)
    (file,) = [p for p in (library.folder / "vectors").rglob("*") if p.is_file()]
    content = np.fromfile(file, dtype=np.float16).reshape(10, SIZE)
    content[3] = np.nan
    content[4] *= 7
    content[:8].tofile(file)
    store = VectorStore(library, model_name="m")
    assert {n.photo_id for n in store.search(rows[0], 20)} == {ids[i] for i in (0, 1, 2, 5, 6, 7)}
    model = library.current_model("m")
    assert model is not None
    assert library.positions(model)[0].tolist() == [ids[i] for i in (0, 1, 2, 5, 6, 7)]
    assert "lost" in expected_log[0].getMessage()


def test_single_vector_comes_from_disk_and_a_lost_one_is_none(
    library: Catalogue, expected_log: list[logging.LogRecord]
) -> None:
    rows = unit(3, SIZE)
    ids = fill(library, rows)
    store = VectorStore(library, model_name="m")
    one = store.vector_of(ids[1])
    assert one is not None and np.abs(one - rows[1]).max() < 2e-3
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-6)
    assert store.vector_of(12345) is None
    for file in (library.folder / "vectors").rglob("*.f16"):
        file.unlink()
    assert store.vector_of(ids[1]) is None


def test_background_is_sorted_the_same_each_time_and_measured_again_when_the_library_grows(
    library: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BACKGROUND_SAMPLE", 50)
    rows = unit(120, SIZE)
    fill(library, rows)
    first = VectorStore(library, model_name="m").background()
    store = VectorStore(library, model_name="m")
    assert len(first) == 50 * 49 // 2 and (np.diff(first) >= 0).all()
    assert np.array_equal(first, store.background())
    assert abs(float(first.mean())) < 0.1
    more = unit(60, SIZE, seed=2)
    store.add(fill(library, more, first=500), more)
    assert not np.array_equal(first, store.background())


def test_empty_library_has_no_neighbours_and_no_background(library: Catalogue, tmp_path: Path) -> None:
    store = VectorStore(library, model_name="m")
    assert store.count == 0 and store.search(unit(1, SIZE)[0], 5) == [] and len(store.background()) == 0
