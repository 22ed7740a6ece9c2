"""What the window holds of a running job: signals, and the wish to cancel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from desktop_app.core.types import JobFailure, Progress


class JobHandle(QObject):
    """Follows one job; lives in the GUI thread, where all its signals are emitted.

    Each job ends with exactly one of `finished`, `failed` and `cancelled`, and nothing comes after
    it. After `cancel` no progress and no step arrives any more, and the ending is `cancelled`.

    Args:
        request: What was asked.
        on_cancel: Tells the engine thread; callable from the GUI thread.
    """

    progress = Signal(object)
    step = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, request: object, on_cancel: Callable[[], None]) -> None:
        super().__init__()
        self._request = request
        self._on_cancel = on_cancel
        self._is_cancel_asked = False
        self._is_done = False

    @property
    def request(self) -> object:
        """What was asked."""
        return self._request

    @property
    def is_done(self) -> bool:
        """Whether the ending was delivered."""
        return self._is_done

    def cancel(self) -> None:
        """Ask the job to stop after its current step; `cancelled` follows. Harmless when done."""
        if self._is_done or self._is_cancel_asked:
            return
        self._is_cancel_asked = True
        self._on_cancel()

    def deliver_partial(self, message: object) -> None:
        """Pass on a message of the running job (the runner calls this, in the GUI thread)."""
        if self._is_done or self._is_cancel_asked:
            return
        if isinstance(message, Progress):
            self.progress.emit(message)
        else:
            self.step.emit(message)

    def deliver_answer(self, answer: object) -> None:
        """End the job with its answer (the runner calls this, in the GUI thread)."""
        if self._begin_ending():
            self.finished.emit(answer)

    def deliver_failure(self, failure: JobFailure) -> None:
        """End the job with a failure (the runner calls this, in the GUI thread)."""
        if self._begin_ending():
            self.failed.emit(failure)

    def deliver_cancelled(self) -> None:
        """End the job as cancelled (the runner calls this, in the GUI thread)."""
        self._is_cancel_asked = True
        self._begin_ending()

    def _begin_ending(self) -> bool:
        """Close the handle; True when an answer or a failure may still be told."""
        if self._is_done:
            return False
        self._is_done = True
        if self._is_cancel_asked:
            self.cancelled.emit()
            return False
        return True
