"""Layout, clusters and places for new rows."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.core.types import FloatArray
from desktop_app.engine.space import layout
from desktop_app.engine.space.clusters import NO_CLUSTER, by_size, find_clusters
from desktop_app.engine.space.layout import LayoutStep, lay_out, place_beside, reduced, scaled


def _groups(count: int, each: int, *, size: int = 24, seed: int = 0) -> tuple[FloatArray, np.ndarray]:
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(count, size))
    labels = np.repeat(np.arange(count), each)
    rows = middles[labels] + 0.25 * rng.normal(size=(count * each, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def _run(rows: FloatArray, seed: int = 0) -> tuple[list[LayoutStep], FloatArray]:
    steps = []
    running = lay_out(rows, seed=seed)
    while True:
        try:
            steps.append(next(running))
        except StopIteration as ending:
            return steps, ending.value


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "EARLY", 60)
    monkeypatch.setattr(layout, "LATE", 60)


def test_neighbours_stay_neighbours_and_steps_tell_how_far_it_is(short: None) -> None:
    rows, labels = _groups(5, 40)
    steps, places = _run(rows)
    assert places.shape == (200, 2) and places.dtype == np.float32 and np.isfinite(places).all()
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(200)
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.97
    done = [step.done for step in steps]
    assert done == sorted(done) and steps[-1].done == steps[-1].total
    assert [step.stage for step in steps[:2]] == ["Reducing", "Finding neighbours"]
    assert steps[-1].places is not None
    assert np.abs(places).max(axis=1).mean() < 1.0


def test_layout_repeats_with_its_seed(short: None) -> None:
    rows, _ = _groups(3, 10)
    np.testing.assert_array_equal(_run(rows, 1)[1], _run(rows, 1)[1])


@pytest.mark.parametrize("rows", [np.ones((12, 8), np.float32) / np.sqrt(8), np.eye(10, dtype=np.float32)])
def test_identical_and_few_photos_have_places(short: None, rows: FloatArray) -> None:
    places = _run(rows.astype(np.float32))[1]
    assert places.shape == (len(rows), 2) and np.isfinite(places).all()
    assert find_clusters(places).shape == (len(rows),)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 10"):
        next(lay_out(np.eye(5, dtype=np.float32)))


def test_neighbours_without_faiss_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _groups(4, 20)[0]
    with_faiss = layout._Nearest(rows).others(slice(0, 80), 7)
    monkeypatch.setattr(layout, "faiss", None)
    without = layout._Nearest(rows).others(slice(0, 80), 7)
    np.testing.assert_array_equal(with_faiss[0], without[0])
    np.testing.assert_allclose(with_faiss[1], without[1], atol=1e-3)
    assert not (without[0] == np.arange(80)[:, None]).any(), "no row is its own neighbour"


def test_reduction_keeps_distances_of_what_has_few_directions() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 90))).astype(np.float32)
    small = reduced(rows)
    assert small.shape == (60, 48)
    wanted = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    found = np.linalg.norm(small[:, None] - small[None], axis=2)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-2)


def test_new_rows_lie_beside_their_like() -> None:
    rows, labels = _groups(4, 30, seed=2)
    places = np.stack([labels * 10.0, labels * -3.0], axis=1).astype(np.float32)
    known, new = np.arange(120) % 6 > 0, np.arange(120) % 6 == 0
    found = place_beside(rows[new], rows[known], places[known])
    np.testing.assert_allclose(found, places[new], atol=1e-3)
    assert place_beside(rows[:2], rows[:1], places[:1]).shape == (2, 2)


def test_clusters_are_found_and_numbered_by_size() -> None:
    rng = np.random.default_rng(0)
    sizes = (40, 120, 80)
    places = np.concatenate([rng.normal((5 * i, 0), 0.2, (n, 2)) for i, n in enumerate(sizes)])
    found = find_clusters(places.astype(np.float32))
    assert [int(np.median(found[part])) for part in (slice(0, 40), slice(40, 160), slice(160, 240))] == [
        2,
        0,
        1,
    ]
    assert by_size(np.array([-1, 3, 3, 7], dtype=np.int32)).tolist() == [NO_CLUSTER, 0, 0, 1]


def test_large_layouts_are_grouped_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.normal((5 * i, 0), 0.2, (400, 2)) for i in range(3)]).astype(np.float32)
    monkeypatch.setattr("desktop_app.engine.space.clusters._MOST_SAMPLED", 300)
    found = find_clusters(places)
    assert len(found) == 1200
    assert all(
        (
            found[400 * i : 400 * (i + 1)] == np.bincount(found[400 * i : 400 * (i + 1)].clip(0)).argmax()
        ).mean()
        > 0.9
        for i in range(3)
    )


def test_scaling_is_not_ruled_by_one_far_point() -> None:
    places = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    places[0] = 1e6
    assert 0.5 < np.quantile(np.abs(scaled(places)), 0.9) <= 1.0
