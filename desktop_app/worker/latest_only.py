"""Newest-wins for fast input: while one request runs, only the newest of those behind it waits."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from desktop_app.worker.job_handle import JobHandle


class LatestOnly(QObject):
    """Sends a burst of requests one at a time and drops those that a newer one overtook.

    `answered` carries only the answer to the newest request. An answer that came while a newer
    request was already waiting is stale; it goes to `overtaken`, for a screen that wants a live
    picture while the slider still moves, and may be ignored.

    Args:
        submit: Starts a job, for example `JobRunner.submit`.
        parent: Qt owner.
    """

    answered = Signal(object)
    overtaken = Signal(object)
    failed = Signal(object)

    def __init__(self, submit: Callable[[object], JobHandle], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._running: JobHandle | None = None
        self._waiting: object | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._running is not None

    def submit(self, request: object) -> None:
        """Ask; replaces a request that still waits."""
        if self._running is not None:
            self._waiting = request
            return
        self._start(request)

    def cancel(self) -> None:
        """Forget all requests; no answer to them arrives."""
        self._waiting = None
        if self._running is not None:
            self._running.cancel()

    def _start(self, request: object) -> None:
        handle = self._submit(request)
        self._running = handle
        handle.finished.connect(self._on_finished)
        handle.failed.connect(self._on_failed)
        handle.cancelled.connect(self._on_cancelled)

    def _go_on(self) -> bool:
        """Start the waiting request; False when there is none."""
        self._running = None
        request, self._waiting = self._waiting, None
        if request is None:
            return False
        self._start(request)
        return True

    def _on_finished(self, answer: object) -> None:
        if self._go_on():
            self.overtaken.emit(answer)
        else:
            self.answered.emit(answer)

    def _on_failed(self, failure: object) -> None:
        if not self._go_on():
            self.failed.emit(failure)

    def _on_cancelled(self) -> None:
        self._go_on()
