from __future__ import annotations

from ui.widgets.elided_label import ElidedLabel

FOLDER = "/home/someone/Pictures/holidays in the mountains/summer of the second year/week with the others"


def test_a_long_path_loses_its_middle_and_keeps_its_ends(qtbot: object) -> None:
    shown = ElidedLabel(role="muted")
    qtbot.addWidget(shown)
    shown.resize(300, 20)
    shown.show()
    shown.show_text(FOLDER, lead="4032 × 3024 · ", tip=f"{FOLDER}/a.jpg")
    assert shown.minimumSizeHint().width() < 100, "a long path does not widen the window"
    text = shown.text()
    assert text.startswith("4032 × 3024 · /h") and "…" in text and text.endswith("s")
    assert shown.fontMetrics().horizontalAdvance(text) <= 300
    assert shown.toolTip() == f"{FOLDER}/a.jpg" and FOLDER in shown.accessibleName()
    shown.resize(1600, 20)
    assert shown.text() == f"4032 × 3024 · {FOLDER}"
