"""A view of photo tiles with the shared delegate, menu and sizes."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QWidget

from desktop_app.core.types import PhotoRow
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_delegate import CAPTION_PX, PhotoDelegate
from ui.catalogue.photo_model import ModelIndex
from ui.catalogue.photo_roles import PhotoRole
from ui.widgets.tile_view import TileView

_PADDING_PX = 10
_MOST_SELECTED = 500


class PhotoView(TileView):
    """Tiles of a photo model.

    Signals:
        photo_changed: Another photo is chosen (`PhotoRow` or None).

    Args:
        actions: What the context menu offers.
        parent: Qt owner.
    """

    photo_changed = Signal(object)

    def __init__(self, actions: PhotoActions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._photo_delegate = PhotoDelegate(self)
        self._thumbnail_px = 168
        self.setItemDelegate(self._photo_delegate)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        self.setAccessibleName(self.tr("Photos"))
        self._apply()

    def set_thumbnail_px(self, side_px: int) -> None:
        """Set the least side of a picture."""
        self._thumbnail_px = side_px
        self._apply()

    def set_fills(self, fills: bool) -> None:
        """Fill tiles with the middle of the pictures, or show whole pictures."""
        self._photo_delegate.fills = fills
        self.viewport().update()

    def set_shows_names(self, shows_names: bool) -> None:
        """Show file names below the pictures."""
        self._photo_delegate.shows_names = shows_names
        self._apply()

    def make_strip(self, side_px: int) -> None:
        """Become one row that scrolls sideways."""
        self.set_single_row(side_px + _PADDING_PX, caption_px=0)

    def choose_several(self) -> None:
        """Ctrl+click and Shift+click choose further photos."""
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)

    def selected_photos(self) -> tuple[PhotoRow, ...]:
        """All chosen photos that are loaded, in their order; at most some hundred."""
        found: list[PhotoRow] = []
        selection = self.selectionModel()
        for part in selection.selection().toList() if selection is not None else ():
            for number in range(part.top(), min(part.bottom() + 1, part.top() + _MOST_SELECTED)):
                photo = self.model().index(number, 0).data(PhotoRole.ROW)
                if photo is not None and len(found) < _MOST_SELECTED:
                    found.append(photo)
        return tuple(found)

    def current_photo(self) -> PhotoRow | None:
        """The chosen photo."""
        index = self.currentIndex()
        return index.data(PhotoRole.ROW) if index.isValid() else None

    def currentChanged(self, current: ModelIndex, previous: ModelIndex) -> None:
        """Tell that another photo is chosen."""
        super().currentChanged(current, previous)
        self.photo_changed.emit(self.current_photo())

    def _apply(self) -> None:
        caption = CAPTION_PX if self._photo_delegate.shows_names else 0
        self.set_tiles(self._thumbnail_px + _PADDING_PX, caption_px=caption)

    def _open_menu(self, point: QPoint) -> None:
        index = self.indexAt(point)
        if not index.isValid():
            index = self.currentIndex()
            point = self.visualRect(index).center()
        photo = index.data(PhotoRole.ROW) if index.isValid() else None
        if photo is not None:
            chosen = self.selected_photos()
            if photo not in chosen:
                chosen = (photo,)
            self._actions.open_menu(photo, self, at=self.viewport().mapToGlobal(point), chosen=chosen)
