"""The neighbours that a search found."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject

from desktop_app.core.types import HitKind, PhotoHit, PhotoRow
from ui.catalogue.photo_model import ModelIndex, PhotoModel
from ui.catalogue.thumbnail_cache import ThumbnailCache


class HitListModel(PhotoModel):
    """Hits, nearest first.

    Args:
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(thumbnails, parent)
        self._hits: tuple[PhotoHit, ...] = ()

    def set_hits(self, hits: tuple[PhotoHit, ...]) -> None:
        """Show other hits."""
        self.beginResetModel()
        self._hits = hits
        self._waiting.clear()
        self.endResetModel()

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of hits."""
        return 0 if parent.isValid() else len(self._hits)

    def photo_at(self, number: int) -> PhotoRow | None:
        """The photo of a hit."""
        return self._hits[number].row

    def hit_at(self, number: int) -> tuple[float, HitKind] | None:
        """Similarity and kind of a hit."""
        hit = self._hits[number]
        return hit.similarity, hit.kind
