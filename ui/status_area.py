"""The bottom of the window: what the library and the engine are, and the running jobs."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QWidget

from ui.job_center import JobCenter, TrackedJob
from ui.widgets.controls import column, label, row
from ui.widgets.progress_strip import ProgressStrip


class StatusArea(QFrame):
    """One line of facts, and one line for each running long job.

    Args:
        jobs: Whose long jobs are shown.
        parent: Qt owner.
    """

    def __init__(self, jobs: JobCenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusArea")
        self._library = label()
        self._engine = label()
        self._jobs_box = column(spacing=2)
        self._build_ui()
        jobs.job_started.connect(self._add_job)

    def show_library(self, text: str) -> None:
        """Say what the library holds."""
        self._library.setText(text)

    def show_engine(self, text: str) -> None:
        """Say how the engine is."""
        self._engine.setText(text)

    def _build_ui(self) -> None:
        self._library.setAccessibleName(self.tr("Library"))
        self._engine.setAccessibleName(self.tr("Engine"))
        outer = column(spacing=6)
        outer.setContentsMargins(16, 7, 16, 7)
        outer.addLayout(self._jobs_box)
        outer.addLayout(row(self._library, None, self._engine, spacing=12))
        self.setLayout(outer)

    def _add_job(self, job: TrackedJob) -> None:
        self._jobs_box.addWidget(ProgressStrip(job, self))
