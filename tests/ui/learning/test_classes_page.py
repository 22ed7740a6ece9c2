"""The classes page over a fake runner: list, states, answers, menu, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.core.types import (
    ClassesRequest,
    ClassInfo,
    ClassList,
    CreateClassRequest,
    ExportTagsRequest,
    Mark,
    MarkPhotosRequest,
    Proposal,
    Proposals,
    ProposeRequest,
    TagsExported,
)
from tests.ui.fake_runner import FakeRunner, photo
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.learning.classes_export import ExportTagsDialog
from ui.learning.classes_marking import ClassMarking
from ui.learning.classes_page import ClassesPage

CATS, DOGS = ClassInfo(1, "Cats", 3, 1), ClassInfo(2, "Dogs", 0, 0)


def proposals(count: int = 4, *, is_calibrated: bool = True, warnings: tuple[str, ...] = ()) -> Proposals:
    found = tuple(Proposal(photo(10 + n), 0.95 - 0.1 * n) for n in range(count))
    return Proposals(CATS, found, (photo(1), photo(2)), (photo(3),), 12.4, 500, is_calibrated, warnings, 0.1)


@pytest.fixture
def marking(jobs: JobCenter) -> ClassMarking:
    return ClassMarking(jobs)


@pytest.fixture
def shown(
    qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache, marking: ClassMarking
) -> Iterator[ClassesPage]:
    page = ClassesPage(jobs, thumbnails, marking=marking)
    qtbot.addWidget(page)
    page.resize(1100, 760)
    page.show()
    yield page


@pytest.fixture
def filled(shown: ClassesPage, runner: FakeRunner) -> ClassesPage:
    runner.answer(ClassesRequest, ClassList((CATS, DOGS)))
    runner.answer(ProposeRequest, proposals())
    return shown


def test_without_classes_it_says_what_they_are_for(shown: ClassesPage, runner: FakeRunner) -> None:
    runner.answer(ClassesRequest, ClassList(()))
    assert shown._stack.currentWidget() is shown._welcome
    assert not shown._export.isEnabled()


def test_proposals_are_shown_with_their_confidence(filled: ClassesPage) -> None:
    assert filled._stack.currentWidget() is filled._body
    badges = [filled._proposed.index(n, 0).data(PhotoRole.BADGE) for n in range(4)]
    assert badges == ["95 %", "85 %", "75 %", "65 %"]
    assert "About 12 of 500 photos" in filled._facts.text()
    assert filled._member_title.text() == "IS  ·  2" and filled._other_title.text() == "IS NOT  ·  1"
    assert filled._accept_sure.text() == "Accept the 1 from 90 %"


def test_a_guess_is_shown_as_one(shown: ClassesPage, runner: FakeRunner) -> None:
    runner.answer(ClassesRequest, ClassList((CATS,)))
    runner.answer(ProposeRequest, proposals(2, is_calibrated=False, warnings=("Only a rough guess.",)))
    assert shown._proposed.index(0, 0).data(PhotoRole.BADGE) == "95 % ?"
    assert shown._warnings.isVisible() and not shown._accept_sure.isVisible()


def test_accepting_and_rejecting_goes_on_at_once_and_asks_anew(
    filled: ClassesPage, runner: FakeRunner
) -> None:
    filled._accept.click()
    request = runner.requests(MarkPhotosRequest)[-1]
    assert (request.photo_ids, request.mark, request.is_answer) == ((10,), Mark.IS, True)
    assert filled._proposed.rowCount() == 3, "the photo is gone before the answer comes"
    filled._reject.click()
    assert runner.requests(MarkPhotosRequest)[-1].photo_ids == (11,)
    assert runner.requests(MarkPhotosRequest)[-1].mark is Mark.IS_NOT
    before = len(runner.requests(ProposeRequest))
    runner.answer(MarkPhotosRequest, ClassList((CATS, DOGS), 1))
    assert len(runner.requests(ProposeRequest)) == before + 1


def test_all_sure_ones_are_accepted_together_and_marks_are_taken_back(
    filled: ClassesPage, runner: FakeRunner
) -> None:
    filled._accept_sure.click()
    assert runner.requests(MarkPhotosRequest)[-1].photo_ids == (10,)
    assert not filled._take_back.isEnabled()
    filled._member_strip.setCurrentIndex(filled._members.index(1, 0))
    filled._take_back.click()
    request = runner.requests(MarkPhotosRequest)[-1]
    assert (request.photo_ids, request.mark) == ((2,), Mark.NONE)


def test_class_without_marks_tells_how_to_mark_and_failures_are_shown(
    filled: ClassesPage, runner: FakeRunner
) -> None:
    filled._list.setCurrentRow(1)
    runner.fail(ProposeRequest, "No photo is marked as 'Dogs' yet.", "Mark some.")
    assert filled._stack.currentWidget() is filled._unmarked
    assert "what Dogs is" in filled._unmarked.accessibleName()
    filled._list.setCurrentRow(0)
    runner.fail(ProposeRequest, "The library cannot be read.", "Check the disk.")
    assert "cannot be read" in filled._message.accessibleName()


def test_menu_marks_photos_and_makes_classes(
    qtbot: object, marking: ClassMarking, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    marking.load()
    runner.answer(ClassesRequest, ClassList((CATS,)))
    window = QWidget()
    qtbot.addWidget(window)
    menu = QMenu(window)
    told: list[str] = []
    marking.notice.connect(lambda text, hint: told.append(text))
    marking.extend_menu(menu, (photo(5), photo(6)))
    part = menu.actions()[0].menu()
    assert part.title() == "Class of these 2"
    actions = {action.text(): action for action in part.actions()}
    actions["is not  Cats"].trigger()
    request = runner.requests(MarkPhotosRequest)[-1]
    assert (request.class_id, request.photo_ids, request.mark) == (1, (5, 6), Mark.IS_NOT)
    assert told == [], "nothing is told before the answer"
    runner.fail(MarkPhotosRequest, "The library cannot be written.")
    assert told == [], "a failure shows its error alone"
    actions["is not  Cats"].trigger()
    runner.answer(MarkPhotosRequest, ClassList((CATS,), 1))
    assert told == ["2 photos marked: is not Cats."]
    monkeypatch.setattr(marking, "ask_name", lambda *_args, **_more: "Birds")
    actions["New class …"].trigger()
    assert runner.requests(CreateClassRequest)[-1].name == "Birds"
    runner.answer(CreateClassRequest, ClassList((ClassInfo(3, "Birds", 0, 0), CATS), 3))
    assert runner.requests(MarkPhotosRequest)[-1] == MarkPhotosRequest(3, (5, 6), Mark.IS)
    assert len(told) == 1
    runner.answer(MarkPhotosRequest, ClassList((ClassInfo(3, "Birds", 2, 0), CATS), 3))
    assert told[1:] == ["2 photos marked: is Birds."]


def test_export_dialog_gives_what_was_chosen(qtbot: object, filled: ClassesPage, runner: FakeRunner) -> None:
    dialog = ExportTagsDialog()
    qtbot.addWidget(dialog)
    dialog._path.setText("/somewhere/tags.csv")
    assert dialog.request() == ExportTagsRequest(Path("/somewhere/tags.csv"))
    dialog._table.setChecked(False)
    assert not dialog._ok.isEnabled()
    dialog._sidecars.setChecked(True)
    dialog._proposals.setChecked(True)
    assert dialog._ok.isEnabled() and dialog.request() == ExportTagsRequest(None, True, (), 0.9)
    told: list[tuple[str, str]] = []
    filled.notice.connect(lambda text, hint: told.append((text, hint)))
    filled._tell_exported(TagsExported(None, 2, 3, 1, 1, ((Path("/a.jpg"), "The photo a.jpg is gone."),)))
    assert told[0][0] == "3 tags of 2 photos exported." and "a.jpg is gone" in told[0][1]


def test_a_long_name_is_elided_in_the_list_and_whole_in_its_tip(
    shown: ClassesPage, runner: FakeRunner
) -> None:
    name = "Jackets of the whole family that hang in the corridor of the old house"
    runner.answer(ClassesRequest, ClassList((ClassInfo(1, name, 3, 1),)))
    item = shown._list.item(0)
    assert "…" in item.text().splitlines()[0] and item.toolTip() == name
    assert shown._list.sizeHintForColumn(0) <= 252 - 28
