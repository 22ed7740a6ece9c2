"""The map in the window: painting, pointing, states, colours."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPixmap

from desktop_app.core.types import (
    ComputeMapRequest,
    LibraryMap,
    MapRequest,
    MapSketch,
    PhotoRows,
    PhotosRequest,
    Progress,
)
from tests.ui.fake_runner import FakeRunner, photo
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.learning.map_canvas import MapCanvas
from ui.learning.map_colours import GROUP_COLOURS, ColourBy, Colouring, Group, colour
from ui.learning.map_page import MapPage
from ui.learning.map_painter import draw_points, inside_polygon, mixed

_NAMES = ("/photos/a", "/photos/b")


def library_map(count: int = 40) -> LibraryMap:
    rng = np.random.default_rng(0)
    half = np.arange(count) >= count // 2
    places = rng.normal(0, 0.1, (count, 2)) + np.where(half, 0.6, -0.6)[:, None]
    return LibraryMap(
        photos=count,
        photo_ids=np.arange(1, count + 1),
        places=places.astype(np.float32),
        modified_at=1.7e9 + 86_400.0 * np.arange(count),
        folders=half.astype(np.int32),
        clusters=np.where(np.arange(count) % 5 == 0, -1, half).astype(np.int32),
        classes=np.where(np.arange(count) < 3, 0, -1).astype(np.int32),
        folder_names=_NAMES,
        class_names=("cats",),
        placed=2,
    )


@pytest.fixture
def canvas(qtbot: object) -> Iterator[MapCanvas]:
    made = MapCanvas()
    qtbot.addWidget(made)
    made.resize(400, 400)
    found = library_map()
    made.set_points(found.places, colour(found, ColourBy.FOLDER).colours)
    made.show()
    yield made


@pytest.fixture
def shown(qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache) -> Iterator[MapPage]:
    page = MapPage(jobs, thumbnails)
    qtbot.addWidget(page)
    page.resize(1000, 700)
    page.show()
    yield page


@pytest.fixture
def filled(shown: MapPage, runner: FakeRunner) -> MapPage:
    runner.answer(MapRequest, library_map())
    return shown


def test_points_are_drawn_where_they_lie_and_nothing_breaks_at_the_edges() -> None:
    x, y = np.array([0, 50, 99], np.int32), np.array([0, 20, 39], np.int32)
    colours = np.array([0xFFFF0000, 0xFF00FF00, 0xFF0000FF], np.uint32)
    for radius in (1, 2, 3, 4):
        pixels = draw_points(
            x,
            y,
            (colours, mixed(colours, 0, share=0.5)),
            size_px=(100, 40),
            radius=radius,
            background=0x101010,
        )
        assert pixels.shape == (40, 100)
        assert [int(pixels[b, a]) for a, b in zip(x, y, strict=True)] == colours.tolist()
        assert int(pixels[30, 10]) == 0xFF101010
    assert int(mixed(colours, 0x0000FF, share=0.5)[0]) == 0xFF7F007F


def test_polygon_holds_what_lies_inside() -> None:
    points = np.array([(0, 0), (2, 2), (0.5, 0.9), (-1, 0)], np.float32)
    star = np.array([(-0.5, -0.5), (1, -0.5), (1, 1), (0.2, 0.2), (-0.5, 1)], np.float32)
    assert inside_polygon(points, star).tolist() == [True, False, False, False]


def test_zoom_keeps_the_point_under_the_pointer(canvas: MapCanvas) -> None:
    spot = canvas.to_window(7)
    canvas.zoom_by(5.0, around=spot)
    assert (canvas.to_window(7) - spot).manhattanLength() < 0.5
    canvas.pan_by(QPointF(30, -10))
    assert (canvas.to_window(7) - spot - QPointF(30, -10)).manhattanLength() < 0.5
    canvas.fit()
    assert canvas.zoom == 1.0


def test_pointer_finds_photos_and_clicks_them(qtbot: object, canvas: MapCanvas) -> None:
    hovered: list[int] = []
    clicked: list[int] = []
    canvas.hovered.connect(hovered.append)
    canvas.clicked.connect(clicked.append)
    spot = canvas.to_window(12).toPoint()
    expected = canvas.number_at(QPointF(spot))
    qtbot.mouseMove(canvas, spot)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot)
    assert clicked == [expected] and expected in hovered
    assert canvas.number_at(QPointF(2, 398)) == -1


def test_lasso_tells_the_photos_inside(qtbot: object, canvas: MapCanvas) -> None:
    found: list[np.ndarray] = []
    canvas.lassoed.connect(found.append)
    canvas.start_lasso()
    corners = [QPointF(1, 1), QPointF(199, 1), QPointF(199, 199), QPointF(1, 199)]
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=corners[0].toPoint())
    for corner in corners[1:]:
        qtbot.mouseMove(canvas, corner.toPoint())
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=corners[-1].toPoint())
    assert sorted(found[0].tolist()) == list(range(20))


def test_few_photos_in_view_become_pictures(canvas: MapCanvas) -> None:
    wanted: list[list[int]] = []
    canvas.pictures_wanted.connect(wanted.append)
    canvas.zoom_by(6.0, around=canvas.to_window(3))
    canvas.grab()
    assert 3 in wanted[-1]
    canvas.set_picture(3, QPixmap(20, 20))
    assert canvas.has_picture(3) and not canvas.grab().isNull()


def test_hundred_thousand_points_are_drawn_within_a_frame(qtbot: object) -> None:
    canvas = MapCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(1000, 760)
    rng = np.random.default_rng(0)
    places = rng.normal(0, 0.3, (100_000, 2)).astype(np.float32)
    canvas.set_points(places, np.full(100_000, 0xFF8FA3FF, np.uint32))
    best = 1.0
    for _ in range(12):
        canvas.pan_by(QPointF(3, 2))
        began = time.thread_time()
        canvas.render_points()
        best = min(best, time.thread_time() - began)
    assert best < 0.016


def test_colours_follow_groups_and_time() -> None:
    found = library_map()
    folders = colour(found, ColourBy.FOLDER)
    assert [group.name for group in folders.groups] == ["photos/a", "photos/b"]
    assert int(folders.colours[0]) & 0xFFFFFF == GROUP_COLOURS[0]
    assert [group.name for group in colour(found, ColourBy.CLASS).groups] == ["cats", "no class"]
    assert colour(found, ColourBy.CLUSTER).groups[-1].name == "no cluster"
    dates = colour(found, ColourBy.DATE)
    assert (
        dates.scale is not None and dates.scale[0] < dates.scale[1] and dates.colours[0] != dates.colours[-1]
    )
    many = LibraryMap(
        40, folders=np.arange(40, dtype=np.int32), folder_names=tuple(f"/x/{n}" for n in range(40))
    )
    assert colour(many, ColourBy.FOLDER).groups[-1].name == "28 smaller ones"
    assert colour(LibraryMap(0), ColourBy.DATE).groups == ()


def test_states_of_the_page(shown: MapPage, runner: FakeRunner) -> None:
    runner.answer(MapRequest, LibraryMap(photos=3))
    assert (
        "Too few photos" in shown._message.accessibleName()
        and "holds 3 photos" in shown._message.accessibleName()
    )
    shown.load()
    runner.answer(MapRequest, LibraryMap(photos=500))
    assert shown._stack.currentWidget() is shown._empty
    shown.load()
    runner.fail(MapRequest, "The library is damaged.", "Index again.")
    assert "damaged" in shown._failed.accessibleName()


def test_a_run_is_shown_as_it_goes_and_can_fail(shown: MapPage, runner: FakeRunner) -> None:
    runner.answer(MapRequest, LibraryMap(photos=40))
    shown.compute()
    handle = runner.last(ComputeMapRequest)
    handle.deliver_partial(Progress(25, 100, None, "Arranging photos"))
    handle.deliver_partial(MapSketch(library_map().places))
    assert (
        shown._stack.currentWidget() is shown._shown and shown._progress.text() == "Arranging photos … 25 %"
    )
    handle.deliver_answer(library_map())
    assert shown._facts.text().startswith("40 photos on the map. 2 photos of them came later")
    shown.compute()
    runner.fail(ComputeMapRequest, "The map cannot be saved: the disk is full.")
    assert "disk is full" in shown._failed.accessibleName()


def test_a_cancelled_run_shows_the_old_map(filled: MapPage, runner: FakeRunner) -> None:
    filled.compute()
    handle = runner.last(ComputeMapRequest)
    handle.deliver_partial(MapSketch(np.zeros((40, 2), np.float32)))
    handle.cancel()
    runner.settle_cancelled()
    assert filled._stack.currentWidget() is filled._shown and filled._canvas.isEnabled()
    assert np.ptp(filled._canvas._places) > 0.5


def test_chosen_photos_become_a_grid_and_back(filled: MapPage, runner: FakeRunner) -> None:
    filled._list(np.arange(5))
    assert filled._title.text() == "5 photos chosen on the map"
    filled._grid.grab()
    assert runner.requests(PhotosRequest)[-1].photo_ids == (1, 2, 3, 4, 5)
    runner.last(PhotosRequest).deliver_answer(PhotoRows(tuple(photo(n) for n in range(1, 6))))
    assert filled._chosen.photo_at(2) == photo(3)
    filled._back.click()
    assert filled._stack.currentWidget() is filled._shown
    told: list[str] = []
    filled.notice.connect(lambda text, hint: told.append(text))
    filled._list(np.zeros(0, int))
    assert told == ["No photo lies inside the line."]


def test_hovered_photo_is_named_and_a_click_finds_its_like(filled: MapPage, runner: FakeRunner) -> None:
    wanted: list[object] = []
    filled.similar_wanted.connect(wanted.append)
    filled._hover(4)
    runner.last(PhotosRequest).deliver_answer(PhotoRows((photo(5),)))
    assert "photo_00005" in filled._card.accessibleDescription()
    filled._open(4)
    assert wanted == [photo(5)]
    filled._hover(-1)
    assert filled._card._lines == ("", "")


def test_legend_lets_others_fade(filled: MapPage) -> None:
    item = filled._legend._list.item(0)
    filled._legend._choose(item)
    assert filled._canvas._highlight is not None
    filled._legend._choose(item)
    assert filled._canvas._highlight is None
    filled._by.setCurrentIndex(2)
    assert filled._legend._scale_box.isVisible() and not filled._legend._list.isVisible()


def test_all_groups_of_the_legend_fit_a_low_window(filled: MapPage, qtbot: object) -> None:
    groups = tuple(Group(0x8899FF, f"cluster {n}", np.ones(3, dtype=bool)) for n in range(14))
    filled.resize(940, 640)
    filled._legend.show_colouring(Colouring(np.zeros(3, np.uint32), groups))
    listed = filled._legend._list
    qtbot.waitUntil(lambda: listed.visualItemRect(listed.item(13)).bottom() <= listed.viewport().height())
