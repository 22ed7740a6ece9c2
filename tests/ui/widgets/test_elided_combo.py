from __future__ import annotations

from ui.widgets.elided_combo import ElidedCombo

LONG = "ReStyle-pSp, a face model with a name that no chooser has room for, 1024 pixels"


def test_long_entries_are_elided_and_their_tooltip_is_whole(qtbot: object) -> None:
    combo = ElidedCombo("It stays as it is")
    qtbot.addWidget(combo)
    combo.addItem(LONG)
    combo.resize(200, 34)
    combo.show()
    assert combo.minimumSizeHint().width() <= 200, "a long entry does not widen the page"
    assert combo.shown_text().endswith("…") and LONG.startswith(combo.shown_text()[:-1])
    assert combo.toolTip() == f"{LONG}\nIt stays as it is"
    assert not combo.grab().isNull()
    combo.resize(900, 34)
    assert combo.shown_text() == LONG
