"""The edit slider tells what its direction was measured to change."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from desktop_app.core.types import DirectionFacts, DirectionInfo
from ui.editing.direction_slider import DirectionSlider

FACTS = DirectionFacts(
    0.91, 302, 1.0, (("Glasses", 1.0), ("Beard", -0.5), ("Age", 0.41), ("Light", 0.05)), 0.86, 0.12, "judge"
)


def _texts(slider: DirectionSlider) -> list[str]:
    return [one.text() for one in slider.findChildren(QLabel)]


def test_side_effects_stand_below_the_slider_and_in_its_tip(qtbot: QtBot) -> None:
    slider = DirectionSlider(DirectionInfo("glasses", "Glasses", "attribute", -2.5, 2.0, FACTS))
    qtbot.addWidget(slider)
    assert "also: beard, age" in _texts(slider)
    tip = slider.toolTip()
    assert "-2.5 to +2.0" in tip and "91% of 302" in tip and "-0.5  Beard" in tip and "Light" not in tip
    assert "0.86 (different people: 0.12)" in tip


def test_a_conditional_direction_names_its_own_property_not_as_a_side_effect(qtbot: QtBot) -> None:
    slider = DirectionSlider(DirectionInfo("g", "Glasses · keeps age", "attribute", -2, 2, FACTS))
    qtbot.addWidget(slider)
    assert "also: beard, age" in _texts(slider)


def test_without_facts_nothing_is_claimed(qtbot: QtBot) -> None:
    slider = DirectionSlider(DirectionInfo("sefa.fine.1", "Colours 1", "sefa", -2, 2))
    qtbot.addWidget(slider)
    assert not any("also" in text for text in _texts(slider))
    assert "changes" not in slider.toolTip() and "Double-click" in slider.toolTip()
