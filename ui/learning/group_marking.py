"""Marking photos as belonging together, from any list of photos."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu

from desktop_app.core.types import MarkedGroups, MarkGroupRequest, PhotoRow, UnmarkPhotosRequest
from ui import theme
from ui.job_center import JobCenter


class GroupMarking(QObject):
    """Asks for the changes and tells when they are done.

    Signals:
        changed: The groups are others now (`MarkedGroups`).
        notice: Something to tell the user (text, hint).

    Args:
        jobs: Answers requests.
        parent: Qt owner.
    """

    changed = Signal(object)
    notice = Signal(str, str)

    def __init__(self, jobs: JobCenter, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._offered: tuple[PhotoRow, ...] = ()

    def mark(self, photos: tuple[PhotoRow, ...]) -> None:
        """Say that photos belong together."""
        if len(photos) < 2:
            self.notice.emit(
                self.tr("Choose at least two photos that belong together."),
                self.tr("Ctrl+click adds one, Shift+click a range."),
            )
            return
        handle = self._jobs.submit(MarkGroupRequest(tuple(photo.photo_id for photo in photos)))
        handle.finished.connect(self._tell_marked)

    def unmark(self, photos: tuple[PhotoRow, ...]) -> None:
        """Take photos out of their groups."""
        handle = self._jobs.submit(UnmarkPhotosRequest(tuple(photo.photo_id for photo in photos)))
        handle.finished.connect(self._tell_changed)

    def extend_menu(self, menu: QMenu, photos: tuple[PhotoRow, ...]) -> None:
        """Offer marking in a context menu."""
        self._offered = photos
        if len(photos) > 1:
            text = self.tr("These {} belong together").format(len(photos))
        else:
            text = self.tr("These belong together (choose several)")
        together = menu.addAction(theme.icon("group"), f"{text}\tG", self._mark_offered)
        together.setEnabled(len(photos) > 1)
        menu.addAction(theme.icon("remove"), self.tr("Take out of its group"), self._unmark_offered)

    def _mark_offered(self) -> None:
        self.mark(self._offered)

    def _unmark_offered(self) -> None:
        self.unmark(self._offered)

    def _tell_marked(self, answer: MarkedGroups) -> None:
        self._tell_changed(answer)
        count = len(answer.groups)
        groups = self.tr("1 group") if count == 1 else self.tr("{} groups").format(count)
        self.notice.emit(
            self.tr("The chosen photos belong together now."),
            self.tr("{} in all; the page Learn makes use of them.").format(groups),
        )

    def _tell_changed(self, answer: MarkedGroups) -> None:
        self.changed.emit(answer)
