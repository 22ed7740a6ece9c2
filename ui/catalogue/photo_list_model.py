"""The photos of the library, fetched in pages as they come into view."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QModelIndex, QObject, QTimer, Signal

from desktop_app.core.types import JobFailure, PageRequest, PhotoPage, PhotoRow
from desktop_app.worker.job_handle import JobHandle
from ui.catalogue.photo_model import ModelIndex, PhotoModel
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter

PAGE_ROWS = 200
_PAGES_KEPT = 40
_LOADS_AT_ONCE = 2
_WISHES_KEPT = 6


class PhotoListModel(PhotoModel):
    """Rows of one filter; 100,000 rows cost no more than the pages looked at.

    Signals:
        loaded: A page arrived; `total` is up to date.
        load_failed: A page did not arrive (`JobFailure`).

    Args:
        jobs: Answers page requests.
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    loaded = Signal()
    load_failed = Signal(object)

    def __init__(self, jobs: JobCenter, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(thumbnails, parent)
        self._jobs = jobs
        self._filter = PageRequest(0, PAGE_ROWS)
        self._total = 0
        self._pages: OrderedDict[int, tuple[PhotoRow, ...]] = OrderedDict()
        self._stale: set[int] = set()
        self._wishes: OrderedDict[int, None] = OrderedDict()
        self._loads: dict[int, _PageLoad] = {}
        self._last_page = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._start_loads)

    @property
    def total(self) -> int:
        """Rows of the filter."""
        return self._total

    @property
    def page_filter(self) -> PageRequest:
        """The filter in use; offset and count do not matter."""
        return self._filter

    def set_filter(self, page_filter: PageRequest) -> None:
        """Show other photos or another order; begins with the first page."""
        self._cancel_loads()
        self.beginResetModel()
        self._filter = page_filter
        self._total = 0
        self._pages.clear()
        self._stale.clear()
        self._waiting.clear()
        self.endResetModel()
        self._last_page = 0
        self._wish(0)

    def refresh(self) -> None:
        """Ask again for what is shown, keeping it on the screen until the answer is there."""
        self._stale = set(self._pages)
        self._wish(self._last_page)

    def close(self) -> None:
        """Forget what was asked for."""
        self._timer.stop()
        self._cancel_loads()

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of photos."""
        return 0 if parent.isValid() else self._total

    def photo_at(self, number: int) -> PhotoRow | None:
        """The photo of a row; None asks for its page."""
        page = number // PAGE_ROWS
        rows = self._pages.get(page)
        if rows is None or page in self._stale:
            self._wish(page)
        self._last_page = page
        if rows is None:
            return None
        self._pages.move_to_end(page)
        offset = number % PAGE_ROWS
        return rows[offset] if offset < len(rows) else None

    def number_of(self, photo_id: int) -> int:
        """The row of a photo on a loaded page, or -1."""
        for page, rows in self._pages.items():
            for offset, row in enumerate(rows):
                if row.photo_id == photo_id:
                    return page * PAGE_ROWS + offset
        return -1

    # --- pages --------------------------------------------------------------------------------------

    def _wish(self, page: int) -> None:
        if page in self._loads:
            return
        self._wishes[page] = None
        self._wishes.move_to_end(page)
        while len(self._wishes) > _WISHES_KEPT:
            self._wishes.popitem(last=False)
        if not self._timer.isActive():
            self._timer.start()

    def _start_loads(self) -> None:
        while self._wishes and len(self._loads) < _LOADS_AT_ONCE:
            page, _ = self._wishes.popitem(last=True)
            if page * PAGE_ROWS >= max(1, self._total):
                continue
            f = self._filter
            request = PageRequest(page * PAGE_ROWS, PAGE_ROWS, order=f.order, folder=f.folder, state=f.state)
            load = _PageLoad(page, self._jobs.ask(request), parent=self)
            load.arrived.connect(self._take_page)
            load.failed.connect(self._take_failure)
            load.cancelled.connect(self._end_load)
            self._loads[page] = load

    def _cancel_loads(self) -> None:
        self._wishes.clear()
        for load in self._loads.values():
            load.drop()
        self._loads.clear()

    def _end_load(self, page: int) -> None:
        load = self._loads.pop(page, None)
        if load is not None:
            load.deleteLater()
        if self._wishes and not self._timer.isActive():
            self._timer.start()

    def _take_failure(self, page: int, failure: JobFailure) -> None:
        self._wishes.clear()
        self._end_load(page)
        self.load_failed.emit(failure)

    def _take_page(self, page: int, answer: PhotoPage) -> None:
        self._pages[page] = answer.rows
        self._pages.move_to_end(page)
        self._stale.discard(page)
        while len(self._pages) > _PAGES_KEPT:
            dropped, _ = self._pages.popitem(last=False)
            self._stale.discard(dropped)
        self._set_total(answer.total)
        if answer.rows:
            first = page * PAGE_ROWS
            last = min(first + len(answer.rows), self._total) - 1
            self.dataChanged.emit(self.index(first, 0), self.index(last, 0))
        self._end_load(page)
        self.loaded.emit()

    def _set_total(self, total: int) -> None:
        if total > self._total:
            self.beginInsertRows(QModelIndex(), self._total, total - 1)
            self._total = total
            self.endInsertRows()
        elif total < self._total:
            self.beginRemoveRows(QModelIndex(), total, self._total - 1)
            self._total = total
            for page in [p for p in self._pages if p * PAGE_ROWS >= total]:
                del self._pages[page]
            self.endRemoveRows()


class _PageLoad(QObject):
    """One page on its way; silent after `drop`."""

    arrived = Signal(object, object)
    failed = Signal(object, object)
    cancelled = Signal(object)

    def __init__(self, page: int, handle: JobHandle, *, parent: QObject) -> None:
        super().__init__(parent)
        self._page = page
        self._handle = handle
        self._is_dropped = False
        handle.finished.connect(self._on_finished)
        handle.failed.connect(self._on_failed)
        handle.cancelled.connect(self._on_cancelled)

    def drop(self) -> None:
        """Say nothing any more; the job is cancelled."""
        self._is_dropped = True
        self._handle.cancel()
        self.deleteLater()

    def _on_finished(self, answer: object) -> None:
        if not self._is_dropped:
            self.arrived.emit(self._page, answer)

    def _on_failed(self, failure: object) -> None:
        if not self._is_dropped:
            self.failed.emit(self._page, failure)

    def _on_cancelled(self) -> None:
        if not self._is_dropped:
            self.cancelled.emit(self._page)
