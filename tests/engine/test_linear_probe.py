"""The probe of a class: order, confidence, and what it says when there is nothing to learn."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.core.types import FloatArray
from desktop_app.engine.classify.linear_probe import LEAST_RANKING, Examples, fit_probe

_SIZE = 32


def _unit(rows: np.ndarray) -> FloatArray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _library(members: int, others: int, *, apart: float, seed: int = 0) -> tuple[FloatArray, np.ndarray]:
    """Two clouds whose middles are `apart` in units of their spread along the line between them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(members + others, _SIZE))
    is_member = np.arange(members + others) < members
    rows[is_member, 0] += apart
    return _unit(rows), is_member


def test_members_come_first_and_confidence_is_near_the_truth() -> None:
    rows, is_member = _library(100, 900, apart=6.0)
    marked = np.arange(8)
    rest = np.arange(8, 1000)
    sample = np.random.default_rng(0).choice(rest, 500, replace=False)
    probe = fit_probe(Examples(rows[marked], rows[:0], rows[sample]))
    confidence = probe.confidence(rows[rest])
    assert probe.ranking > 0.9 and probe.is_calibrated
    top = np.argsort(-confidence)[:60]
    assert is_member[rest][top].mean() > 0.9
    assert abs(probe.share - 92 / 992) < 0.05
    sure = confidence > 0.7
    assert sure.sum() > 20 and is_member[rest][sure].mean() > 0.8
    assert is_member[rest][confidence < 0.1].mean() < 0.03


def test_more_marks_rank_better() -> None:
    rows, is_member = _library(300, 1200, apart=2.5, seed=3)
    found = []
    for count in (3, 100):
        rest = np.arange(count, 1500)
        sample = np.random.default_rng(0).choice(rest, 500, replace=False)
        confidence = fit_probe(Examples(rows[:count], rows[:0], rows[sample])).confidence(rows[rest])
        top = np.argsort(-confidence)[:100]
        found.append(is_member[rest][top].mean())
    assert found[1] > found[0] + 0.1


def test_a_rejected_photo_and_its_like_lose_confidence() -> None:
    rows, _ = _library(40, 400, apart=4.0, seed=1)
    probe = fit_probe(Examples(rows[:8], rows[:0], rows[40:]))
    wrong = 40 + np.argsort(-probe.background_confidence)[:3]
    like = _unit(rows[wrong] + 0.02)
    rest = np.setdiff1d(np.arange(40, 440), wrong)
    before = fit_probe(Examples(rows[:8], rows[:0], rows[rest])).confidence(like)
    after = fit_probe(Examples(rows[:8], rows[wrong], rows[rest])).confidence(like)
    assert (after < before).all() and after.mean() < 0.85 * before.mean(), (before, after)


def test_background_is_judged_out_of_fold() -> None:
    rows, is_member = _library(60, 240, apart=6.0, seed=2)
    background = rows[5:]
    probe = fit_probe(Examples(rows[:5], rows[:0], background))
    inside = is_member[5:]
    # Members among the stand-ins were fitted as negatives by three of four probes, but not by their own.
    assert probe.background_confidence[inside].mean() > probe.confidence(background)[inside].mean()


@pytest.mark.parametrize(
    ("members", "others", "background"), [(1, 0, 1), (2, 0, 1), (1, 1, 0), (3, 2, 0), (1, 0, 2)]
)
def test_tiny_libraries_give_finite_answers(members: int, others: int, background: int) -> None:
    rows, _ = _library(10, 10, apart=3.0)
    probe = fit_probe(Examples(rows[:members], rows[10 : 10 + others], rows[12 : 12 + background]))
    assert np.isfinite(probe.confidence(rows)).all()
    assert probe.background_confidence.shape == (background,)
    assert probe.is_calibrated == (members >= 3)


def test_identical_photos_teach_nothing() -> None:
    rows = np.tile(_unit(np.ones((1, _SIZE))), (50, 1))
    probe = fit_probe(Examples(rows[:5], rows[:2], rows[:40]))
    assert probe.ranking < LEAST_RANKING
    confidence = probe.confidence(rows)
    assert np.ptp(confidence) < 1e-6 and confidence[0] < 0.5


def test_nothing_to_learn_from_is_an_error() -> None:
    rows, _ = _library(4, 4, apart=1.0)
    for examples in (Examples(rows[:0], rows, rows), Examples(rows, rows[:0], rows[:0])):
        with pytest.raises(ValueError, match="members and others"):
            fit_probe(examples)


def test_fit_repeats_with_its_seed() -> None:
    rows, _ = _library(30, 200, apart=3.0)
    one, two = (fit_probe(Examples(rows[:6], rows[:0], rows[30:]), seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.background_confidence, two.background_confidence)
