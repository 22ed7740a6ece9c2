"""One line of the status area: a running job with its progress, time left and a cancel button."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QWidget

from ui import texts
from ui.job_center import TrackedJob
from ui.widgets.controls import label, row, tool_button

_BAR_STEPS = 1000
_CANCEL_SIZE = QSize(14, 14)  # several jobs at once fit a low window


class ProgressStrip(QWidget):
    """Shows one job until it ends.

    Args:
        job: The job; it outlives no strip.
        parent: Qt owner.
    """

    def __init__(self, job: TrackedJob, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._title = label(job.title, role="job")
        self._detail = label()
        self._counts = label()
        self._bar = QProgressBar()
        self._cancel = tool_button("close", self.tr("Cancel: {}").format(job.title))
        self._build_ui()
        self._cancel.clicked.connect(job.cancel)
        job.changed.connect(self._show)
        job.ended.connect(self.deleteLater)
        self._show()

    def _build_ui(self) -> None:
        self._cancel.setIconSize(_CANCEL_SIZE)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(220)
        self._bar.setAccessibleName(self._job.title)
        self._detail.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        line = row(self._title, self._detail, self._counts, self._bar, self._cancel, spacing=12)
        line.setStretch(1, 1)
        self.setLayout(line)

    def _show(self) -> None:
        progress = self._job.progress
        if self._job.is_cancelling:
            self._detail.setText(self.tr("stopping …"))
            self._cancel.setEnabled(False)
            return
        if progress is None or progress.total is None:
            self._bar.setRange(0, 0)
            self._counts.setText("" if progress is None else texts.count_text(progress.done))
        else:
            self._bar.setRange(0, _BAR_STEPS)
            share = progress.done / progress.total if progress.total else 1.0
            self._bar.setValue(round(_BAR_STEPS * min(share, 1.0)))
            parts = [f"{texts.count_text(progress.done)} / {texts.count_text(progress.total)}"]
            if progress.left_s is not None:
                parts.append(texts.left_text(progress.left_s))
            self._counts.setText("  ·  ".join(parts))
        self._detail.setText(self.tr("waiting for its turn") if progress is None else progress.text)
