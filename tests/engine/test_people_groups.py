"""Grouping of faces against a slow plain formula."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.engine.space import people
from desktop_app.engine.space.people import attach_faces, group_faces, threshold_among


def _faces(count: int, groups: int, *, spread: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, 16))
    rows = centres[rng.integers(0, groups, count)] + spread * rng.normal(size=(count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _slow_groups(vectors: np.ndarray, threshold: float) -> set[frozenset[int]]:
    """Join the two groups of highest mean similarity while it reaches the threshold."""
    groups = [[row] for row in range(len(vectors))]
    while len(groups) > 1:
        means = {
            (a, b): float(np.mean([vectors[i] @ vectors[j] for i in groups[a] for j in groups[b]]))
            for a in range(len(groups))
            for b in range(a)
        }
        (a, b), best = max(means.items(), key=lambda item: item[1])
        if best < threshold:
            break
        groups[b] += groups.pop(a)
    return {frozenset(group) for group in groups}


def _as_sets(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize(("spread", "threshold"), [(0.3, 0.6), (0.8, 0.5), (1.5, 0.4)])
def test_groups_are_those_of_average_linkage(spread: float, threshold: float) -> None:
    vectors = _faces(40, 6, spread=spread, seed=3)
    labels = group_faces(vectors, threshold=threshold)
    assert _as_sets(labels) == _slow_groups(vectors, threshold)
    assert labels[0] == 0 and labels.max() + 1 == len(np.unique(labels))


def test_one_doubtful_pair_does_not_chain_two_people() -> None:
    angle = np.radians([0, 4, 8, 36, 64, 68, 72])  # the middle one is like both ends, the ends are not
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert _as_sets(group_faces(vectors, threshold=0.85)) != {frozenset(range(7))}


def test_a_large_tangle_is_cut_and_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_LINKED", 10)
    vectors = _faces(60, 3, spread=0.2, seed=1)
    labels = group_faces(vectors, threshold=0.5)
    assert len(labels) == 60 and labels.min() == 0


def test_nothing_and_one_face() -> None:
    assert group_faces(np.zeros((0, 4), np.float32), threshold=0.5).tolist() == []
    assert group_faces(np.eye(1, 4, dtype=np.float32), threshold=0.5).tolist() == [0]


def test_a_face_is_attached_to_whom_it_is_most_like_on_the_mean() -> None:
    near, far = _faces(5, 1, spread=0.1, seed=5), _faces(4, 1, spread=0.1, seed=6)
    query = np.concatenate([near[:1], far[:1], -near[:1]])
    places, values = attach_faces(query, [far, near], threshold=0.5)
    assert places.tolist() == [1, 0, -1]
    assert values[0] == pytest.approx(float((near @ near[0]).mean()), abs=1e-5)
    assert attach_faces(query, [], threshold=0.5)[0].tolist() == [-1, -1, -1]


def test_among_many_faces_more_likeness_is_asked_for() -> None:
    assert threshold_among(0, 0.39) == threshold_among(250, 0.39) == 0.39
    values = [threshold_among(count, 0.39) for count in (500, 1000, 3000)]
    assert values == sorted(values) and 0.43 < values[0] < 0.46 and 0.57 < values[2] < 0.6
    assert threshold_among(10**7, 0.39) == 0.62
    assert threshold_among(10**7, 0.8) == 0.8  # never below what the encoder asks for
