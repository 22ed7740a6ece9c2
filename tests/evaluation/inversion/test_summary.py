"""Means, intervals, percentiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from desktop_app.evaluation.inversion.measure import kept_steps
from desktop_app.evaluation.inversion.summary import spread, t_quantile, within_percentiles


@pytest.mark.parametrize(
    ("degrees", "value"),
    [(1, 12.706), (9, 2.2622), (10, 2.2281), (15, 2.1314), (30, 2.0423), (100, 1.9840), (1000, 1.9623)],
)
def test_t_quantiles_are_those_of_the_tables(degrees: int, value: float) -> None:
    assert t_quantile(degrees) == pytest.approx(value, abs=1e-3)


def test_spread_by_hand() -> None:
    found = spread([1.0, 2.0, 4.0, math.nan])
    assert found.count == 3 and found.median == 2.0
    assert found.mean == pytest.approx(7 / 3)
    deviation = math.sqrt(sum((v - 7 / 3) ** 2 for v in (1, 2, 4)) / 2)
    assert found.std == pytest.approx(deviation)
    assert found.half_width == pytest.approx(4.303 * deviation / math.sqrt(3))


def test_single_and_missing_values() -> None:
    one = spread([5.0])
    assert (one.mean, one.std, one.count) == (5.0, 0.0, 1) and math.isnan(one.half_width)
    none = spread([math.nan])
    assert none.count == 0 and math.isnan(none.mean)


def test_outliers_beyond_the_percentiles_are_left_out() -> None:
    values = [float(v) for v in np.random.default_rng(0).permutation(1000)]
    kept = within_percentiles(values)
    assert sorted(kept) == [float(v) for v in range(9, 991)]
    assert within_percentiles([3.0]) == [3.0] and within_percentiles([]) == []


def test_kept_steps_have_both_ends() -> None:
    assert kept_steps(5) == [0, 1, 2, 3, 4]
    assert kept_steps(25)[0] == 0 and kept_steps(25)[-1] == 24 and len(kept_steps(25)) == 8
