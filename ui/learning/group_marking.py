"""Marking photos as belonging together, from any list of photos."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from desktop_app.core.types import MarkedGroups, MarkGroupRequest, PhotoRow, UnmarkPhotosRequest
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
