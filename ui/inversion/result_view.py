"""An inversion as it runs and when it is done: steps, heat maps, figures, compare view, edits."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from desktop_app.core.types import (
    AlignedFace,
    EditResult,
    FaceModelInfo,
    InversionResult,
    InversionStep,
    JobFailure,
    PastePreview,
    PastePreviewRequest,
    Progress,
)
from desktop_app.worker.latest_only import LatestOnly
from ui import texts
from ui.editing.edit_panel import EditPanel
from ui.editing.export_panel import ExportPanel
from ui.inversion.change_chart import ChangeChart
from ui.inversion.colour_map import legend_image
from ui.inversion.compare_view import CompareView
from ui.inversion.continue_bar import ContinueBar
from ui.inversion.open_faces import OpenFaces
from ui.inversion.step_list_model import StepListModel
from ui.inversion.step_strip import StepStrip
from ui.job_center import JobCenter
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, frame, label, row, separator

_PANEL_PX = 312
_TILE_PX = 80
_CHART_PX = (214, 250)  # least and most
_TILES_BEFORE = 2  # the input and the average
_LEGEND_PX = (110, 8)


class ResultView(QFrame):
    """Everything about one inversion.

    Signals:
        stop_wanted: The user wants no further step.
        finish_wanted: The run that was stopped is to be finished.
        continue_wanted: Further passes, iterations, iterations of tuning (three numbers).

    Args:
        jobs: Answers requests.
        faces: Faces that can be mixed with.
        parent: Qt owner.
    """

    stop_wanted = Signal()
    continue_wanted = Signal(int, int, int)
    finish_wanted = Signal()

    def __init__(self, jobs: JobCenter, faces: OpenFaces, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = StepListModel(self)
        self._planned = 0
        self._shown_row = 0
        self._follows = True
        self._edited: QPixmap | None = None
        self._edited_s = 0.0
        self._session: InversionResult | None = None
        self._serial = 0
        self._pasted: PastePreview | None = None
        self._pastes = LatestOnly(jobs.ask, self)
        self._jobs = jobs
        self._face: AlignedFace | None = None
        self._is_running = False
        self.edits = EditPanel(jobs, faces)
        self.exports = ExportPanel(jobs)
        self._compare = CompareView()
        self._strip = StepStrip(_TILE_PX)
        self._chart = ChangeChart()
        self._scrub = QSlider(Qt.Orientation.Horizontal)
        self._headline = label(role="heading")
        self._figures = label(role="muted", wraps=True)
        self._notice = label(role="notice", wraps=True)
        self._note = label(role="value", wraps=True)
        self._progress = QProgressBar()
        self._continue = ContinueBar()
        self._build_ui()
        self._connect()

    def begin(self, steps: int) -> None:
        """Make ready for a new inversion."""
        self._face = None
        self._model.clear()
        self._set_planned(steps)
        self._chart.set_steps(())
        self._edited = None
        self._forget_session()
        self._shown_row = 0
        self._follows = True
        self._compare.set_before(None, "")
        self._compare.set_after(None, "")
        self._scrub.setEnabled(False)
        self._start_running(self.tr("Inverting …"), self.tr("Preparing the face"))
        self.edits.close_session(self.tr("Edits are offered when the inversion is done."))
        self.exports.close_session()

    def go_on(self, kept: int, planned: int) -> None:
        """Make ready for further steps of the inversion that is shown.

        Args:
            kept: Steps that stay.
            planned: Steps in all when it is done.
        """
        self._model.keep_steps(kept)
        self._chart.set_steps(self._model.steps)
        self._set_planned(planned)
        self._follows = True
        self._show_row(self._model.rowCount() - 1)
        self._start_running(self.tr("Going on …"), self.tr("The steps so far stay as they are"))

    def show_face(self, face: AlignedFace) -> None:
        """Show the aligned face and the start."""
        self._face = face
        self._model.set_face(face)
        self._compare.set_before(self._model.picture(0), self.tr("Input"))
        self._show_row(1)

    def show_progress(self, progress: Progress) -> None:
        """Show how far a run is between two steps."""
        if progress.total:
            self._progress.setRange(0, progress.total)
            self._progress.setValue(progress.done)
        else:
            self._progress.setRange(0, 0)
        if not self._model.steps and progress.text:
            self._figures.setText(progress.text)

    def show_step(self, step: InversionStep) -> None:
        """Add a step; the view follows unless the user looks at another one."""
        self._model.add_step(step)
        self._chart.set_steps(self._model.steps)
        self._scrub.setRange(1, len(self._model.steps))
        self._scrub.setEnabled(len(self._model.steps) > 1)
        if self._follows:
            self._show_row(self._model.row_of_step(step.index))

    def finish(
        self, result: InversionResult, origin: Path | None, *, model: FaceModelInfo | None = None
    ) -> None:
        """The inversion is done: offer edits, saving and going on."""
        self._stop_running()
        if not result.is_unfinished:
            self._planned = result.steps
        self._chart.set_planned(result.steps)
        self._strip.set_planned(result.steps + _TILES_BEFORE)
        self._session = result
        self.edits.open_session(result, 0 if model is None else model.rows)
        self.edits.set_step(self._edit_step())
        self.exports.open_session(result, origin)
        self._continue.open_session(result, model)
        self._photo_mode.setEnabled(result.can_paste_back)
        self._show_figures()

    def give_up(self, headline: str, reason: str) -> None:
        """Nothing came out: say why; steps so far stay in view."""
        self._stop_running()
        self._headline.setText(headline)
        self._figures.setText(reason)
        self.edits.close_session(self.tr("Edits need a finished inversion."))

    def tell(self, headline: str, reason: str) -> None:
        """Say something in place of the figures of the step that is shown."""
        self._headline.setText(headline)
        self._figures.setText(reason)

    @property
    def face(self) -> AlignedFace | None:
        """The aligned face that is shown."""
        return self._face

    @property
    def steps(self) -> tuple[InversionStep, ...]:
        """The steps that are shown."""
        return self._model.steps

    @property
    def session(self) -> InversionResult | None:
        """The inversion that can be edited."""
        return self._session

    @property
    def planned(self) -> int:
        """Steps that the run was to have."""
        return self._planned

    @property
    def last_picture(self) -> QPixmap:
        """The last step's picture."""
        return self._model.picture(self._model.rowCount() - 1) or QPixmap()

    @property
    def shown_row(self) -> int:
        """The row of the strip that is shown large."""
        return self._shown_row

    def _set_planned(self, steps: int) -> None:
        self._planned = steps
        self._chart.set_planned(steps)
        self._strip.set_planned(steps + _TILES_BEFORE)

    def _start_running(self, headline: str, figures: str) -> None:
        self._is_running = True
        self._headline.setText(headline)
        self._figures.setText(figures)
        self._continue.close_session()
        self._continue.hide()  # first: with both in one row the window would grow
        self._stop.show()
        self._progress.setRange(0, 0)
        self._progress.show()

    def _stop_running(self) -> None:
        self._is_running = False
        self._stop.hide()
        self._progress.hide()
        self._continue.show()

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self.setObjectName("page")
        self._strip.setModel(self._model)
        self._scrub.setRange(1, 1)
        self._scrub.setPageStep(1)
        self._scrub.setAccessibleName(self.tr("Step that is shown"))
        self._scrub.setToolTip(self.tr("Scrub through the steps"))
        self._stop = button(self.tr("Stop"), icon="close")
        self._stop.hide()
        self._faces_mode = self._mode_button(self.tr("Compare"), self.tr("Input and step, side by side"))
        self._single_mode = self._mode_button(self.tr("Step only"), self.tr("The step alone"))
        self._heat_mode = self._mode_button(self.tr("Change"), self.tr("Where this step changed the picture"))
        self._photo_mode = self._mode_button(
            self.tr("In photo"), self.tr("The photo with the edited face pasted back")
        )
        self._photo_mode.setEnabled(False)
        self._faces_mode.setChecked(True)
        self._modes = QButtonGroup(self)
        modes = (self._faces_mode, self._single_mode, self._heat_mode, self._photo_mode)
        for one in modes:
            self._modes.addButton(one)
        self._figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head = row(*modes, None, self._stop, self._continue, spacing=6)
        told = row(self._headline, spacing=14)
        told.addWidget(self._figures, 1)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName(self.tr("How far the inversion is"))
        self._progress.hide()
        self._notice.hide()
        self._note.hide()
        centre = column(spacing=6)
        centre.setContentsMargins(18, 6, 14, 8)
        centre.addLayout(head)
        centre.addLayout(told)
        centre.addWidget(self._progress)
        centre.addWidget(self._notice)
        centre.addWidget(self._note)
        centre.addWidget(self._compare, 1)
        centre.addLayout(self._scrub_row())
        centre.addLayout(self._bottom())
        side = frame("sidePanel")
        side.setFixedWidth(_PANEL_PX)
        side_box = column(spacing=12)
        side_box.setContentsMargins(16, 16, 8, 14)
        side_box.addWidget(self.edits, 1)
        side_box.addWidget(separator())
        side_box.addWidget(self.exports)
        side.setLayout(side_box)
        main = row(spacing=0)
        main.addLayout(centre, 1)
        main.addWidget(side)
        self.setLayout(main)

    def _mode_button(self, text: str, tip: str) -> QPushButton:
        made = button(text, tip=tip)
        made.setCheckable(True)
        return made

    def _scrub_row(self) -> QHBoxLayout:
        self._shared = button(
            self.tr("One scale"), tip=self.tr("Heat maps of all steps share one scale; else each has its own")
        )
        self._shared.setCheckable(True)
        legend = QLabel()
        legend.setPixmap(QPixmap.fromImage(to_qimage(legend_image(*_LEGEND_PX))))
        legend.setToolTip(self.tr("Change against the step before"))
        line = row(label(self.tr("Steps"), role="muted"), self._scrub, 8, spacing=10)
        for part in (label(self.tr("changed least"), role="value"), legend):
            line.addWidget(part)
        line.addWidget(label(self.tr("most"), role="value"))
        line.addWidget(self._shared)
        line.setStretch(1, 1)
        return line

    def _bottom(self) -> QHBoxLayout:
        card = frame("card", column(self._chart, margin=4))
        card.setMinimumWidth(_CHART_PX[0])
        card.setMaximumWidth(_CHART_PX[1])
        line = row(spacing=14)
        line.addWidget(self._strip, 5)
        line.addWidget(card, 2)
        return line

    def _connect(self) -> None:
        self._strip.selectionModel().currentChanged.connect(self._choose_tile)
        self._scrub.valueChanged.connect(self._scrub_to)
        self._shared.toggled.connect(self._share_scale)
        self._modes.buttonToggled.connect(self._show_mode)
        self._stop.clicked.connect(self.stop_wanted)
        self._continue.wanted.connect(self.continue_wanted)
        self._continue.finish_wanted.connect(self.finish_wanted)
        self.edits.rendered.connect(self._show_edit)
        self.edits.cleared.connect(self._clear_edit)
        self.exports.edit_wanted.connect(self._hand_edit_to_export)
        self.exports.paste_changed.connect(self._ask_paste)
        self._pastes.answered.connect(self._show_paste)
        self._pastes.overtaken.connect(self._show_paste)
        self._pastes.failed.connect(self._report_paste)

    # --- what is shown ------------------------------------------------------------------------------

    def _choose_tile(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and current.row() != self._shown_row:
            self._follows = current.row() == self._model.rowCount() - 1
            self._show_row(current.row())

    def _scrub_to(self, step: int) -> None:
        row_number = self._model.row_of_step(step)
        self._follows = row_number == self._model.rowCount() - 1
        self._show_row(row_number)

    def _show_row(self, number: int) -> None:
        if not 0 <= number < self._model.rowCount():
            return
        self._shown_row = number
        index = self._model.index(number, 0)
        if self._strip.currentIndex() != index:
            self._strip.setCurrentIndex(index)
        step = self._model.step_of_row(number)
        self._chart.set_current(step)
        if step:
            self._scrub.blockSignals(True)
            self._scrub.setValue(step)
            self._scrub.blockSignals(False)
            self._edited = None
            self.edits.set_step(self._edit_step())
            self._ask_paste()
        self._show_picture()
        self._show_figures()

    def _edit_step(self) -> int:
        return self._model.step_of_row(self._shown_row)

    def _show_mode(self, _button: object, is_on: bool) -> None:
        if not is_on:  # the other one's turn to speak
            return
        self._ask_paste()
        self._show_picture()

    def _share_scale(self, is_shared: bool) -> None:
        self._model.set_scale_shared(is_shared)
        self._show_picture()

    def _show_picture(self) -> None:
        name = str(self._model.index(self._shown_row, 0).data() or "")
        if self._photo_mode.isChecked() and self._pasted is not None:
            self._compare.set_is_split(True)
            self._compare.set_before(QPixmap.fromImage(to_qimage(self._pasted.photo)), self.tr("Photo"))
            self._compare.set_after(QPixmap.fromImage(to_qimage(self._pasted.pasted)), self.tr("Pasted back"))
            return
        self._compare.set_before(self._model.picture(0), self.tr("Input"))
        if self._heat_mode.isChecked():
            self._compare.set_is_split(False)
            picture = self._model.heat(self._shown_row)
            self._compare.set_after(picture or self._model.picture(self._shown_row), name)
            return
        self._compare.set_is_split(self._faces_mode.isChecked() and self._shown_row > 0)
        if self._edited is not None:
            self._compare.set_after(self._edited, self.tr("{}, edited").format(name))
        else:
            self._compare.set_after(self._model.picture(self._shown_row), name)

    def _show_figures(self) -> None:
        step_number = self._model.step_of_row(self._shown_row)
        self._show_notice(step_number)
        if not step_number:
            names = (self.tr("Input"), self.tr("Average"))
            notes = (self.tr("the aligned crop"), self.tr("where the first step starts"))
            if self._shown_row < len(names) and self._model.rowCount():
                self._headline.setText(names[self._shown_row])
                self._figures.setText(notes[self._shown_row])
            return
        step = self._model.steps[step_number - 1]
        headline = self.tr("Step {} of {}").format(step.index, max(self._planned, step.index))
        if step.phase:
            headline = f"{headline}  ·  {texts.phase_text(step.phase)}"
        self._headline.setText(headline)
        parts = [
            self.tr("L2 {:.4f}").format(step.l2),
            self.tr("change {:.0f} % of step 1").format(100 * step.relative_change),
            texts.seconds_text(step.seconds),
        ]
        if self._edited is not None:
            parts.append(self.tr("edit rendered in {}").format(texts.seconds_text(self._edited_s)))
        self._figures.setText("   ·   ".join(parts))

    def _show_notice(self, step_number: int) -> None:
        """What the user should know about the photo and the model, and about the step that is shown."""
        notices = () if self._face is None else self._face.notices
        note = self._model.steps[step_number - 1].note if step_number else ""
        nearer = self._model.nearer_step(step_number)
        if nearer is not None:
            note = "  ".join(filter(None, (note, self._nearer_text(nearer))))
        for place, text in ((self._notice, "  ".join(notices)), (self._note, note)):
            place.setText(text)
            place.setVisible(bool(text))

    def _nearer_text(self, step: InversionStep) -> str:
        return self.tr(
            "Step {} is nearer to the photo (L2 {:.4f}): choose it in the strip to edit and save from there."
        ).format(step.index, step.l2)

    # --- edits --------------------------------------------------------------------------------------

    def _show_edit(self, answer: EditResult) -> None:
        self._edited = QPixmap.fromImage(to_qimage(answer.image))
        self._edited_s = answer.seconds
        if not self._model.step_of_row(self._shown_row):
            self._shown_row = self._model.rowCount() - 1
        if self._heat_mode.isChecked():
            self._faces_mode.setChecked(True)
        self._ask_paste()
        self._show_picture()
        self._show_figures()

    def _clear_edit(self) -> None:
        self._edited = None
        self._ask_paste()
        self._show_picture()
        self._show_figures()

    def _hand_edit_to_export(self) -> None:
        self.exports.set_edit(self.edits.edit)

    # --- paste-back ---------------------------------------------------------------------------------

    def _ask_paste(self) -> None:
        """Ask for the photo with the face, when it is looked at."""
        if self._session is None or not self._photo_mode.isChecked():
            return
        self._serial += 1
        self._pastes.submit(
            PastePreviewRequest(
                self._session.session_id,
                self.edits.edit,
                self._serial,
                blend=self.exports.blend,
                paste=self.exports.paste_mode,
            )
        )

    def _show_paste(self, answer: PastePreview) -> None:
        if self._session is not None:
            self._pasted = answer
            self._show_picture()

    def _report_paste(self, failure: JobFailure) -> None:
        self._jobs.report(failure)

    def _forget_session(self) -> None:
        self._pastes.cancel()
        self._session = None
        self._pasted = None
        self._photo_mode.setEnabled(False)
        if self._photo_mode.isChecked():
            self._faces_mode.setChecked(True)
