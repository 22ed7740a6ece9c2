"""The engine thread: resumes the most urgent job, one yield at a time, and reports to the handles.

The engine thread is a plain Python thread. It never touches a QObject but for one signal without
payload, `_messages_waiting`, that wakes the GUI thread; the messages themselves lie in a deque. So
handles are created, emitted from and destroyed in the GUI thread only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop_app.core.cancel import CancelToken
from desktop_app.core.errors import AppError, JobCancelled
from desktop_app.core.types import EngineReady, JobFailure, Progress, Urgency
from desktop_app.jobs.registry import Job, start_job, title_of, urgency_of
from desktop_app.worker.cycle_collector import CycleCollector
from desktop_app.worker.job_handle import JobHandle

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)

# At most 20 progress messages a second and job.
_PROGRESS_INTERVAL_S = 0.05
# The GUI thread hands out messages for this long, then lets other events through.
_DELIVERY_SLICE_S = 0.008


class _Kind(Enum):
    PARTIAL = "partial"
    ANSWER = "answer"
    FAILURE = "failure"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class _OpenJob:
    """A submitted job, as the engine thread sees it."""

    number: int
    request: object
    urgency: Urgency
    cancel: CancelToken = field(default_factory=CancelToken)
    generator: Job | None = None
    started_at: float = 0.0
    progress_sent_at: float = 0.0
    held_progress: Progress | None = None


class JobRunner(QObject):
    """Runs jobs on one thread of its own; lives in the GUI thread.

    Args:
        services_factory: Opens what jobs share; called in the engine thread, before the first job.
        parent: Qt owner.
    """

    _messages_waiting = Signal()

    def __init__(self, services_factory: Callable[[], Services], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services_factory = services_factory
        self._services: Services | None = None
        self._handles: dict[int, JobHandle] = {}
        self._last_number = 0
        self._open: list[_OpenJob] = []
        self._wake = threading.Condition()
        self._is_stopping = False
        self._current: _OpenJob | None = None
        self._messages: deque[tuple[int, _Kind, object]] = deque()
        self._messages_lock = threading.Lock()
        self._is_delivery_due = False
        self._collector = CycleCollector(self)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._messages_waiting.connect(self._hand_out, Qt.ConnectionType.QueuedConnection)

    # --- GUI thread -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the engine thread; requests submitted before are answered then."""
        self._collector.start()
        self._thread.start()

    def submit(self, request: object, *, urgency: Urgency | None = None) -> JobHandle:
        """Queue a request.

        Args:
            request: A request of `core.types`.
            urgency: Overrides the urgency of the use case.

        Returns:
            The handle; connect to it before returning to the event loop, nothing is emitted
            earlier.
        """
        self._last_number += 1
        chosen = urgency_of(request) if urgency is None else urgency
        job = _OpenJob(number=self._last_number, request=request, urgency=chosen)
        handle = JobHandle(request, on_cancel=job.cancel.cancel)
        self._handles[job.number] = handle
        with self._wake:
            is_refused = self._is_stopping
            if not is_refused:
                self._open.append(job)
                self._wake.notify()
        if is_refused:
            self._post(job, _Kind.CANCELLED, None)
        return handle

    def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Close all jobs at their next yield and end the thread; blocks the caller until then.

        Open handles end as cancelled.

        Returns:
            False when the running step did not end in time; it is logged with its job's name.
        """
        with self._wake:
            self._is_stopping = True
            self._wake.notify()
        has_ended = True
        if self._thread.is_alive():
            self._thread.join(timeout_s)
            has_ended = not self._thread.is_alive()
        if not has_ended:
            current = self._current
            name = title_of(current.request) if current else "no job"
            _log.error("the engine thread did not stop within %.0f s; it was at: %s", timeout_s, name)
        self._collector.stop()
        while (message := self._next_message()) is not None:
            self._hand_out_one(*message)
        for number in list(self._handles):
            self._handles.pop(number).deliver_cancelled()
        return has_ended

    @Slot()
    def _hand_out(self) -> None:
        """Deliver waiting messages to their handles, for a short while at a time."""
        until = time.monotonic() + _DELIVERY_SLICE_S
        while (message := self._next_message()) is not None:
            self._hand_out_one(*message)
            if time.monotonic() >= until:
                self._messages_waiting.emit()
                return

    def _next_message(self) -> tuple[int, _Kind, object] | None:
        with self._messages_lock:
            if self._messages:
                return self._messages.popleft()
            self._is_delivery_due = False
            return None

    def _hand_out_one(self, number: int, kind: _Kind, payload: object) -> None:
        if kind is _Kind.PARTIAL:
            handle = self._handles.get(number)
            if handle is not None:
                handle.deliver_partial(payload)
            return
        handle = self._handles.pop(number, None)
        if handle is None:
            return
        if kind is _Kind.ANSWER:
            if isinstance(payload, EngineReady):
                self._collector.leave_out_what_is_loaded()
            handle.deliver_answer(payload)
        elif isinstance(payload, JobFailure):
            handle.deliver_failure(payload)
        else:
            handle.deliver_cancelled()

    # --- engine thread --------------------------------------------------------------------------

    def _run(self) -> None:
        """Main loop of the engine thread."""
        try:
            while (job := self._next_job()) is not None:
                self._current = job
                self._advance(job)
                self._current = None
                self._end_cancelled_jobs()
        finally:
            self._close_all()

    def _next_job(self) -> _OpenJob | None:
        """The most urgent open job, the oldest among equals; None when the runner stops."""
        with self._wake:
            while not self._open and not self._is_stopping:
                self._wake.wait()
            if self._is_stopping:
                return None
            return min(self._open, key=lambda job: (-job.urgency, job.number))

    def _advance(self, job: _OpenJob) -> None:
        """Run a job until its next yield or its ending."""
        if job.cancel.is_cancelled:
            return
        try:
            if job.generator is None:
                job.started_at = time.monotonic()
                if self._services is None:
                    self._services = self._services_factory()
                job.generator = start_job(job.request, self._services)
            message = next(job.generator)
        except StopIteration as ending:
            self._end(job, _Kind.ANSWER, ending.value)
        except JobCancelled:
            self._end(job, _Kind.CANCELLED, None)
        except AppError as error:
            _log.debug("%s failed: %s", title_of(job.request), error, exc_info=True)
            self._end(job, _Kind.FAILURE, JobFailure(error.message, error.hint))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the thread)
            _log.exception("unexpected error in job: %s", title_of(job.request))
            failure = JobFailure(
                f"Unexpected error: {type(error).__name__}.",
                "This is a fault of the program. The log file holds the details.",
                is_bug=True,
            )
            self._end(job, _Kind.FAILURE, failure)
        else:
            self._pass_on(job, message)

    def _pass_on(self, job: _OpenJob, message: object) -> None:
        """Send a partial message; progress is thinned out, its latest state is never lost."""
        if message is None:
            return
        if not isinstance(message, Progress):
            self._post(job, _Kind.PARTIAL, message)
            return
        now = time.monotonic()
        if now - job.progress_sent_at < _PROGRESS_INTERVAL_S:
            job.held_progress = message
            return
        job.progress_sent_at = now
        job.held_progress = None
        self._post(job, _Kind.PARTIAL, message)

    def _end(self, job: _OpenJob, kind: _Kind, payload: object) -> None:
        """Take a job out of the queue and send its ending."""
        with self._wake:
            self._open.remove(job)
        job.generator = None
        if job.held_progress is not None and kind is _Kind.ANSWER:
            self._post(job, _Kind.PARTIAL, job.held_progress)
        seconds = time.monotonic() - job.started_at if job.started_at else 0.0
        _log.debug("job %d (%s): %s, %.2f s", job.number, title_of(job.request), kind.value, seconds)
        self._post(job, kind, payload)

    def _end_cancelled_jobs(self) -> None:
        with self._wake:
            asked = [job for job in self._open if job.cancel.is_cancelled]
        for job in asked:
            self._close(job)
            self._end(job, _Kind.CANCELLED, None)

    def _close(self, job: _OpenJob) -> None:
        """Let a job clean up; an error in its clean-up is logged."""
        if job.generator is None:
            return
        try:
            job.generator.close()
        except Exception:  # noqa: BLE001
            _log.exception("unexpected error while cancelling: %s", title_of(job.request))

    def _close_all(self) -> None:
        with self._wake:
            self._is_stopping = True
            still_open = list(self._open)
        for job in still_open:
            self._close(job)
            self._end(job, _Kind.CANCELLED, None)
        if self._services is not None:
            try:
                self._services.close()
            except Exception:  # noqa: BLE001
                _log.exception("unexpected error while closing the library")

    def _post(self, job: _OpenJob, kind: _Kind, payload: object) -> None:
        """Leave a message for the GUI thread and wake it."""
        with self._messages_lock:
            self._messages.append((job.number, kind, payload))
            must_wake = not self._is_delivery_due
            self._is_delivery_due = True
        if must_wake:
            try:
                self._messages_waiting.emit()
            except RuntimeError:  # the runner was deleted after a shutdown that timed out
                _log.debug("a message of job %d came after the window was gone", job.number)
