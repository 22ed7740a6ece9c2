from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QInputDialog, QLabel, QMessageBox, QPushButton

from desktop_app.core.types import (
    ImportedModel,
    ImportModelRequest,
    JobFailure,
    ModelList,
    ModelsRequest,
    RemoveModelRequest,
)
from tests.ui.fake_runner import FakeRunner, models
from ui import file_dialogs
from ui.job_center import JobCenter
from ui.models.models_page import ModelsPage, ModelTable
from ui.widgets.drop_area import Offered


@pytest.fixture
def page(qtbot: object, jobs: JobCenter, tmp_path: Path) -> ModelsPage:
    made = ModelsPage(jobs, tmp_path / "models")
    qtbot.addWidget(made)
    made.show()
    return made


def test_table_keeps_the_rules_of_item_models(qtmodeltester: object) -> None:
    table = ModelTable()
    table.set_models(models())
    qtmodeltester.check(table)
    texts = [table.index(2, column).data() for column in range(5)]
    assert texts == [
        "Mine",
        "faces",
        "MIT",
        "1 B",
        "not usable",
    ]


def test_models_are_listed_and_the_first_card_is_shown(page: ModelsPage, runner: FakeRunner) -> None:
    seen: list[object] = []
    page.models_known.connect(seen.append)
    page.load()
    assert page._message.isVisible()
    runner.answer(ModelsRequest, ModelList(models()))
    assert seen == [models()]
    assert not page._message.isVisible()
    assert page._title.text() == "Photos"
    page._table.selectRow(2)
    assert page._problem.text() == "The file is missing."


def test_names_of_facts_stand_beside_the_first_line(page: ModelsPage, runner: FakeRunner) -> None:
    model = replace(models()[0], facts=(("Trained on", "drawn shapes and photos " * 9),))
    page.load()
    runner.answer(ModelsRequest, ModelList((model,)))
    for number in range(page._facts.rowCount()):
        for role in (QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole):
            part = page._facts.itemAt(number, role).widget()
            assert isinstance(part, QLabel) and part.alignment() & Qt.AlignmentFlag.AlignTop


def test_failure_and_emptiness_say_so(page: ModelsPage, runner: FakeRunner) -> None:
    page.load()
    runner.fail(ModelsRequest, "The folder cannot be read.")
    assert page._message.text() == "The folder cannot be read."
    page.load()
    runner.answer(ModelsRequest, ModelList(()))
    assert page._message.text() == "No models were found."


def test_model_folder_is_made_and_opened(
    page: ModelsPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(file_dialogs, "show_in_file_manager", opened.append)
    page._open_folder.click()
    assert opened == [tmp_path / "models"]
    assert opened[0].is_dir()


def test_a_chosen_or_dropped_file_is_imported_with_its_licence(
    page: ModelsPage, runner: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "published.pt"
    seen: list[object] = []
    page.imported.connect(seen.append)
    monkeypatch.setattr(file_dialogs, "choose_weights", lambda _parent: file)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args: (" MIT ", True))
    page._import.click()
    done = ImportedModel(models()[0], "restyle", (), 1.0, 0)
    runner.answer(ImportModelRequest, done)
    assert seen == [done]
    page.offered.emit(Offered(files=(file,)))
    assert runner.last(ImportModelRequest).request == ImportModelRequest(file, licence="MIT")
    assert len(runner.open_handles(ModelsRequest)) == 1  # the list is read again after an import


def test_an_import_that_is_called_off_asks_nothing(
    page: ModelsPage, runner: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args: ("", False))
    page.import_file(tmp_path / "published.pt")
    assert runner.requests(ImportModelRequest) == []


def test_what_an_import_has_to_tell_stays_and_its_model_is_chosen(
    page: ModelsPage, runner: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args: ("", True))
    page.import_file(tmp_path / "published.pt")
    done = ImportedModel(models()[1], "restyle", ("The average code was estimated.",), 1.0, 0)
    runner.answer(ImportModelRequest, done)
    assert page._notes.text() == "The average code was estimated."
    runner.answer(ModelsRequest, ModelList(models()))
    assert page._title.text() == "Faces 64 px"
    page.import_file(tmp_path / "next.pt")
    assert not page._notes.isVisible()


def _answer(page: ModelsPage, text: str) -> QMessageBox:
    page._remove.click()
    box = page.findChild(QMessageBox)
    next(one for one in box.findChildren(QPushButton) if one.text() == text).click()
    return box


def test_an_added_model_is_deleted_only_when_the_user_is_sure(
    qtbot: object, page: ModelsPage, runner: FakeRunner
) -> None:
    page.load()
    runner.answer(ModelsRequest, ModelList(models()))
    assert not page._remove.isEnabled()
    assert "stay" in page._remove.toolTip()
    page._table.selectRow(2)
    assert page._remove.isEnabled()
    box = _answer(page, "Keep")
    assert runner.requests(RemoveModelRequest) == []
    qtbot.waitUntil(lambda: page.findChild(QMessageBox) is not box)
    _answer(page, "Delete")
    assert runner.requests(RemoveModelRequest) == [RemoveModelRequest("restyle_e4e.mine")]
    seen: list[object] = []
    page.models_known.connect(seen.append)
    runner.answer(RemoveModelRequest, ModelList(models()[:2]))
    assert seen == [models()[:2]]
    assert page._model.rowCount() == 2


def test_a_dropped_picture_or_folder_is_refused_in_words(
    page: ModelsPage, jobs: JobCenter, runner: FakeRunner
) -> None:
    told: list[JobFailure] = []
    jobs.job_failed.connect(told.append)
    page.offered.emit(Offered(folders=(Path("/photos"),)))
    assert "no file of weights" in told[0].message and not runner.requests(ImportModelRequest)


def test_a_narrow_page_leaves_the_licence_to_the_card(page: ModelsPage) -> None:
    page.show()
    page.resize(940, 600)
    assert page._table.isColumnHidden(2)
    page.resize(1300, 600)
    assert not page._table.isColumnHidden(2)
