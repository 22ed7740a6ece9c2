"""The faces page: first choose a face, then watch its inversion and edit it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QStackedWidget, QWidget

from desktop_app.core.settings import InversionSettings
from desktop_app.core.types import (
    AlignedFace,
    InversionResult,
    InversionStep,
    InvertRequest,
    JobFailure,
    ModelInfo,
    PhotoSource,
)
from desktop_app.worker.job_handle import JobHandle
from ui import file_dialogs, texts
from ui.catalogue.similar_view import Query
from ui.inversion.face_chooser import FaceChooser
from ui.inversion.result_view import ResultView
from ui.job_center import JobCenter
from ui.qt_image import from_qimage
from ui.widgets.controls import button, column, row
from ui.widgets.drop_area import DropArea, Offered
from ui.widgets.empty_state import EmptyState


class InversionPage(DropArea):
    """Choosing, inverting and editing one face.

    Signals:
        saved: A file was written (`Message`).
        library_wanted: The user wants to choose a photo of the library.

    Args:
        jobs: Answers requests.
        settings: Steps and model to begin with.
        parent: Qt owner.
    """

    saved = Signal(object)
    library_wanted = Signal()

    def __init__(
        self, jobs: JobCenter, settings: InversionSettings, *, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._run: JobHandle | None = None
        self._origin: Path | None = None
        self._chooser = FaceChooser(jobs, settings)
        self._result = ResultView(jobs)
        self._build_ui()
        self._connect()

    def open(self, query: Query) -> None:
        """Begin with a picture."""
        self._end_run()
        self._origin = query.source.path if query.photo is None else query.photo.path
        self._result_tab.setEnabled(False)
        self._chooser.open(query)
        self._show(self._chooser)

    def open_picture(self) -> None:
        """Let the user choose a picture."""
        path = file_dialogs.choose_picture(self)
        if path is not None:
            self.open(Query(PhotoSource(path=path), texts.name_text(path)))

    def take(self, offered: Offered) -> None:
        """Take what was dropped or pasted."""
        if offered.files:
            path = offered.files[0]
            self.open(Query(PhotoSource(path=path), texts.name_text(path)))
        elif offered.picture is not None:
            source = PhotoSource(image=from_qimage(offered.picture))
            self.open(Query(source, self.tr("Pasted picture")))

    def set_models(self, models: tuple[ModelInfo, ...]) -> None:
        """Offer models."""
        self._chooser.set_models(models)

    def set_steps(self, steps: int) -> None:
        """Set the number of steps to begin with."""
        self._chooser.set_steps(steps)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self.setObjectName("page")
        open_one = button(self.tr("Open a picture"), icon="image", role="big")
        open_one.clicked.connect(self.open_picture)
        from_library = button(self.tr("Choose from the library"), role="link")
        from_library.clicked.connect(self.library_wanted)
        self._empty = EmptyState(
            "faces",
            self.tr("Rebuild a face, step by step"),
            text=self.tr(
                "Open a photo with a face, drop or paste one here, or choose “Invert face” in the library. "
                "You see every step, where it changed the picture, and can edit and save the result."
            ),
            buttons=(open_one, from_library),
        )
        self._empty.setAcceptDrops(False)
        self._stack = QStackedWidget()
        for page in (self._empty, self._chooser, self._result):
            self._stack.addWidget(page)
        self._choose_tab = button(self.tr("1   Choose the face"))
        self._result_tab = button(self.tr("2   Inversion and edits"))
        self._tabs = QButtonGroup(self)
        for tab in (self._choose_tab, self._result_tab):
            tab.setCheckable(True)
            self._tabs.addButton(tab)
        self._tab_bar = QWidget()
        bar = row(self._choose_tab, self._result_tab, None, spacing=8)
        bar.setContentsMargins(18, 12, 16, 6)
        self._tab_bar.setLayout(bar)
        self._tab_bar.hide()
        box = column(self._tab_bar, spacing=0)
        box.addWidget(self._stack, 1)
        self.setLayout(box)

    def _connect(self) -> None:
        self.offered.connect(self.take)
        self._chooser.open_wanted.connect(self.open_picture)
        self._chooser.invert_wanted.connect(self._invert)
        self._result.stop_wanted.connect(self._stop)
        self._result.exports.saved.connect(self.saved)
        self._choose_tab.clicked.connect(self._show_chooser)
        self._result_tab.clicked.connect(self._show_result)

    def _show(self, page: QWidget) -> None:
        self._tab_bar.show()
        self._choose_tab.setChecked(page is self._chooser)
        self._result_tab.setChecked(page is self._result)
        self._stack.setCurrentWidget(page)

    def _show_chooser(self) -> None:
        self._show(self._chooser)

    def _show_result(self) -> None:
        self._show(self._result)

    # --- inversion ----------------------------------------------------------------------------------

    def _invert(self, request: InvertRequest) -> None:
        self._end_run()
        self._result.begin(request.steps)
        self._result_tab.setEnabled(True)
        self._show(self._result)
        handle = self._jobs.follow(request, self.tr("Inverting"))
        handle.step.connect(self._take_step)
        handle.finished.connect(self._finish)
        handle.failed.connect(self._fail)
        handle.cancelled.connect(self._cancelled)
        self._run = handle

    def _stop(self) -> None:
        if self._run is not None:
            self._run.cancel()

    def _end_run(self) -> None:
        """Cancel a run and listen to it no more."""
        run, self._run = self._run, None
        if run is None or run.is_done:
            return
        run.step.disconnect(self._take_step)
        run.finished.disconnect(self._finish)
        run.failed.disconnect(self._fail)
        run.cancelled.disconnect(self._cancelled)
        run.cancel()

    def _take_step(self, message: object) -> None:
        if isinstance(message, AlignedFace):
            self._result.show_face(message)
        elif isinstance(message, InversionStep):
            self._result.show_step(message)

    def _finish(self, result: InversionResult) -> None:
        self._result.finish(result, self._origin)

    def _fail(self, failure: JobFailure) -> None:
        self._result.give_up(self.tr("The inversion failed"), f"{failure.message} {failure.hint}".strip())

    def _cancelled(self) -> None:
        self._result.give_up(self.tr("Stopped"), self.tr("The steps so far are shown below."))
