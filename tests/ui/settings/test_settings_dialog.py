from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtWidgets import QDialogButtonBox, QWidget

from desktop_app.core.settings import EngineSettings, SearchSettings, Settings
from tests.ui.fake_runner import models
from ui.settings.settings_dialog import SettingsDialog, needs_restart


@pytest.fixture
def parent(qtbot: object) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


def test_untouched_dialog_gives_the_same_settings(parent: QWidget) -> None:
    settings = Settings(
        search=SearchSettings(33, 98.5, 0.9), engine=EngineSettings("cpu", 3), unknown=Settings().unknown
    )
    assert SettingsDialog(settings, models(), parent=parent).settings() == settings


def test_changed_fields_come_out(parent: QWidget) -> None:
    dialog = SettingsDialog(Settings(), models(), parent=parent)
    dialog._top_k.setValue(12)
    dialog._steps.setValue(9)
    dialog._device.setCurrentIndex(1)
    dialog._encoder.setEditText("timm:vit_small")
    new = dialog.settings()
    assert (new.search.top_k, new.inversion.steps, new.engine.device) == (12, 9, "cpu")
    assert new.library.encoder == "timm:vit_small"


def test_long_encoder_is_shown_from_its_start(parent: QWidget) -> None:
    dialog = SettingsDialog(Settings(), models(), parent=parent)
    assert dialog._encoder.lineEdit().cursorPosition() == 0
    dialog._encoder.setEditText("timm:" + "vit" * 40)
    assert dialog._encoder.lineEdit().cursorPosition() > 0, "typing goes on at its end"
    dialog._encoder.activated.emit(0)
    assert dialog._encoder.lineEdit().cursorPosition() == 0


def test_an_encoder_that_does_not_exist_cannot_be_saved(parent: QWidget) -> None:
    dialog = SettingsDialog(Settings(), models(), parent=parent)
    save = dialog._buttons.button(QDialogButtonBox.StandardButton.Save)
    dialog._encoder.setEditText("no such encoder")
    assert not save.isEnabled() and "no such encoder" in dialog._problem.text()
    for text in ("timm:vit_small", "open_clip:RN50", dialog._encoder.itemText(0)):
        dialog._encoder.setEditText(text)
        assert save.isEnabled() and not dialog._problem.text(), text
    dialog._encoder.setEditText("timm:")
    assert not save.isEnabled()


def test_every_field_has_a_name_and_a_tip(parent: QWidget) -> None:
    dialog = SettingsDialog(Settings(), models(), parent=parent)
    for field in (dialog._top_k, dialog._cutoff, dialog._duplicates, dialog._steps, dialog._device):
        assert field.toolTip() and field.accessibleName()
    for field in (dialog._encoder, dialog._model, dialog._threads, dialog._decode_threads):
        assert field.toolTip() and field.accessibleName()


def test_missing_models_keep_their_names(parent: QWidget) -> None:
    assert SettingsDialog(Settings(), (), parent=parent).settings() == Settings()


def test_defaults_are_restored(parent: QWidget) -> None:
    changed = replace(Settings(), engine=EngineSettings("cpu", 7))
    dialog = SettingsDialog(changed, models(), parent=parent)
    dialog._buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults).click()
    assert dialog.settings() == Settings()


def test_restart_is_needed_for_what_the_engine_holds() -> None:
    old = Settings()
    assert not needs_restart(old, replace(old, search=replace(old.search, top_k=5)))
    assert not needs_restart(old, replace(old, inversion=replace(old.inversion, steps=9)))
    assert needs_restart(old, replace(old, search=replace(old.search, cutoff_percentile=90.0)))
    assert needs_restart(old, replace(old, engine=EngineSettings("cpu")))
