from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget

from ui import file_dialogs

_KINDS = "PNG (*.png);;JPEG (*.jpg *.jpeg);;WebP (*.webp)"


@pytest.fixture
def parent(qtbot: object) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


def test_the_dialog_adds_the_ending_itself_so_that_it_asks_before_overwriting(
    parent: QWidget, tmp_path: Path
) -> None:
    dialog = file_dialogs.target_dialog(parent, "Save", suggestion=tmp_path / "me_face.jpeg", kinds=_KINDS)
    assert dialog.acceptMode() is QFileDialog.AcceptMode.AcceptSave
    assert dialog.selectedNameFilter() == "JPEG (*.jpg *.jpeg)" and dialog.defaultSuffix() == "jpeg"
    dialog.selectFile("other")
    assert dialog.selectedFiles() == [str(tmp_path / "other.jpeg")]
    dialog.filterSelected.emit("WebP (*.webp)")
    dialog.selectFile("third")
    assert dialog.selectedFiles() == [str(tmp_path / "third.webp")]


def test_a_dialog_that_is_left_chooses_nothing(
    parent: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggestion = tmp_path / "tags.csv"
    monkeypatch.setattr(QFileDialog, "exec", lambda _self: 0)
    assert file_dialogs.choose_target(parent, "T", suggestion=suggestion, kinds="CSV (*.csv)") is None
    monkeypatch.setattr(QFileDialog, "exec", lambda _self: 1)
    assert file_dialogs.choose_target(parent, "T", suggestion=suggestion, kinds="CSV (*.csv)") == suggestion
