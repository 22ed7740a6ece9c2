"""What the models of photos have in common: tooltips, names for screen readers, thumbnails."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop_app.core.errors import display_path
from desktop_app.core.types import HitKind, PhotoRow, PhotoState
from ui import texts
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache

ModelIndex = QModelIndex | QPersistentModelIndex


class PhotoModel(QAbstractListModel):
    """A list of photos; classes that derive from it say which.

    Args:
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._waiting: dict[Path, set[int]] = {}
        thumbnails.ready.connect(self._show_thumbnail)
        thumbnails.renewed.connect(self._ask_again)

    def photo_at(self, number: int) -> PhotoRow | None:
        """The photo of a row, or None while it is on its way."""
        raise NotImplementedError

    def hit_at(self, number: int) -> tuple[float, HitKind] | None:
        """Similarity and kind of a row of search hits; None in a plain list."""
        return None

    def data(self, index: ModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """What a view or delegate asks for; returns at once."""
        if not index.isValid() or not 0 <= index.row() < self.rowCount():
            return None
        number = index.row()
        if role in (PhotoRole.SIMILARITY, PhotoRole.KIND):
            hit = self.hit_at(number)
            return None if hit is None else hit[role == PhotoRole.KIND]
        photo = self.photo_at(number)
        if role == PhotoRole.ROW:
            return photo
        if photo is None:
            return None
        if role == PhotoRole.THUMBNAIL:
            return self._thumbnail(photo, number)
        if role == PhotoRole.HAS_FAILED:
            return photo.thumbnail is None or self._thumbnails.has_failed(photo.thumbnail)
        if role == Qt.ItemDataRole.DisplayRole:
            return texts.name_text(photo.path)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return self._description(photo, self.hit_at(number))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return texts.name_text(photo.path)
        return None

    def _thumbnail(self, photo: PhotoRow, number: int) -> object:
        if photo.thumbnail is None:
            return None
        pixmap = self._thumbnails.pixmap(photo.thumbnail)
        if pixmap is None or self._thumbnails.is_awaited(photo.thumbnail):
            self._waiting.setdefault(photo.thumbnail, set()).add(number)
        return pixmap

    def _show_thumbnail(self, file: Path) -> None:
        for number in self._waiting.pop(file, ()):
            if number < self.rowCount():
                index = self.index(number, 0)
                self.dataChanged.emit(index, index, [int(PhotoRole.THUMBNAIL)])

    def _ask_again(self) -> None:
        """Let views paint what they show; painting asks for the renewed thumbnails."""
        if self.rowCount():
            first, last = self.index(0, 0), self.index(self.rowCount() - 1, 0)
            self.dataChanged.emit(first, last, [int(PhotoRole.THUMBNAIL)])

    def _description(self, photo: PhotoRow, hit: tuple[float, HitKind] | None) -> str:
        lines = [display_path(photo.path)]
        if photo.width_px:
            taken = time.strftime("%Y-%m-%d %H:%M", time.localtime(photo.modified_at))
            lines.append(f"{photo.width_px} × {photo.height_px}  ·  {taken}")
        if photo.state is PhotoState.MISSING:
            lines.append(self.tr("The file is gone."))
        if photo.reason:
            lines.append(photo.reason)
        if hit is not None:
            lines.append(self.tr("Similarity {:.4f}").format(hit[0]))
            if hit[1] is HitKind.NEAR_DUPLICATE:
                lines.append(self.tr("Nearly the same picture"))
            elif hit[1] is HitKind.SAME_FILE:
                lines.append(self.tr("The same file as the query"))
        return "\n".join(lines)
