"""The page of people over a fake runner: states, finding, naming, joining, faces, searching, forgetting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QItemSelectionModel
from PySide6.QtWidgets import QInputDialog, QMenu, QMessageBox

from desktop_app.core.types import (
    FaceHit,
    FaceSearchRequest,
    FaceSearchResult,
    FaceTile,
    FindPeopleRequest,
    ForgetFacesRequest,
    HidePersonRequest,
    MergePeopleRequest,
    MoveFacesRequest,
    NamePersonRequest,
    PeopleList,
    PeopleRequest,
    PersonFaces,
    PersonFacesRequest,
    PersonInfo,
    PhotoSource,
)
from tests.ui.fake_runner import FakeRunner, photo
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.people.people_model import PersonRole
from ui.people.people_page import PeoplePage

ADA = PersonInfo(1, "Ada", 5, 4, Path("/faces/1.jpg"))
NOBODY = PersonInfo(2, "", 3, 3, Path("/faces/2.jpg"))
HIDDEN = PersonInfo(3, "Eve", 2, 2, None, is_hidden=True)


def people(*shown: PersonInfo, waiting: int = 0, problem: str = "", changed: int = 0) -> PeopleList:
    faces = sum(one.faces for one in shown)
    usable = not problem
    return PeopleList(shown, faces, 6, 40, waiting, "faces", usable, problem, changed)


def faces(person: PersonInfo | None, count: int = 3) -> PersonFaces:
    person_id = person.person_id if person is not None else 0
    tiles = tuple(FaceTile(50 + n, photo(n + 1), Path(f"/faces/{n}.jpg"), person_id) for n in range(count))
    return PersonFaces(person, tiles)


@pytest.fixture
def shown(qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache) -> Iterator[PeoplePage]:
    page = PeoplePage(jobs, thumbnails)
    qtbot.addWidget(page)
    page.resize(1100, 760)
    page.show()
    yield page


@pytest.fixture
def filled(shown: PeoplePage, runner: FakeRunner) -> PeoplePage:
    runner.answer(PeopleRequest, people(ADA, NOBODY, HIDDEN))
    return shown


def _names(page: PeoplePage) -> list[str]:
    rows = range(page._model.rowCount())
    return [page._model.index(n, 0).data(PersonRole.PERSON).name for n in rows]


def _choose(page: PeoplePage, *numbers: int) -> None:
    for number in numbers:
        index = page._model.index(number, 0)
        page._grid.selectionModel().select(index, QItemSelectionModel.SelectionFlag.Select)


def _open(page: PeoplePage, runner: FakeRunner, person: PersonInfo = ADA) -> None:
    page._open_person(page._model.index(page._model.row_of(person.person_id), 0))
    runner.answer(PersonFacesRequest, faces(person))


def _say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args: (text, bool(text)))


def test_nothing_is_looked_for_until_the_user_asks(shown: PeoplePage, runner: FakeRunner) -> None:
    runner.answer(PeopleRequest, PeopleList((), 0, 0, 0, 12))
    assert shown._stack.currentWidget() is shown._welcome
    assert "this machine only" in shown._welcome.accessibleName()
    assert runner.requests(FindPeopleRequest) == []
    shown._welcome_button.click()
    assert len(runner.requests(FindPeopleRequest)) == 1
    assert shown._stack.currentWidget() is shown._busy
    shown.find_people()  # a second press does nothing
    assert len(runner.requests(FindPeopleRequest)) == 1
    runner.answer(FindPeopleRequest, people(ADA, NOBODY))
    assert shown._stack.currentWidget() is shown._body and _names(shown) == ["Ada", ""]


def test_an_empty_library_offers_nothing_to_look_at(shown: PeoplePage, runner: FakeRunner) -> None:
    runner.answer(PeopleRequest, PeopleList((), 0, 0, 0, 0))
    assert "library is empty" in shown._welcome.accessibleName()
    assert not shown._welcome_button.isVisible()


def test_a_library_without_faces_says_so(shown: PeoplePage, runner: FakeRunner) -> None:
    runner.answer(PeopleRequest, PeopleList((), 0, 0, 3, 0, "faces"))
    assert "No face was found" in shown._welcome.accessibleName()
    assert not shown._welcome_button.isVisible()


def test_finding_can_be_stopped_and_failure_lets_it_be_tried_again(
    shown: PeoplePage, runner: FakeRunner
) -> None:
    runner.answer(PeopleRequest, PeopleList((), 0, 0, 0, 12))
    shown.find_people()
    shown._stop.click()
    assert len(runner.cancelled) == 1
    runner.settle_cancelled()
    runner.answer(PeopleRequest, people(ADA, waiting=7))
    assert shown._find.isEnabled() and "7 photos" in shown._find.text()
    shown.find_people()
    runner.fail(FindPeopleRequest, "The face encoder is not installed.")
    assert shown._find.isEnabled()


def test_hidden_people_are_shown_on_request(filled: PeoplePage) -> None:
    assert _names(filled) == ["Ada", ""]
    filled._hidden.click()
    assert _names(filled) == ["Ada", "", "Eve"]
    filled._hidden.click()
    assert _names(filled) == ["Ada", ""]


def test_a_problem_with_the_encoder_is_said_above_the_people(shown: PeoplePage, runner: FakeRunner) -> None:
    runner.answer(PeopleRequest, people(ADA, problem="Described by another face encoder."))
    assert shown._problem.isVisible() and "another" in shown._problem.text()
    assert _names(shown) == ["Ada"]


def test_one_is_named_and_several_are_joined(
    filled: PeoplePage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not filled._name.isVisible() and not filled._join.isVisible()
    _choose(filled, 1)
    assert filled._name.isVisible()
    _say(monkeypatch, "")
    filled._name.click()
    assert runner.requests(NamePersonRequest) == []
    _say(monkeypatch, " Grace ")
    filled._name.click()
    assert runner.requests(NamePersonRequest) == [NamePersonRequest(2, "Grace")]
    _choose(filled, 0)
    filled._join.click()
    assert runner.requests(MergePeopleRequest) == [MergePeopleRequest((1, 2))]
    runner.answer(MergePeopleRequest, people(ADA, changed=1))
    assert _names(filled) == ["Ada"]


def test_faces_of_a_person_are_taken_out_and_given_away(filled: PeoplePage, runner: FakeRunner) -> None:
    _open(filled, runner)
    view = filled._person
    assert filled._stack.currentWidget() is view and view.person == ADA
    assert not view._remove.isEnabled()
    view._grid.selectAll()
    assert len(view.selected_faces()) == 3 and view._remove.isEnabled()
    view._remove.click()
    assert runner.requests(MoveFacesRequest) == [MoveFacesRequest((50, 51, 52), 0)]
    # Not setCurrentIndex of the view: it asks for the keys that are held down, and other tests press some.
    only = QItemSelectionModel.SelectionFlag.ClearAndSelect
    view._grid.selectionModel().setCurrentIndex(view._model.index(0, 0), only)
    menu = QMenu(view)
    view._extend_menu(menu)
    [part] = [action.menu() for action in menu.actions() if action.menu() is not None]
    assert [action.text() for action in part.actions() if action.text()] == [
        "Ada",
        "Eve",
        "Somebody else, a new person",
    ]
    part.actions()[-1].trigger()
    assert runner.requests(MoveFacesRequest)[-1] == MoveFacesRequest((50,), -1)


def test_the_last_face_taken_out_leads_back_to_all(filled: PeoplePage, runner: FakeRunner) -> None:
    _open(filled, runner, NOBODY)
    filled._person._grid.selectAll()
    filled._person._remove.click()
    runner.answer(MoveFacesRequest, people(ADA, HIDDEN))
    runner.answer(PersonFacesRequest, PersonFaces(None, ()))
    assert filled._stack.currentWidget() is filled._body and _names(filled) == ["Ada"]


def test_a_person_is_hidden_from_the_own_page(filled: PeoplePage, runner: FakeRunner) -> None:
    _open(filled, runner)
    filled._person._hide.click()
    assert runner.requests(HidePersonRequest) == [HidePersonRequest(1, True)]


def test_more_photos_of_a_person(filled: PeoplePage, runner: FakeRunner) -> None:
    _open(filled, runner)
    filled._person._more.click()
    assert runner.requests(FaceSearchRequest) == [FaceSearchRequest(face_id=50)]
    hits = tuple(FaceHit(tile, 0.9 - 0.3 * n, n == 0) for n, tile in enumerate(faces(None).faces))
    runner.answer(FaceSearchRequest, FaceSearchResult(hits, 0.5, 40, 0, 0.1))
    view = filled._person
    assert "Ada" in view._title.text() and "1 photo probably" in view._facts.text()
    assert view._model.index(0, 0).data(PhotoRole.BADGE) == "0.90"
    assert not view._remove.isVisible() and not view._rename.isVisible()
    view._back.click()
    assert filled._stack.currentWidget() is filled._body


def test_the_library_offers_more_photos_of_a_person(
    filled: PeoplePage, runner: FakeRunner, qtbot: object
) -> None:
    menu = QMenu(filled)
    filled.extend_menu(menu, (photo(7), photo(8)))
    assert menu.actions() == []
    filled.extend_menu(menu, (photo(7),))
    with qtbot.waitSignal(filled.shown_wanted):
        menu.actions()[0].trigger()
    assert runner.requests(FaceSearchRequest) == [FaceSearchRequest(source=PhotoSource(photo_id=7))]
    runner.fail(FaceSearchRequest, "No face was found in this picture.", "Choose another.")
    assert "No face was found" in filled._person._message.accessibleName()


def test_forgetting_asks_first(
    filled: PeoplePage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QMessageBox, "exec", lambda box: None)
    filled._forget.click()
    assert runner.requests(ForgetFacesRequest) == []
    pressed = []
    add = QMessageBox.addButton

    def remember(box: QMessageBox, *args: object) -> object:
        made = add(box, *args)
        pressed.append(made)
        return made

    monkeypatch.setattr(QMessageBox, "addButton", remember)
    monkeypatch.setattr(QMessageBox, "clickedButton", lambda box: pressed[0])
    filled._forget.click()
    assert len(runner.requests(ForgetFacesRequest)) == 1
    runner.answer(ForgetFacesRequest, PeopleList((), 0, 0, 0, 40))
    assert filled._stack.currentWidget() is filled._welcome


def test_everything_can_be_painted(filled: PeoplePage, runner: FakeRunner) -> None:
    filled._hidden.click()
    _choose(filled, 0)
    assert not filled.grab().isNull()
    _open(filled, runner)
    assert not filled.grab().isNull()
