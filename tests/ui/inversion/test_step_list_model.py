from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt

from tests.ui.fake_runner import aligned, step
from ui.inversion.step_list_model import StepListModel, StepRole


def _filled(count: int = 3) -> StepListModel:
    model = StepListModel()
    model.set_face(aligned())
    for index in range(1, count + 1):
        model.add_step(step(index))
    return model


def test_model_keeps_the_rules_of_item_models(qtmodeltester: object) -> None:
    qtmodeltester.check(_filled())


def test_input_and_average_come_before_the_steps() -> None:
    model = _filled()
    titles = [model.index(row, 0).data() for row in range(model.rowCount())]
    assert titles == ["Input", "Average", "Step 1", "Step 2", "Step 3"]
    assert model.row_of_step(1) == 2
    assert [model.step_of_row(row) for row in range(5)] == [0, 0, 1, 2, 3]


def test_heat_maps_belong_to_steps_only() -> None:
    model = _filled()
    assert model.index(1, 0).data(StepRole.HEAT) is None
    assert not model.index(2, 0).data(StepRole.HEAT).isNull()


def test_scale_is_shared_or_each_steps_own() -> None:
    model = _filled()

    def peak_colour(row: int) -> tuple[int, ...]:
        return model.heat(row).toImage().pixelColor(1, 1).getRgb()[:3]

    assert peak_colour(2) == peak_colour(4)
    model.set_scale_shared(True)
    assert peak_colour(2) != peak_colour(4)


def test_larger_change_later_colours_earlier_steps_again() -> None:
    model = StepListModel()
    model.set_scale_shared(True)
    model.set_face(aligned())
    model.add_step(step(3))
    before = model.heat(2).toImage()
    model.add_step(step(1))
    assert model.heat(2).toImage() != before


def test_step_without_a_face_is_ignored_and_clear_forgets() -> None:
    model = StepListModel()
    model.add_step(step(1))
    assert model.rowCount() == 0
    model = _filled()
    model.clear()
    assert model.rowCount() == 0
    assert model.steps == ()


def test_tooltip_names_the_figures() -> None:
    model = _filled()
    text = model.index(3, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "0.0250" in text
    assert "50 %" in text
    assert "12 ms" in text


def test_a_step_that_led_away_names_the_nearer_one() -> None:
    model = StepListModel()
    model.set_face(aligned())
    for index, l2 in enumerate((0.03, 0.0201, 0.02, 0.0203, 0.026), start=1):
        model.add_step(replace(step(index), l2=l2))
    named = [model.nearer_step(number) for number in range(6)]
    assert [one.index if one else None for one in named] == [None, None, None, None, None, 3]
    model.add_step(replace(step(6), l2=0.09, phase="toonify"))
    assert model.nearer_step(6) is None, "a second model has another aim"
