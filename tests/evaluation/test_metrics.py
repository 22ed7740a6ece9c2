"""Retrieval figures against loops and against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_app.core.types import FloatArray
from desktop_app.evaluation import metrics
from desktop_app.evaluation.metrics import retrieval_scores


def _circle(degrees: list[float]) -> FloatArray:
    angle = np.radians(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_case_worked_out_by_hand() -> None:
    # On a line: a at 0, b at 1, a at 3, b at 7 degrees.
    scores = retrieval_scores(_circle([0, 1, 3, 7]), ["a", "b", "a", "b"])
    assert scores is not None
    # Rank of the only partner: 2 (after b), 3, 2, 2 -> precision 1/2, 1/3, 1/2, 1/2.
    #   a0: b1, a3    b1: a0, a3, b7    a3: b1, a0    b7: a3, b1
    assert scores.mean_average_precision == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4)
    assert scores.recall_at_1 == 0.0
    assert (scores.queries, scores.pictures) == (4, 4)


def test_perfect_neighbours_score_one() -> None:
    scores = retrieval_scores(_circle([0, 1, 2, 90, 91, 92]), list("aaabbb"))
    assert scores is not None
    assert (scores.mean_average_precision, scores.recall_at_1) == (1.0, 1.0)


def test_a_label_that_occurs_once_asks_nothing_but_is_in_the_way() -> None:
    scores = retrieval_scores(_circle([0, 1, 5]), ["a", "alone", "a"])
    assert scores is not None
    assert (scores.queries, scores.pictures) == (2, 3)
    assert scores.mean_average_precision == pytest.approx(0.5)  # the lone picture comes first both times
    assert scores.recall_at_1 == 0.0


def test_labels_that_all_differ_give_no_scores() -> None:
    assert retrieval_scores(_circle([0, 1]), ["a", "b"]) is None
    assert retrieval_scores(_circle([]).reshape(0, 2), []) is None


def test_vote_of_five_with_equal_counts_goes_to_the_nearest() -> None:
    votes = metrics._votes(np.array([[0, 1, 1, 0, 2], [1, 0, 0, 1, 2], [2, 1, 1, 0, 0], [2, 2, 2, 1, 0]]))
    assert votes.tolist() == [0, 1, 1, 2]


def test_equal_similarities_gain_nothing_from_sorted_files() -> None:
    rows = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (400, 1))
    scores = retrieval_scores(rows, ["a"] * 200 + ["b"] * 200)
    assert scores is not None
    assert scores.recall_at_1 < 0.6  # in the order of the files half of the queries would score 1.0
    assert 0.45 < scores.mean_average_precision < 0.55


def _slow(rows: FloatArray, labels: list[str]) -> tuple[float, float]:
    precisions, firsts = [], []
    for i, row in enumerate(rows):
        others = [j for j in range(len(rows)) if j != i]
        others.sort(key=lambda j: -float(row @ rows[j]))
        alike = [labels[j] == labels[i] for j in others]
        if not any(alike):
            continue
        hits = [sum(alike[: k + 1]) / (k + 1) for k in range(len(alike)) if alike[k]]
        precisions.append(sum(hits) / len(hits))
        firsts.append(alike[0])
    return float(np.mean(precisions)), float(np.mean(firsts))


@settings(max_examples=25, deadline=None)
@given(count=st.integers(4, 40), kinds=st.integers(1, 4), seed=st.integers(0, 1000))
def test_scores_agree_with_loops(count: int, kinds: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(count, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = [str(v) for v in chance.integers(0, kinds, count)]
    scores = retrieval_scores(rows, labels)
    if scores is None:
        assert len(set(labels)) == count
        return
    precision, first = _slow(rows, labels)
    assert scores.mean_average_precision == pytest.approx(precision, rel=1e-6)
    assert scores.recall_at_1 == pytest.approx(first)


def test_large_sets_are_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(50, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = [str(v) for v in chance.integers(0, 3, 50)]
    whole = retrieval_scores(rows, labels)
    monkeypatch.setattr(metrics, "_CHUNK", 7)
    assert retrieval_scores(rows, labels) == whole
