"""Photos given by their ids, fetched in pages as they come into view."""

from __future__ import annotations

from PySide6.QtCore import QObject

from desktop_app.core.types import PhotoRow, PhotoRows, PhotosRequest
from ui.catalogue.photo_model import ModelIndex, PhotoModel
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter

PAGE_ROWS = 100


class ChosenPhotoModel(PhotoModel):
    """A list of photos whose rows are asked for when they are looked at.

    Args:
        jobs: Answers requests for rows.
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    def __init__(self, jobs: JobCenter, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(thumbnails, parent)
        self._jobs = jobs
        self._ids: tuple[int, ...] = ()
        self._rows: dict[int, PhotoRow] = {}
        self._asked: set[int] = set()

    @property
    def photo_ids(self) -> tuple[int, ...]:
        """What is shown."""
        return self._ids

    def set_ids(self, photo_ids: tuple[int, ...]) -> None:
        """Show other photos."""
        self.beginResetModel()
        self._ids = photo_ids
        self._rows.clear()
        self._asked.clear()
        self._waiting.clear()
        self.endResetModel()

    def rowCount(self, parent: ModelIndex | None = None) -> int:
        """Number of photos."""
        return 0 if parent is not None and parent.isValid() else len(self._ids)

    def photo_at(self, number: int) -> PhotoRow | None:
        """The photo of a row; None asks for its page."""
        photo = self._rows.get(self._ids[number])
        page = number // PAGE_ROWS
        if photo is None and page not in self._asked:
            self._asked.add(page)
            wanted = self._ids[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
            self._jobs.submit(PhotosRequest(wanted)).finished.connect(self._take)
        return photo

    def _take(self, answer: PhotoRows) -> None:
        self._rows.update({row.photo_id: row for row in answer.rows})
        if self._ids:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._ids) - 1, 0))
