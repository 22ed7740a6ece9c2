"""Where all pages hand in their requests; follows the long ones and reports failures."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QObject, Signal

from desktop_app.core.types import JobFailure, Progress
from desktop_app.worker.job_handle import JobHandle


class Runner(Protocol):
    """What the window needs of the job runner."""

    def submit(self, request: object) -> JobHandle:
        """Queue a request."""


class TrackedJob(QObject):
    """A job that the status area shows.

    Args:
        handle: The job.
        title: What it does, for the user.
        parent: Qt owner.
    """

    changed = Signal()
    ended = Signal()

    def __init__(self, handle: JobHandle, title: str, *, parent: QObject) -> None:
        super().__init__(parent)
        self.title = title
        self.progress: Progress | None = None
        self.is_cancelling = False
        self._handle = handle
        handle.progress.connect(self._on_progress)
        handle.finished.connect(self._on_ended)
        handle.failed.connect(self._on_ended)
        handle.cancelled.connect(self._on_ended)

    def cancel(self) -> None:
        """Ask the job to stop."""
        self.is_cancelling = True
        self._handle.cancel()
        self.changed.emit()

    def _on_progress(self, progress: Progress) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_ended(self, _ending: object = None) -> None:
        self.ended.emit()


class JobCenter(QObject):
    """Submits requests.

    Args:
        runner: The job runner, or a fake one in tests.
        parent: Qt owner.
    """

    job_started = Signal(object)
    job_failed = Signal(object)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner

    def ask(self, request: object) -> JobHandle:
        """Submit a request whose failure the asking page shows itself."""
        return self._runner.submit(request)

    def submit(self, request: object) -> JobHandle:
        """Submit a request whose failure is shown as a notification."""
        handle = self._runner.submit(request)
        handle.failed.connect(self._on_failed)
        return handle

    def follow(self, request: object, title: str) -> JobHandle:
        """Submit a long request: the status area shows it, a failure becomes a notification."""
        handle = self.submit(request)
        job = TrackedJob(handle, title, parent=self)
        job.ended.connect(job.deleteLater)
        self.job_started.emit(job)
        return handle

    def report(self, failure: JobFailure) -> None:
        """Show a failure that a page got from `ask`."""
        self.job_failed.emit(failure)

    def _on_failed(self, failure: JobFailure) -> None:
        self.job_failed.emit(failure)
