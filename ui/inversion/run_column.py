"""One of two inversions that run side by side: its pictures, its steps, and how it ended."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Signal
from PySide6.QtGui import QColor, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QProgressBar, QSizePolicy, QWidget

from desktop_app.core.types import AlignedFace, InversionResult, InversionStep, Progress
from ui import texts
from ui.inversion.compare_view import CompareView
from ui.inversion.step_list_model import StepListModel
from ui.inversion.step_strip import StepStrip
from ui.widgets.controls import button, column, label, row

_TILE_PX = 60
_DOT_PX = 12


class RunColumn(QFrame):
    """Shows one run as it goes.

    Signals:
        chosen: The user wants to go on with this one.
        changed: A step came, or the run ended.

    Args:
        parent: Qt owner.
    """

    chosen = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.face: AlignedFace | None = None
        self.result: InversionResult | None = None
        self.title = ""
        self.is_running = False
        self._model = StepListModel(self)
        self._shown_row = 0
        self._follows = True
        self._dot = QLabel()
        self._name = label(role="heading")
        self._state = label(role="muted")
        self._compare = CompareView()
        self._strip = StepStrip(_TILE_PX)
        self._progress = QProgressBar()
        self._choose = button(self.tr("Edit this one"), icon="forward")
        self._build_ui()
        self._choose.clicked.connect(self.chosen)
        self._strip.selectionModel().currentChanged.connect(self._choose_tile)

    @property
    def steps(self) -> tuple[InversionStep, ...]:
        """The steps so far."""
        return self._model.steps

    @property
    def last_picture(self) -> QPixmap:
        """The last step's picture."""
        return self._model.picture(self._model.rowCount() - 1) or QPixmap()

    def begin(self, title: str, colour: QColor) -> None:
        """Make ready for a run.

        Args:
            title: Method and model.
            colour: Of its lines in the diagram.
        """
        self.title, self.face, self.result = title, None, None
        self.is_running = True
        self._model.clear()
        self._shown_row, self._follows = 0, True
        dot = QPixmap(_DOT_PX, _DOT_PX)
        dot.fill(colour)
        self._dot.setPixmap(dot)
        self._name.setText(title)
        self._state.setText(self.tr("Waiting for its turn"))
        self._progress.setRange(0, 0)
        self._progress.show()
        self._compare.set_before(None, "")
        self._compare.set_after(None, "")
        self._choose.setEnabled(False)
        self._choose.setText(self.tr(" Edit this one"))

    def show_face(self, face: AlignedFace) -> None:
        """Show where the run begins."""
        self.face = face
        self._model.set_face(face)
        self._state.setText("  ".join(face.notices) or self.tr("Running"))
        self._state.setToolTip("\n".join(face.notices))
        self._show_row(1)

    def show_progress(self, progress: Progress) -> None:
        """Show how far the run is."""
        self._progress.setRange(0, progress.total or 0)
        self._progress.setValue(progress.done)
        if progress.text:
            left = "" if progress.left_s is None else f", {texts.left_text(progress.left_s)}"
            self._state.setText(f"{progress.text}{left}")

    def show_step(self, step: InversionStep) -> None:
        """Add a step."""
        self._model.add_step(step)
        if self._follows:
            self._show_row(self._model.rowCount() - 1)
        self.changed.emit()

    def finish(self, result: InversionResult) -> None:
        """The run is done."""
        self.result = result
        words = self.tr("{} steps in {}").format(result.steps, texts.seconds_text(result.seconds))
        notes = list(dict.fromkeys(step.note for step in self.steps if step.note))
        self._end(words)
        self._state.setToolTip("\n".join(notes))
        self._name.setToolTip("\n".join((self.title, *notes)))
        self._choose.setEnabled(True)

    def give_up(self, reason: str) -> None:
        """The run ended without a result."""
        self._end(reason)

    def _end(self, words: str) -> None:
        self.is_running = False
        self._progress.hide()
        self._state.setText(words)
        self.changed.emit()

    def _build_ui(self) -> None:
        self._strip.setModel(self._model)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName(self.tr("How far this run is"))
        self._compare.setMinimumSize(120, 70)
        for words in (self._name, self._state):
            words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head = row(self._dot, self._name, self._choose, spacing=8)
        head.setStretch(1, 1)
        box = column(spacing=4)
        box.addLayout(head)
        box.addWidget(self._state)
        box.addWidget(self._progress)
        box.addWidget(self._compare, 1)
        box.addWidget(self._strip)
        self.setLayout(box)

    def _choose_tile(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and current.row() != self._shown_row:
            self._follows = current.row() == self._model.rowCount() - 1
            self._show_row(current.row())

    def _show_row(self, number: int) -> None:
        self._shown_row = number
        index = self._model.index(number, 0)
        if self._strip.currentIndex() != index:
            self._strip.setCurrentIndex(index)
        self._compare.set_before(self._model.picture(0), self.tr("Input"))
        self._compare.set_is_split(number > 0)
        self._compare.set_after(self._model.picture(number), str(index.data() or ""))
