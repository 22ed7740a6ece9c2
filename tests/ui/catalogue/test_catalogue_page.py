from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QDialog

from desktop_app.core.types import (
    FileProblem,
    IndexRequest,
    IndexSummary,
    LibraryRequest,
    PageRequest,
    PhotoBatch,
    PhotoOrder,
    PhotoPreview,
    PreviewRequest,
    RemoveFolderRequest,
    SearchRequest,
)
from tests.ui.fake_runner import FakeRunner, image, overview, page, photo
from ui import file_dialogs
from ui.catalogue.catalogue_page import CataloguePage
from ui.catalogue.problems_dialog import ProblemsDialog, ProblemsModel
from ui.catalogue.similar_view import Query
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.widgets.drop_area import Offered


@pytest.fixture
def catalogue(qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache) -> Iterator[CataloguePage]:
    made = CataloguePage(jobs, thumbnails)
    qtbot.addWidget(made)
    made.resize(1100, 700)
    made.show()
    yield made
    made.close_jobs()


def _pages(qtbot: object, runner: FakeRunner, total: int, first_id: int = 1) -> None:
    qtbot.waitUntil(lambda: bool(runner.open_handles(PageRequest)))
    while runner.open_handles(PageRequest):
        handle = runner.open_handles(PageRequest)[0]
        handle.deliver_answer(page(handle.request.offset, handle.request.count, total, first_id))


@pytest.fixture
def filled(qtbot: object, catalogue: CataloguePage, runner: FakeRunner) -> CataloguePage:
    catalogue.load()
    runner.answer(LibraryRequest, overview(40))
    _pages(qtbot, runner, 40)
    return catalogue


_SUMMARY = IndexSummary(38, 0, 2, 0, 1, 0, (FileProblem(Path("/x"), "empty"),), 3.2, 40)


def test_loading_then_welcome_when_there_are_no_folders(
    qtbot: object, catalogue: CataloguePage, runner: FakeRunner
) -> None:
    catalogue.load()
    assert "Opening the library" in catalogue._message.accessibleName()
    runner.answer(LibraryRequest, overview(0, folders=()))
    assert catalogue._stack.currentWidget() is catalogue._welcome
    assert not catalogue._folders.isVisible()
    assert runner.requests(IndexRequest) == []


def test_known_folders_are_shown_and_looked_through(filled: CataloguePage, runner: FakeRunner) -> None:
    assert filled._stack.currentWidget() is filled._grid_page
    assert filled._count.text() == "40 photos"
    assert runner.requests(IndexRequest) == [IndexRequest(())]


def test_damaged_library_says_so(catalogue: CataloguePage, runner: FakeRunner) -> None:
    catalogue.load()
    runner.fail(LibraryRequest, "The library is damaged.", "Restore the backup.")
    assert catalogue._message.accessibleName() == "The library is damaged. Restore the backup."


def test_added_folder_is_indexed_and_grows_live(
    qtbot: object, catalogue: CataloguePage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_dialogs, "choose_folder", lambda _parent: Path("/photos"))
    catalogue._refresh_timer.setInterval(1)
    catalogue.load()
    runner.answer(LibraryRequest, overview(0, folders=()))
    _pages(qtbot, runner, 0)
    catalogue.add_folder()
    assert runner.requests(IndexRequest) == [IndexRequest((Path("/photos"),))]
    assert "Looking for photos" in catalogue._message.accessibleName()
    handle = runner.last(IndexRequest)
    handle.deliver_partial(PhotoBatch((photo(1),)))
    _pages(qtbot, runner, 32)
    assert catalogue._stack.currentWidget() is catalogue._grid_page
    assert catalogue._count.text() == "32 photos"
    runner.answer(LibraryRequest, overview(32))  # the folder is listed while the run goes on
    assert catalogue._folders._list.count() == 2
    assert not catalogue._folders._rescan.isEnabled()
    notices: list[tuple[str, str]] = []
    catalogue.notice.connect(lambda *words: notices.append(words))
    handle.deliver_answer(_SUMMARY)
    runner.answer(LibraryRequest, overview(40, problems=1))
    assert notices[0][0] == "38 photos added, 1 left out in 3.2 s."
    assert catalogue._folders._rescan.isEnabled()
    assert catalogue._folders._problems.text() == "2 left out: see why"


def test_thumbnails_of_photos_that_were_looked_at_closer_are_read_again(
    filled: CataloguePage, runner: FakeRunner, thumbnails: ThumbnailCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Path] = []
    monkeypatch.setattr(thumbnails, "renew", renewed.extend)
    handle = runner.last(IndexRequest)
    row = photo(1, Path("/thumbnails/1.jpg"))
    handle.deliver_partial(PhotoBatch((row,)))
    assert renewed == []
    handle.deliver_partial(PhotoBatch((row,), is_renewal=True))
    assert renewed == [row.thumbnail]


def test_photo_that_turned_out_unreadable_leaves_the_grid(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    filled._refresh_timer.setInterval(1)
    runner.last(IndexRequest).deliver_partial(PhotoBatch(()))
    _pages(qtbot, runner, 39)
    assert filled._model.total == 39


def test_folders_and_links_that_lead_nowhere_are_listed_with_unreadable_files(
    filled: CataloguePage, runner: FakeRunner
) -> None:
    locked = FileProblem(Path("/photos/locked"), "You may not read this folder.")
    summary = IndexSummary(0, 0, 40, 0, 0, 0, (locked,), 0.1, 40)
    runner.last(IndexRequest).deliver_answer(summary)
    runner.answer(LibraryRequest, overview(40))
    assert filled._overview is not None
    assert filled._overview.problems == (locked,)
    assert filled._folders._problems.isVisible()


def test_cancelled_and_failed_runs_leave_the_grid(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    runner.fail(IndexRequest, "Another window uses this library.")
    assert filled._stack.currentWidget() is filled._grid_page
    assert filled._folders._rescan.isEnabled()


def test_chosen_photo_stays_chosen_when_others_come_before_it(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    filled._grid.setCurrentIndex(filled._model.index(3, 0))
    chosen = filled._grid.current_photo().photo_id
    filled._refresh()
    _pages(qtbot, runner, 50, first_id=-9)
    assert filled._grid.current_photo().photo_id == chosen
    assert filled._grid.currentIndex().row() == 13


def test_order_and_folder_narrow_the_grid(qtbot: object, filled: CataloguePage, runner: FakeRunner) -> None:
    filled._order.setCurrentIndex(2)
    qtbot.waitUntil(lambda: runner.requests(PageRequest)[-1].order is PhotoOrder.NAME)
    filled._folders._list.setCurrentRow(1)
    qtbot.waitUntil(lambda: runner.requests(PageRequest)[-1].folder == Path("/photos"))


def test_folder_is_removed_after_a_question(
    filled: CataloguePage, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [False, True]
    monkeypatch.setattr(filled, "_confirms_removal", lambda _folder: answers.pop(0))
    filled._folders._list.setCurrentRow(1)
    filled._folders._remove.click()
    assert runner.requests(RemoveFolderRequest) == []
    filled._folders._remove.click()
    assert runner.requests(RemoveFolderRequest) == [RemoveFolderRequest(Path("/photos"))]
    runner.answer(RemoveFolderRequest, overview(0, folders=()))
    assert filled._folders._list.count() == 1


def test_find_similar_needs_a_photo_and_has_a_key(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    assert not filled._find.isEnabled()
    filled._grid.setFocus()
    filled._grid.setCurrentIndex(filled._model.index(4, 0))
    assert filled._find.isEnabled()
    filled._find.click()
    assert runner.requests(SearchRequest)[-1].photo_id == 5
    assert filled._stack.currentWidget() is filled._similar
    assert not filled._folders.isVisible()
    qtbot.keyClick(filled, Qt.Key.Key_Escape)
    assert filled._stack.currentWidget() is filled._grid_page


def test_invert_is_passed_on(filled: CataloguePage) -> None:
    seen: list[Query] = []
    filled.invert_wanted.connect(seen.append)
    filled._grid.setCurrentIndex(filled._model.index(1, 0))
    filled._invert.click()
    assert seen[0].source.photo_id == 2


def test_enter_shows_a_photo_large_and_arrows_walk(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    filled._grid.setCurrentIndex(filled._model.index(0, 0))
    qtbot.keyClick(filled._grid, Qt.Key.Key_Return)
    assert filled._stack.currentWidget() is filled._preview
    assert runner.requests(PreviewRequest)[-1].source.photo_id == 1
    qtbot.keyClick(filled._preview._canvas, Qt.Key.Key_Right)
    qtbot.keyClick(filled._preview._canvas, Qt.Key.Key_Right)
    runner.answer(PreviewRequest, PhotoPreview(1, image(), 4000, 3000))
    newest = runner.last(PreviewRequest)
    assert newest.request.source.photo_id == 3
    newest.deliver_answer(PhotoPreview(newest.request.serial, image(), 4000, 3000))
    assert filled._preview._facts.text().startswith("4000 × 3000")
    qtbot.keyClick(filled._preview._canvas, Qt.Key.Key_Escape)
    assert filled._stack.currentWidget() is filled._grid_page
    assert filled._grid.currentIndex().row() == 2


def test_more_photos_of_a_person_are_offered_where_a_face_was_found(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    wanted: list[object] = []
    filled.person_wanted.connect(wanted.append)
    filled._show_preview(filled._model, 0)
    preview = filled._preview

    def answer(faces: int) -> None:
        newest = runner.last(PreviewRequest)
        newest.deliver_answer(PhotoPreview(newest.request.serial, image(), 4000, 3000, faces))

    answer(0)
    assert not preview._person.isVisibleTo(preview)
    qtbot.keyClick(preview._canvas, Qt.Key.Key_Right)
    answer(2)
    assert preview._person.isVisibleTo(preview) and "largest" in preview._person.toolTip()
    preview._person.click()
    assert [photo.photo_id for photo in wanted] == [2]
    qtbot.keyClick(preview._canvas, Qt.Key.Key_Left)  # not known of this one yet
    assert not preview._person.isVisibleTo(preview)


def test_a_long_path_does_not_widen_the_window(filled: CataloguePage) -> None:
    filled._show_preview(filled._model, 0)
    before = filled._preview.minimumSizeHint().width()
    filled._preview._facts.setText("/photos/" + "holidays " * 60)
    filled._preview._title.setText("x" * 300)
    assert filled._preview.minimumSizeHint().width() == before <= 800


def test_unreadable_photo_says_why_in_the_preview(
    qtbot: object, filled: CataloguePage, runner: FakeRunner
) -> None:
    filled._show_preview(filled._model, 0)
    runner.fail(PreviewRequest, "The file is gone.", "Rescan.")
    assert filled._preview._problem.text() == "The file is gone. Rescan."


def test_dropped_folder_is_added_and_dropped_file_is_looked_for(
    filled: CataloguePage, runner: FakeRunner
) -> None:
    filled.take(Offered(folders=(Path("/more"),)))
    assert runner.requests(IndexRequest)[-1] == IndexRequest((Path("/more"),))
    notices: list[str] = []
    filled.notice.connect(lambda text, _hint: notices.append(text))
    filled.take(Offered(files=(Path("/a.jpg"), Path("/b.jpg"))))
    assert runner.requests(SearchRequest)[-1].path == Path("/a.jpg")
    assert "first of 2" in notices[0]
    filled.take(Offered(folders=(Path("/more"),), files=(Path("/a.jpg"),)))
    assert "pictures beside it are not" in notices[1] and len(runner.requests(SearchRequest)) == 1
    picture = QImage(3, 3, QImage.Format.Format_RGB888)
    picture.fill(0)
    filled.take(Offered(picture=picture))
    assert filled._similar.query.source.image.shape == (3, 3, 3)


def test_problems_are_listed_with_reasons(
    qtbot: object, filled: CataloguePage, qtmodeltester: object
) -> None:
    filled._show_overview(overview(40, problems=3))
    filled._folders._problems.click()
    dialog = filled.findChild(ProblemsDialog)
    assert isinstance(dialog, QDialog)
    assert dialog._model.rowCount() == 3
    dialog._copy_list()
    dialog.close()
    model = ProblemsModel(overview(40, problems=3).problems)
    qtmodeltester.check(model)
    assert model.index(0, 1).data() == "The file is empty."
