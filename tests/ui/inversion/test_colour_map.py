from __future__ import annotations

import numpy as np

from ui.inversion.colour_map import heat_image, legend_image


def test_most_is_red_and_least_is_blue() -> None:
    picture = heat_image(np.array([[0.0, 0.25, 1.0]], np.float32), peak=1.0)
    least, _, most = (pixel.astype(int) for pixel in picture[0])
    assert least[2] > least[0] + 80
    assert most[0] > most[2] + 80


def test_redness_never_falls_with_the_change() -> None:
    line = heat_image(np.linspace(0, 1, 200, dtype=np.float32)[None] ** 2, peak=1.0)[0].astype(int)
    balance = line[:, 0] - line[:, 2]
    assert (np.diff(balance) >= -1).all()  # -1: rounding
    assert (np.diff(balance[::10]) >= 0).all()


def test_changes_beyond_the_peak_and_a_peak_of_zero_are_harmless() -> None:
    change = np.array([[3.0]], np.float32)
    assert np.array_equal(heat_image(change, peak=1.0), heat_image(change, peak=3.0))
    assert heat_image(np.zeros((2, 2), np.float32), peak=0.0).shape == (2, 2, 3)


def test_legend_runs_from_least_to_most() -> None:
    legend = legend_image(50, 4)
    assert legend.shape == (4, 50, 3)
    assert np.array_equal(legend[0, 0], heat_image(np.zeros((1, 1), np.float32), peak=1.0)[0, 0])
