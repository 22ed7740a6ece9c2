"""The edit sliders of an inverted face, with undo, redo and reset."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from desktop_app.core.types import (
    DirectionList,
    DirectionsRequest,
    Edit,
    EditRequest,
    EditResult,
    InversionResult,
    JobFailure,
)
from desktop_app.worker.latest_only import LatestOnly
from ui.editing.direction_slider import DirectionSlider
from ui.editing.history import EditHistory, Strengths
from ui.editing.mix_panel import MixPanel
from ui.inversion.open_faces import OpenFaces
from ui.job_center import JobCenter
from ui.widgets.controls import button, column, label, row, separator, tool_button

_NOTHING = 1e-9


class EditPanel(QFrame):
    """Sliders for the directions of a model, and the mix with another face.

    Signals:
        rendered: An edited face (`EditResult`).
        cleared: All sliders are at 0: the step itself is to be shown.

    Args:
        jobs: Answers requests.
        faces: Faces that can be mixed with.
        parent: Qt owner.
    """

    rendered = Signal(object)
    cleared = Signal()

    def __init__(self, jobs: JobCenter, faces: OpenFaces, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.mix = MixPanel(faces)
        self._session: InversionResult | None = None
        self._step = 0
        self._serial = 0
        self._cleared_at = 0
        self._model = ""
        self._sliders: dict[str, DirectionSlider] = {}
        self._history = EditHistory()
        self._edits = LatestOnly(jobs.ask, self)
        self._undo = tool_button("undo", self.tr("Undo (Ctrl+Z)"))
        self._redo = tool_button("redo", self.tr("Redo (Ctrl+Shift+Z)"))
        self._reset = button(self.tr("Reset all"), icon="reset")
        self._message = label(role="muted", wraps=True)
        self._build_ui()
        self._connect()
        self.close_session(self.tr("Edits are offered when the inversion is done."))

    @property
    def edit(self) -> Edit:
        """The edit as the sliders say."""
        return Edit(self._strengths(), self._step, self.mix.mix)

    def open_session(self, result: InversionResult, rows: int = 0) -> None:
        """Offer edits of an inversion; sliders are loaded once a model.

        Args:
            result: The inversion; when it is the one that is open, what is set stays set.
            rows: Rows of its code; faces of the same size can be mixed with.
        """
        is_same = self._session is not None and self._session.session_id == result.session_id
        self._session = result
        if not is_same:
            self._step = 0
            self._history.clear()
            self._set_controls(Edit())
        self.mix.open_session(result.session_id, rows)
        self._update_state()
        if result.model == self._model and self._sliders:
            self._message.hide()
            return
        self._message.setText(self.tr("Loading edit directions …"))
        self._message.show()
        handle = self._jobs.ask(DirectionsRequest(result.model))
        handle.finished.connect(self._show_directions)
        handle.failed.connect(self._show_failure)

    def close_session(self, reason: str) -> None:
        """Offer no edits, and say why."""
        self._edits.cancel()
        self._session = None
        self._history.clear()
        self._set_controls(Edit())
        self._message.setText(reason)
        self._message.show()
        self._update_state()

    def set_step(self, step: int) -> None:
        """Edit another step of the inversion, from 1; 0: the last one."""
        if step != self._step:
            self._step = step
            self._render()

    def undo(self) -> None:
        """Take back the last change."""
        if self._history.can_undo:
            self._go_to(self._history.undo())

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._history.can_redo:
            self._go_to(self._history.redo())

    def reset_all(self) -> None:
        """Set all sliders to 0 and end the mix; this can be undone."""
        self._set_controls(Edit())
        self._history.push(Edit())
        self._render()
        self._update_state()

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        head = row(label(self.tr("EDIT"), role="section"), None, self._undo, self._redo, self._reset)
        self._list = QWidget()
        self._list_box = column(spacing=8)
        self._list_box.setContentsMargins(0, 0, 10, 0)
        self._list.setLayout(self._list_box)
        scroll = QScrollArea()
        scroll.setObjectName("plain")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._list)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        box = column(spacing=8)
        box.addLayout(head)
        box.addWidget(self._message)
        box.addWidget(scroll, 1)
        box.addWidget(separator())
        box.addWidget(self.mix)
        self.setLayout(box)

    def _connect(self) -> None:
        self._undo.clicked.connect(self.undo)
        self._redo.clicked.connect(self.redo)
        self._reset.clicked.connect(self.reset_all)
        self._edits.answered.connect(self._show_edit)
        self._edits.overtaken.connect(self._show_edit)
        self._edits.failed.connect(self._show_edit_failure)
        self.mix.moved.connect(self._render)
        self.mix.settled.connect(self._on_settled)
        for keys, slot in (("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo), ("Ctrl+Y", self.redo)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(slot)

    # --- directions ---------------------------------------------------------------------------------

    def _show_directions(self, answer: DirectionList) -> None:
        if self._session is not None and answer.model != self._session.model:
            return  # of a model that was left in the meantime
        for slider in self._sliders.values():
            self._list_box.removeWidget(slider)
            slider.deleteLater()
        while self._list_box.count():
            self._list_box.takeAt(0)
        self._sliders = {}
        self._model = answer.model
        for direction in answer.directions:
            slider = DirectionSlider(direction)
            slider.moved.connect(self._on_moved)
            slider.settled.connect(self._on_settled)
            self._sliders[direction.name] = slider
            self._list_box.addWidget(slider)
        self._list_box.addStretch(1)
        self._message.setVisible(not answer.directions)
        self._message.setText(self.tr("This model has no edit directions."))
        self._update_state()

    def _show_failure(self, failure: JobFailure) -> None:
        self._message.setText(f"{failure.message} {failure.hint}".strip())
        self._message.show()

    def _strengths(self) -> Strengths:
        found = ((name, slider.strength) for name, slider in self._sliders.items())
        return tuple((name, strength) for name, strength in found if abs(strength) > _NOTHING)

    def _state(self) -> Edit:
        """What the controls say, whatever step is edited."""
        return replace(self.edit, step=0)

    def _set_controls(self, state: Edit) -> None:
        self._set_sliders(state.strengths)
        self.mix.set_mix(state.mix)

    def _set_sliders(self, strengths: Strengths) -> None:
        wanted = dict(strengths)
        for name, slider in self._sliders.items():
            slider.set_strength(wanted.get(name, 0.0))

    # --- edits --------------------------------------------------------------------------------------

    def _on_moved(self, _name: str) -> None:
        self._render()

    def _on_settled(self, name: str) -> None:
        self._history.push(self._state(), name)
        self._update_state()

    def _go_to(self, state: Edit) -> None:
        self._set_controls(state)
        self._render()
        self._update_state()

    def _render(self) -> None:
        if self._session is None:
            return
        self._serial += 1
        edit = self.edit
        if edit.changes:
            self._edits.submit(EditRequest(self._session.session_id, edit, self._serial))
        else:
            self._cleared_at = self._serial
            self._edits.cancel()
            self.cleared.emit()

    def _show_edit(self, answer: EditResult) -> None:
        is_ours = self._session is not None and answer.session_id == self._session.session_id
        if is_ours and answer.serial > self._cleared_at:
            self.rendered.emit(answer)

    def _show_edit_failure(self, failure: JobFailure) -> None:
        self._jobs.report(failure)

    def _update_state(self) -> None:
        is_open = self._session is not None
        self._list.setEnabled(is_open)
        is_other = self._session is not None and self._session.model != self._model
        self._list.setVisible(not is_other)  # sliders of another model mean nothing here
        self.mix.setEnabled(is_open)
        self._undo.setEnabled(is_open and self._history.can_undo)
        self._redo.setEnabled(is_open and self._history.can_redo)
        self._reset.setEnabled(is_open and self.edit.changes)
