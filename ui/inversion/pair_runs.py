"""The jobs behind two inversions side by side: one after the other, each stopped and told apart."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from desktop_app.core.types import (
    AlignedFace,
    InversionResult,
    InversionStep,
    InvertRequest,
    JobFailure,
    Progress,
)
from desktop_app.worker.job_handle import JobHandle
from ui.inversion.pair_view import PairView
from ui.job_center import JobCenter


class _Run(QObject):
    """Passes on what one job tells to its column.

    Args:
        handle: The job.
        view: Shows both runs.
        number: Which one this is.
        parent: Qt owner.
    """

    def __init__(self, handle: JobHandle, view: PairView, *, number: int, parent: QObject) -> None:
        super().__init__(parent)
        self.handle = handle
        self._view = view
        self._number = number
        handle.step.connect(self._take_step)
        handle.progress.connect(self._take_progress)
        handle.finished.connect(self._finish)
        handle.failed.connect(self._fail)
        handle.cancelled.connect(self._cancelled)

    def end(self) -> None:
        """Cancel the job and listen to it no more."""
        if not self.handle.is_done:
            self.handle.step.disconnect(self._take_step)
            self.handle.progress.disconnect(self._take_progress)
            self.handle.finished.disconnect(self._finish)
            self.handle.failed.disconnect(self._fail)
            self.handle.cancelled.disconnect(self._cancelled)
            self.handle.cancel()
        self.deleteLater()

    def _take_step(self, message: object) -> None:
        column = self._view.runs[self._number]
        if isinstance(message, AlignedFace):
            column.show_face(message)
        elif isinstance(message, InversionStep):
            column.show_step(message)

    def _take_progress(self, progress: Progress) -> None:
        self._view.runs[self._number].show_progress(progress)

    def _finish(self, result: InversionResult) -> None:
        self._view.finish(self._number, result)

    def _fail(self, failure: JobFailure) -> None:
        self._view.runs[self._number].give_up(f"{failure.message} {failure.hint}".strip())

    def _cancelled(self) -> None:
        self._view.runs[self._number].give_up(self.tr("Stopped"))


class PairRuns(QObject):
    """Two inversions of one face.

    Signals:
        chosen: The user goes on with a run (its number).

    Args:
        jobs: Answers requests.
        view: Shows them.
        parent: Qt owner.
    """

    chosen = Signal(int)

    def __init__(self, jobs: JobCenter, view: PairView, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._view = view
        self._runs: list[_Run] = []
        view.stop_wanted.connect(self._stop)
        view.chosen.connect(self.chosen)

    def start(self, requests: tuple[InvertRequest, InvertRequest], titles: tuple[str, str]) -> None:
        """Run two requests; titles name method and model."""
        self.end()
        self._view.begin(titles)
        for number, request in enumerate(requests):
            handle = self._jobs.follow(request, self.tr("Inverting: {}").format(titles[number]))
            self._runs.append(_Run(handle, self._view, number=number, parent=self))

    def end(self) -> None:
        """Cancel what runs and listen to it no more."""
        for run in self._runs:
            run.end()
        self._runs = []

    def _stop(self) -> None:
        for run in self._runs:
            run.handle.cancel()
