from __future__ import annotations

import pytest

from tests.ui.fake_runner import step
from ui.inversion.change_chart import ChangeChart
from ui.inversion.chart_frame import nice_top


@pytest.mark.parametrize(
    ("value", "top"),
    [(0.0551, 0.06), (1.0, 1.0), (0.031, 0.04), (0.0, 1.0), (7.6, 8.0), (float("nan"), 1.0)],
)
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)


def test_chart_is_painted_and_tells_values(qtbot: object) -> None:
    chart = ChangeChart()
    qtbot.addWidget(chart)
    chart.resize(300, 200)
    chart.set_planned(5)
    empty = chart.grab().toImage()
    chart.set_steps(tuple(step(index) for index in range(1, 6)))
    assert chart.grab().toImage() != empty
    assert chart.value_text(2) == "Step 2:  L2 0.0250,  relative change 50 %"
    assert chart.value_text(9) == ""
    assert "step 5" in chart.accessibleDescription()


def test_place_leads_to_the_nearest_step(qtbot: object) -> None:
    chart = ChangeChart()
    qtbot.addWidget(chart)
    chart.resize(300, 200)
    assert chart.step_at(100) == 0
    chart.set_steps(tuple(step(index) for index in range(1, 6)))
    assert chart.step_at(0) == 1
    assert chart.step_at(chart._x(3) + 2) == 3
    assert chart.step_at(900) == 5
