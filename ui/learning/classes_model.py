"""Proposed or marked photos of a class, as a list for a view of tiles."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QModelIndex, QObject

from desktop_app.core.types import PhotoRow, Proposal
from ui import texts
from ui.catalogue.photo_model import ModelIndex, PhotoModel
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache


class ClassPhotoModel(PhotoModel):
    """Photos, with their confidence where there is one.

    Args:
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(thumbnails, parent)
        self._photos: list[tuple[PhotoRow, float | None]] = []
        self._is_sure = True

    def set_proposals(self, proposals: tuple[Proposal, ...], *, is_calibrated: bool) -> None:
        """Show proposals; a confidence that is a guess is shown with a question mark."""
        self._is_sure = is_calibrated
        self._reset([(proposal.row, proposal.confidence) for proposal in proposals])

    def set_photos(self, photos: tuple[PhotoRow, ...]) -> None:
        """Show photos without a confidence."""
        self._reset([(photo, None) for photo in photos])

    def drop(self, photo_ids: Collection[int]) -> None:
        """Take photos out."""
        for number in reversed(range(len(self._photos))):
            if self._photos[number][0].photo_id in photo_ids:
                self.beginRemoveRows(QModelIndex(), number, number)
                del self._photos[number]
                self.endRemoveRows()

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of photos."""
        return 0 if parent.isValid() else len(self._photos)

    def photo_at(self, number: int) -> PhotoRow | None:
        """The photo of a row."""
        return self._photos[number][0]

    def confidence_at(self, number: int) -> float | None:
        """The confidence of a row, or None for a mark."""
        return self._photos[number][1]

    def data(self, index: ModelIndex, role: int = 0) -> object:
        """As for all photos; the badge is the confidence."""
        if role == PhotoRole.BADGE and index.isValid() and index.row() < len(self._photos):
            confidence = self._photos[index.row()][1]
            return (
                None if confidence is None else texts.confidence_text(confidence, is_guess=not self._is_sure)
            )
        return super().data(index, role)

    def _reset(self, photos: list[tuple[PhotoRow, float | None]]) -> None:
        self.beginResetModel()
        self._photos = photos
        self._waiting.clear()
        self.endResetModel()
