"""Choosing a picture and the face in it, before the inversion."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFrame, QSpinBox, QStackedWidget, QWidget

from desktop_app.core.settings import InversionSettings
from desktop_app.core.types import (
    FacePoints,
    FacesFound,
    FindFacesRequest,
    InvertRequest,
    JobFailure,
    ModelInfo,
    QuadAnswer,
    QuadRequest,
)
from desktop_app.worker.job_handle import JobHandle
from desktop_app.worker.latest_only import LatestOnly
from ui.catalogue.similar_view import Query
from ui.inversion.face_canvas import FaceCanvas
from ui.job_center import JobCenter
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, frame, label, pad_spin_box, row, separator
from ui.widgets.empty_state import EmptyState

_PANEL_PX = 288
_MOST_STEPS = 20


class FaceChooser(QFrame):
    """Shows a picture with its faces, and what the inversion will do.

    Signals:
        open_wanted: Another picture is to be opened.
        invert_wanted: The user asks for an inversion (`InvertRequest`).

    Args:
        jobs: Answers requests.
        settings: Steps and model to begin with.
        parent: Qt owner.
    """

    open_wanted = Signal()
    invert_wanted = Signal(object)

    def __init__(
        self, jobs: JobCenter, settings: InversionSettings, *, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._settings = settings
        self._query: Query | None = None
        self._found: FacesFound | None = None
        self._search: JobHandle | None = None
        self._moved_points: FacePoints | None = None
        self._quads = LatestOnly(jobs.ask, self)
        self._canvas = FaceCanvas()
        self._build_panel()
        self._build_ui()
        self._connect()
        self._update_state()

    @property
    def query(self) -> Query | None:
        """The picture."""
        return self._query

    def open(self, query: Query) -> None:
        """Look for the faces of a picture."""
        self.cancel()
        self._query = query
        self._found = None
        self._moved_points = None
        self._aligned.setChecked(False)
        self._canvas.set_image(None)
        self._canvas.set_faces(())
        self._message.set_message(self.tr("Looking for faces …"), query.title, icon="faces")
        self._stack.setCurrentWidget(self._message)
        handle = self._jobs.ask(FindFacesRequest(query.source))
        handle.finished.connect(self._show_faces)
        handle.failed.connect(self._show_failure)
        self._search = handle
        self._update_state()

    def cancel(self) -> None:
        """Stop looking for faces."""
        self._quads.cancel()
        if self._search is not None and not self._search.is_done:
            self._search.finished.disconnect(self._show_faces)
            self._search.failed.disconnect(self._show_failure)
            self._search.cancel()
        self._search = None

    def set_models(self, models: tuple[ModelInfo, ...]) -> None:
        """Offer models; the chosen one stays chosen."""
        wanted = self._model.currentData() or self._settings.model
        self._model.clear()
        for one in models:
            if one.role == "inversion" and one.is_usable:
                self._model.addItem(one.title, one.name)
                self._model.setItemData(self._model.count() - 1, one.name, Qt.ItemDataRole.ToolTipRole)
        self._model.setCurrentIndex(max(0, self._model.findData(wanted)))

    def set_steps(self, steps: int) -> None:
        """Set the number of steps."""
        self._steps.setValue(steps)

    def request(self) -> InvertRequest | None:
        """What the inversion will do; None while there is nothing to invert."""
        if self._query is None or self._found is None:
            return None
        plain = InvertRequest(
            self._query.source, steps=self._steps.value(), model=str(self._model.currentData() or "")
        )
        if self._aligned.isChecked():
            return replace(plain, is_aligned=True)
        if self._moved_points is not None:
            return replace(plain, points=self._moved_points)
        return replace(plain, face_index=self._canvas.chosen) if self._canvas.chosen >= 0 else None

    # --- building -----------------------------------------------------------------------------------

    def _build_panel(self) -> None:
        self._title = label(role="heading", wraps=True)
        self._facts = label(role="muted", wraps=True)
        self._problem = label(role="problem", wraps=True)
        self._by_hand = button(
            self.tr("Place points by hand"),
            icon="point",
            tip=self.tr("Put both eyes and mouth corners yourself"),
        )
        self._reset = button(
            self.tr("Reset to detected"), icon="reset", tip=self.tr("Forget what was moved by hand")
        )
        self._aligned = QCheckBox(self.tr("Already an aligned face"))
        self._aligned.setToolTip(self.tr("The whole picture is the face: nothing is detected or cropped"))
        self._model = QComboBox()
        self._model.setAccessibleName(self.tr("Model"))
        self._steps = QSpinBox()
        self._steps.setRange(1, _MOST_STEPS)
        pad_spin_box(self._steps)
        self._steps.setValue(self._settings.steps)
        self._steps.setAccessibleName(self.tr("Steps"))
        self._steps.setToolTip(self.tr("How often the encoder refines the code, 1 to 20"))
        self._open = button(self.tr("Open a picture …"), icon="image", tip=self.tr("Ctrl+O"))
        self._invert = button(
            self.tr("Invert"), icon="play", role="primary", tip=self.tr("Start the inversion (Ctrl+Return)")
        )
        self._invert.setShortcut("Ctrl+Return")

    def _build_ui(self) -> None:
        self.setObjectName("page")
        panel = frame("sidePanel")
        panel.setFixedWidth(_PANEL_PX)
        box = column(
            self._title, self._facts, self._problem, 4, self._by_hand, self._reset, self._aligned, 6,
            separator(), 6, label(self.tr("MODEL"), role="section"), self._model,
            label(self.tr("STEPS"), role="section"), self._steps, None, self._open, self._invert, spacing=8,
        )  # fmt: skip
        box.setContentsMargins(16, 18, 16, 16)
        panel.setLayout(box)
        self._message = EmptyState("faces", "")
        self._message.setAcceptDrops(False)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._canvas)
        self._stack.addWidget(self._message)
        main = row(spacing=0)
        main.addWidget(self._stack, 1)
        main.addWidget(panel)
        self.setLayout(main)

    def _connect(self) -> None:
        self._canvas.face_chosen.connect(self._choose_face)
        self._canvas.points_moved.connect(self._move_points)
        self._by_hand.clicked.connect(self._place_by_hand)
        self._reset.clicked.connect(self._reset_points)
        self._aligned.toggled.connect(self._set_aligned)
        self._open.clicked.connect(self.open_wanted)
        self._invert.clicked.connect(self._want_invert)
        self._quads.answered.connect(self._show_quad)
        self._quads.overtaken.connect(self._show_quad)
        self._quads.failed.connect(self._show_quad_failure)

    # --- faces --------------------------------------------------------------------------------------

    def _show_faces(self, found: FacesFound) -> None:
        self._found = found
        self._canvas.set_image(to_qimage(found.image), scale=found.scale)
        self._canvas.set_faces(found.faces)
        if found.faces:
            self._canvas.choose_face(0)
        self._stack.setCurrentWidget(self._canvas)
        self._canvas.setFocus()
        self._update_state()

    def _show_failure(self, failure: JobFailure) -> None:
        self._message.set_message(failure.message, failure.hint, icon="error")
        self._stack.setCurrentWidget(self._message)
        self._update_state()

    def _choose_face(self, _number: int) -> None:
        self._quads.cancel()
        self._moved_points = None
        self._problem.clear()
        self._update_state()

    def _move_points(self, points: FacePoints) -> None:
        self._moved_points = points
        self._quads.submit(QuadRequest(points))
        self._update_state()

    def _place_by_hand(self) -> None:
        if self._found is None:
            return
        points = typical_points(self._found.width_px, self._found.height_px)
        self._aligned.setChecked(False)
        self._canvas.set_points(points, ())
        self._canvas.setFocus()
        self._move_points(points)

    def _reset_points(self) -> None:
        self._quads.cancel()
        self._moved_points = None
        self._problem.clear()
        if self._found is not None and self._found.faces:
            self._canvas.choose_face(max(0, self._canvas.chosen))
        elif self._found is not None:
            self._canvas.set_faces(())
        self._update_state()

    def _show_quad(self, answer: QuadAnswer) -> None:
        if self._moved_points is not None:
            self._problem.clear()
            self._canvas.set_quad(answer.quad)
            self._update_state()

    def _show_quad_failure(self, failure: JobFailure) -> None:
        self._problem.setText(f"{failure.message} {failure.hint}".strip())
        self._canvas.set_quad(())
        self._update_state()

    def _set_aligned(self, is_aligned: bool) -> None:
        self._canvas.show_faces(not is_aligned)
        self._update_state()

    def _want_invert(self) -> None:
        request = self.request()
        if request is not None:
            self.invert_wanted.emit(request)

    # --- state --------------------------------------------------------------------------------------

    def _update_state(self) -> None:
        found, is_aligned = self._found, self._aligned.isChecked()
        self._title.setText("" if self._query is None else self._query.title)
        self._facts.setText(self._facts_text())
        has_moved = self._moved_points is not None
        self._by_hand.setEnabled(found is not None and not is_aligned)
        self._by_hand.setVisible(not has_moved)
        self._reset.setVisible(has_moved)
        self._aligned.setEnabled(found is not None)
        is_broken = bool(self._problem.text()) and has_moved and not is_aligned
        self._problem.setVisible(is_broken)
        self._invert.setEnabled(self.request() is not None and not is_broken)

    def _facts_text(self) -> str:
        found = self._found
        if found is None:
            return ""
        size = f"{found.width_px} × {found.height_px}"
        if self._aligned.isChecked():
            return self.tr("{}. The whole picture is used.").format(size)
        if self._moved_points is not None:
            return self.tr("{}. Drag the points onto the eyes (round) and mouth corners (square).").format(
                size
            )
        if not found.faces:
            return self.tr(
                "{}. No face was found. Place the points by hand, or say that the picture is an aligned face."
            ).format(size)
        if len(found.faces) == 1:
            return self.tr("{}. One face was found. Drag its points to adjust the crop.").format(size)
        return self.tr("{}. {} faces were found. Click the one you mean; drag its points to adjust.").format(
            size, len(found.faces)
        )


def typical_points(width_px: int, height_px: int) -> FacePoints:
    """Points of an upright face in the middle of a photo, to begin placing by hand."""
    x, y = width_px / 2, height_px / 2
    eyes = 0.16 * min(width_px, height_px)  # distance between the eyes
    return FacePoints(
        left_eye=(x - eyes / 2, y - eyes / 2),
        right_eye=(x + eyes / 2, y - eyes / 2),
        left_mouth=(x - 0.4 * eyes, y + 0.6 * eyes),
        right_mouth=(x + 0.4 * eyes, y + 0.6 * eyes),
    )
