from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QAbstractListModel, QModelIndex, QPoint, Qt

from ui.widgets.tile_view import TileView


class Numbers(QAbstractListModel):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.asked: set[int] = set()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else self.count

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        self.asked.add(index.row())
        return str(index.row()) if role == Qt.ItemDataRole.DisplayRole else None

    def grow(self, by: int) -> None:
        self.beginInsertRows(QModelIndex(), self.count, self.count + by - 1)
        self.count += by
        self.endInsertRows()


@pytest.fixture
def view(qtbot: object) -> TileView:
    made = TileView()
    qtbot.addWidget(made)
    made.resize(516, 400)
    made.set_tiles(100)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_tiles_fill_the_width_and_point_back_to_their_row(view: TileView) -> None:
    model = Numbers(50)
    view.setModel(model)
    columns = view.columns()
    assert view.cell_size().width() == view.viewport().width() // columns
    for number in (0, 3, columns, columns + 2):
        rect = view.visualRect(model.index(number, 0))
        assert view.indexAt(rect.center()).row() == number
    assert not view.indexAt(QPoint(5, 20_000)).isValid()


def test_hundred_thousand_rows_load_only_what_is_seen(view: TileView) -> None:
    model = Numbers(100_000)
    view.setModel(model)
    view.viewport().repaint()
    assert 0 < len(model.asked) < 100
    model.asked.clear()
    view.scrollTo(model.index(80_000, 0))
    view.viewport().repaint()
    assert 80_000 in model.asked
    assert len(model.asked) < 100


def test_growing_and_resizing_do_not_depend_on_the_number_of_rows(view: TileView) -> None:
    model = Numbers(100_000)
    view.setModel(model)
    started = time.perf_counter()
    for width in range(500, 520):
        model.grow(32)
        view.resize(width, 400)
    assert (time.perf_counter() - started) / 20 < 0.05


def test_keys_move_through_lines_and_stop_at_the_ends(qtbot: object, view: TileView) -> None:
    view.setModel(Numbers(23))
    columns = view.columns()
    view.setCurrentIndex(view.model().index(0, 0))
    for key, row in (
        (Qt.Key.Key_Left, 0),
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_Down, 1 + columns),
        (Qt.Key.Key_Up, 1),
        (Qt.Key.Key_Up, 1),
        (Qt.Key.Key_End, 22),
        (Qt.Key.Key_Down, 22),
        (Qt.Key.Key_Home, 0),
    ):
        qtbot.keyClick(view, key)
        assert view.currentIndex().row() == row


def test_down_from_the_last_full_line_reaches_the_last_tile(qtbot: object, view: TileView) -> None:
    columns = view.columns()
    view.setModel(Numbers(2 * columns + 1))
    view.setCurrentIndex(view.model().index(columns + 2, 0))
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.currentIndex().row() == 2 * columns


def test_enter_and_double_click_open(qtbot: object, view: TileView) -> None:
    view.setModel(Numbers(9))
    opened: list[int] = []
    view.opened.connect(lambda index: opened.append(index.row()))
    view.setCurrentIndex(view.model().index(4, 0))
    qtbot.keyClick(view, Qt.Key.Key_Return)
    centre = view.visualRect(view.model().index(2, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=centre)
    assert opened == [4, 2]


def test_click_selects_one_tile(qtbot: object, view: TileView) -> None:
    view.setModel(Numbers(9))
    for number in (3, 5):
        centre = view.visualRect(view.model().index(number, 0)).center()
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=centre)
    assert [index.row() for index in view.selectedIndexes()] == [5]


def test_place_is_kept_when_tiles_grow_or_the_window_narrows(view: TileView) -> None:
    view.setModel(Numbers(1000))
    view.scrollTo(view.model().index(500, 0), TileView.ScrollHint.PositionAtTop)
    before = view.first_visible_row()
    view.set_tiles(140)
    assert abs(view.first_visible_row() - before) < 2 * view.columns()
    before = view.first_visible_row()
    view.resize(300, 400)
    assert abs(view.first_visible_row() - before) < 5


def test_single_row_scrolls_sideways(view: TileView) -> None:
    view.set_single_row(80, caption_px=20)
    view.setModel(Numbers(40))
    assert view.verticalScrollBar().maximum() == 0
    view.scrollTo(view.model().index(39, 0))
    assert 39 in view.visible_rows()
    assert view.visualRect(view.model().index(39, 0)).right() < view.viewport().width()


def test_empty_and_missing_models_are_harmless(view: TileView) -> None:
    view.viewport().repaint()
    view.setModel(Numbers(0))
    view.viewport().repaint()
    assert not view.indexAt(QPoint(10, 10)).isValid()
