from __future__ import annotations

from collections.abc import Iterator

import pytest

from desktop_app.core.types import (
    HitKind,
    PhotoPreview,
    PhotoSource,
    PreviewRequest,
    SearchRequest,
    SearchResult,
)
from tests.ui.fake_runner import FakeRunner, hit, image, photo
from ui.catalogue.catalogue_page import query_of
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.similar_view import Query, SimilarView
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter


@pytest.fixture
def view(qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache) -> Iterator[SimilarView]:
    actions = PhotoActions()
    made = SimilarView(jobs, thumbnails, actions=actions)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    yield made


_FOUND = SearchResult(
    (hit(2, 0.99, 1, HitKind.NEAR_DUPLICATE), hit(3, 0.8, 2), hit(4, 0.7, 3)), 0.62, 17, 1234, 0.034
)


def test_neighbours_and_near_duplicates_stand_apart(view: SimilarView, runner: FakeRunner) -> None:
    view.search(query_of(photo(1)))
    assert "Looking for similar photos" in view._message.accessibleName()
    request = runner.requests(SearchRequest)[0]
    assert (request.photo_id, request.min_similarity) == (1, None)
    runner.answer(SearchRequest, _FOUND)
    assert view._duplicates.rowCount() == 1
    assert view._similar.rowCount() == 2
    assert view._duplicate_strip.isVisible()
    assert view._hidden_text.text() == "17 more below the cut-off"
    assert view._facts.text() == "Compared with 1,234 photos in 34 ms"
    assert view._cutoff.value() == 62
    assert "0.62" in view._cutoff_text.text()


def test_cutoff_can_be_moved_lifted_and_left_to_the_program(view: SimilarView, runner: FakeRunner) -> None:
    view.search(query_of(photo(1)))
    runner.answer(SearchRequest, _FOUND)
    view._cutoff.setValue(40)
    assert runner.requests(SearchRequest)[-1].min_similarity == 0.4
    runner.answer(SearchRequest, _FOUND)
    view._show_hidden.click()
    assert runner.requests(SearchRequest)[-1].min_similarity == -1.0
    runner.answer(SearchRequest, _FOUND)
    assert view._automatic.isVisible()
    view._automatic.click()
    assert runner.requests(SearchRequest)[-1].min_similarity is None


def test_dragging_the_cutoff_asks_for_the_newest_only(view: SimilarView, runner: FakeRunner) -> None:
    view.search(query_of(photo(1)))
    runner.answer(SearchRequest, _FOUND)
    for value in range(60, 20, -1):
        view._cutoff.setValue(value)
    runner.answer(SearchRequest, _FOUND)
    asked = [request.min_similarity for request in runner.requests(SearchRequest)]
    assert asked == [None, 0.60, 0.21]


def test_nothing_similar_says_so(view: SimilarView, runner: FakeRunner) -> None:
    view.search(query_of(photo(1)))
    runner.answer(SearchRequest, SearchResult((), 0.9, 60, 500, 0.01))
    assert "Nothing similar" in view._message.accessibleName()
    assert view._show_hidden.isVisible()


def test_failure_is_shown_in_place(view: SimilarView, runner: FakeRunner) -> None:
    view.search(Query(PhotoSource(path=photo(1).path), "x.jpg"))
    runner.fail(SearchRequest, "The file is damaged.", "Choose another one.")
    assert view._message.accessibleName() == "The file is damaged. Choose another one."
    assert view._invert.isEnabled(), "the library may be the reason"
    runner.fail(PreviewRequest, "The file is damaged.")
    assert not view._invert.isEnabled()
    view.search(query_of(photo(2)))
    assert view._invert.isEnabled()


def test_back_goes_through_the_queries_and_closes(view: SimilarView, runner: FakeRunner) -> None:
    closed: list[bool] = []
    view.closed.connect(lambda: closed.append(True))
    for number in (1, 2):
        view.search(query_of(photo(number)))
        runner.answer(SearchRequest, _FOUND)
    view.go_back()
    assert runner.requests(SearchRequest)[-1].photo_id == 1
    assert closed == []
    view.go_back()
    assert closed == [True]


def test_pasted_picture_is_shown_and_sent(view: SimilarView, runner: FakeRunner) -> None:
    picture = image(20)
    view.search(Query(PhotoSource(image=picture), "Pasted picture"))
    assert runner.requests(SearchRequest)[0].image is picture
    assert view._canvas.has_image
    assert runner.requests(PreviewRequest) == []


def test_late_preview_of_another_query_is_ignored(view: SimilarView, runner: FakeRunner) -> None:
    view.search(query_of(photo(1)))
    first = runner.last(PreviewRequest)
    view.search(query_of(photo(2)))
    first.deliver_answer(PhotoPreview(first.request.serial, image(), 10, 10))
    assert not view._canvas.has_image
    runner.answer(PreviewRequest, PhotoPreview(runner.last(PreviewRequest).request.serial, image(), 10, 10))
    assert view._canvas.has_image
