from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtTest import QAbstractItemModelTester

from desktop_app.core.types import JobFailure, PageRequest, PhotoOrder, PhotoPage
from tests.ui.fake_runner import FakeRunner, page, photo
from ui.catalogue.photo_list_model import PAGE_ROWS, PhotoListModel
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter


@pytest.fixture
def model(jobs: JobCenter, thumbnails: ThumbnailCache) -> Iterator[PhotoListModel]:
    made = PhotoListModel(jobs, thumbnails)
    yield made
    made.close()


def _wait_for_requests(qtbot: object, runner: FakeRunner, count: int) -> None:
    qtbot.waitUntil(lambda: len(runner.requests(PageRequest)) == count)


def _answer(runner: FakeRunner, total: int, first_id: int = 1) -> None:
    handle = runner.open_handles(PageRequest)[0]
    request = handle.request
    handle.deliver_answer(page(request.offset, request.count, total, first_id))


def test_model_keeps_the_rules_of_item_models(
    qtbot: object, qtmodeltester: object, model: PhotoListModel, runner: FakeRunner
) -> None:
    tester = QAbstractItemModelTester(model)
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    _answer(runner, 450)
    qtmodeltester.check(model)
    model.refresh()
    _wait_for_requests(qtbot, runner, 2)
    while runner.open_handles(PageRequest):
        _answer(runner, 120)
        qtbot.wait(5)
    assert model.rowCount() == 120
    del tester


def test_pages_come_when_their_rows_are_looked_at(
    qtbot: object, model: PhotoListModel, runner: FakeRunner
) -> None:
    model.set_filter(PageRequest(0, 1, order=PhotoOrder.NAME))
    _wait_for_requests(qtbot, runner, 1)
    _answer(runner, 100_000)
    assert model.rowCount() == 100_000
    assert model.index(3, 0).data() == "photo_00004.jpg"
    far = model.index(70_123, 0)
    assert far.data(PhotoRole.ROW) is None
    _wait_for_requests(qtbot, runner, 2)
    request = runner.requests(PageRequest)[-1]
    assert (request.offset, request.count, request.order) == (70_000, PAGE_ROWS, PhotoOrder.NAME)
    with qtbot.waitSignal(model.dataChanged) as changed:
        _answer(runner, 100_000)
    assert changed.args[0].row() == 70_000
    assert far.data(PhotoRole.ROW).photo_id == 70_124


def test_fast_scrolling_asks_for_the_last_places_only(
    qtbot: object, model: PhotoListModel, runner: FakeRunner
) -> None:
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    _answer(runner, 100_000)
    for number in range(0, 100_000, 500):
        model.photo_at(number)
    _wait_for_requests(qtbot, runner, 3)
    assert runner.requests(PageRequest)[1].offset == 99_400
    for _ in range(20):
        if runner.open_handles(PageRequest):
            _answer(runner, 100_000)
        qtbot.wait(2)
    assert len(runner.requests(PageRequest)) <= 8


def test_growth_adds_rows_without_reset(qtbot: object, model: PhotoListModel, runner: FakeRunner) -> None:
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    _answer(runner, 32)
    resets: list[bool] = []
    model.modelReset.connect(lambda: resets.append(True))
    model.refresh()
    assert model.photo_at(0).photo_id == 1  # the old row stays until the new one is there
    _wait_for_requests(qtbot, runner, 2)
    _answer(runner, 64, first_id=1000)
    assert model.rowCount() == 64
    assert model.photo_at(0).photo_id == 1000
    assert model.number_of(1005) == 5
    assert resets == []


def test_another_filter_drops_pages_on_their_way(
    qtbot: object, model: PhotoListModel, runner: FakeRunner
) -> None:
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    old = runner.last(PageRequest)
    model.set_filter(PageRequest(0, 1, folder=Path("/photos/a")))
    _wait_for_requests(qtbot, runner, 2)
    old.deliver_answer(page(0, PAGE_ROWS, 777))
    assert model.rowCount() == 0
    assert old in runner.cancelled
    _answer(runner, 5)
    assert model.rowCount() == 5


def test_failure_is_passed_on_and_not_repeated(
    qtbot: object, model: PhotoListModel, runner: FakeRunner
) -> None:
    seen: list[JobFailure] = []
    model.load_failed.connect(seen.append)
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    runner.fail(PageRequest, "The library is damaged.")
    qtbot.wait(10)
    assert [failure.message for failure in seen] == ["The library is damaged."]
    assert len(runner.requests(PageRequest)) == 1


def test_thumbnail_changes_only_its_row(
    qtbot: object, model: PhotoListModel, runner: FakeRunner, thumbnail_files: list[Path]
) -> None:
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    rows = tuple(photo(number, file) for number, file in enumerate(thumbnail_files))
    runner.answer(PageRequest, PhotoPage(0, len(rows), rows))
    index = model.index(7, 0)
    assert index.data(PhotoRole.THUMBNAIL) is None
    with qtbot.waitSignal(model.dataChanged) as changed:
        pass
    assert (changed.args[0].row(), changed.args[1].row()) == (7, 7)
    assert not index.data(PhotoRole.THUMBNAIL).isNull()


def test_only_some_pages_are_kept(qtbot: object, model: PhotoListModel, runner: FakeRunner) -> None:
    model.set_filter(PageRequest(0, 1))
    _wait_for_requests(qtbot, runner, 1)
    _answer(runner, 100_000)
    for number in range(0, 60 * PAGE_ROWS, PAGE_ROWS):
        model._take_page(number // PAGE_ROWS, page(number, PAGE_ROWS, 100_000))
    assert len(model._pages) == 40
