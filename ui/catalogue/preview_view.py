"""One photo of a list, large; the arrow keys walk through the list."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import JobFailure, PhotoPreview, PhotoRow, PhotoSource, PreviewRequest
from desktop_app.worker.latest_only import LatestOnly
from ui.catalogue.photo_model import PhotoModel
from ui.catalogue.photo_roles import PhotoRole
from ui.job_center import JobCenter
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, label, row, tool_button
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.image_canvas import ImageCanvas


class PreviewView(QFrame):
    """Shows the photos of a model one by one.

    Signals:
        closed: The user wants to go back.
        similar_wanted, invert_wanted: For this photo (`PhotoRow`).
        person_wanted: More photos of the person in this photo (`PhotoRow`).
        moved: Another row of the model is shown (its number).

    Args:
        jobs: Answers preview requests.
        parent: Qt owner.
    """

    closed = Signal()
    similar_wanted = Signal(object)
    invert_wanted = Signal(object)
    person_wanted = Signal(object)
    moved = Signal(object)

    def __init__(self, jobs: JobCenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model: PhotoModel | None = None
        self._number = 0
        self._serial = 0
        self._photo: PhotoRow | None = None
        self._previews = LatestOnly(jobs.ask, self)
        self._canvas = ImageCanvas()
        self._back = tool_button("back", self.tr("Back to the list (Esc)"))
        self._title = ElidedLabel(role="heading")
        self._facts = ElidedLabel(role="muted")
        self._problem = label(role="problem", wraps=True)
        self._previous = tool_button("chevron_left", self.tr("Previous photo (Left)"))
        self._next = tool_button("chevron_right", self.tr("Next photo (Right)"))
        self._similar = button(self.tr("Find similar"), icon="similar", role="primary")
        self._invert = button(self.tr("Invert face"), icon="faces")
        self._person = button(self.tr("More photos of this person"), icon="people")
        self._build_ui()
        self._connect()

    @property
    def photo(self) -> PhotoRow | None:
        """The photo that is shown."""
        return self._photo

    def show_photo(self, model: PhotoModel, number: int) -> None:
        """Show a row of a model."""
        self._model = model
        self._go_to(number)
        self._canvas.setFocus()

    def _build_ui(self) -> None:
        self.setObjectName("page")
        names = column(self._title, self._facts, spacing=2)
        head = row(self._back, spacing=10)
        head.setContentsMargins(16, 12, 16, 0)
        head.addLayout(names, 1)
        for part in (self._previous, self._next, self._person, self._invert, self._similar):
            head.addWidget(part)
        self._person.hide()
        self._problem.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._canvas.setAccessibleName(self.tr("Photo"))
        self._canvas.installEventFilter(self)
        box = column(spacing=4)
        box.addLayout(head)
        box.addWidget(self._canvas, 1)
        box.addWidget(self._problem)
        self.setLayout(box)

    def _connect(self) -> None:
        self._back.clicked.connect(self.closed)
        self._previous.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)
        self._similar.clicked.connect(self._find_similar)
        self._invert.clicked.connect(self._want_invert)
        self._person.clicked.connect(self._want_person)
        self._previews.answered.connect(self._show_preview)
        self._previews.failed.connect(self._show_failure)

    def _go_to(self, number: int) -> None:
        if self._model is None or not 0 <= number < self._model.rowCount():
            return
        photo = self._model.photo_at(number)
        if photo is None:
            return
        self._number, self._photo = number, photo
        self._title.show_text(display_path(photo.path.name), tip=display_path(photo.path))
        self._show_facts(photo.width_px, photo.height_px)
        self._problem.clear()
        self._person.hide()
        self._canvas.set_image(self._model.index(number, 0).data(PhotoRole.THUMBNAIL))
        self._previous.setEnabled(number > 0)
        self._next.setEnabled(number + 1 < self._model.rowCount())
        self._serial += 1
        self._previews.submit(PreviewRequest(PhotoSource(photo_id=photo.photo_id), serial=self._serial))
        self._model.photo_at(min(number + 1, self._model.rowCount() - 1))  # have the next page at hand
        self.moved.emit(number)

    def _go_back(self) -> None:
        self._go_to(self._number - 1)

    def _go_on(self) -> None:
        self._go_to(self._number + 1)

    def _find_similar(self) -> None:
        self.similar_wanted.emit(self._photo)

    def _want_invert(self) -> None:
        self.invert_wanted.emit(self._photo)

    def _want_person(self) -> None:
        self.person_wanted.emit(self._photo)

    def _show_facts(self, width_px: int, height_px: int) -> None:
        path = None if self._photo is None else self._photo.path
        lead = f"{width_px} × {height_px}   ·   " if width_px else ""
        folder, whole = ("", "") if path is None else (display_path(path.parent), display_path(path))
        self._facts.show_text(folder, lead=lead, tip=whole)

    def _show_preview(self, answer: PhotoPreview) -> None:
        if answer.serial == self._serial:
            self._canvas.set_image(to_qimage(answer.image))
            self._show_facts(answer.width_px, answer.height_px)
            self._person.setVisible(answer.faces > 0)
            self._person.setToolTip(
                self.tr("{} faces were found: the largest is looked for").format(answer.faces)
                if answer.faces > 1
                else ""
            )

    def _show_failure(self, failure: JobFailure) -> None:
        self._problem.setText(f"{failure.message} {failure.hint}".strip())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Walk with the arrow keys while the picture has the focus."""
        if watched is self._canvas and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            moves = {
                Qt.Key.Key_Left: self._go_back,
                Qt.Key.Key_Right: self._go_on,
                Qt.Key.Key_Space: self._go_on,
                Qt.Key.Key_Escape: self.closed.emit,
                Qt.Key.Key_Backspace: self.closed.emit,
            }
            move = moves.get(Qt.Key(event.key()))
            if move is not None:
                move()
                return True
        return super().eventFilter(watched, event)
