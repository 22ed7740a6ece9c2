"""The faces page: first choose a face, then watch its inversion and edit it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QButtonGroup, QStackedWidget, QWidget

from desktop_app.core.settings import InversionSettings
from desktop_app.core.types import (
    AlignedFace,
    ContinueRequest,
    FaceModelList,
    FaceModelsRequest,
    InversionResult,
    InversionStep,
    InvertRequest,
    JobFailure,
    ModelInfo,
    PhotoSource,
    Progress,
)
from desktop_app.worker.job_handle import JobHandle
from ui import file_dialogs, texts
from ui.catalogue.similar_view import Query
from ui.inversion.face_chooser import FaceChooser
from ui.inversion.method_chooser import short_title
from ui.inversion.open_faces import OpenFace, OpenFaces
from ui.inversion.pair_runs import PairRuns
from ui.inversion.pair_view import PairView
from ui.inversion.result_view import ResultView
from ui.job_center import JobCenter
from ui.notifications import Level, Message
from ui.qt_image import from_qimage, to_qimage
from ui.widgets.controls import button, column, row
from ui.widgets.drop_area import DropArea, Offered
from ui.widgets.empty_state import EmptyState

# Steps that an optimiser and tuning show, whatever the number of iterations.
STEPS_OF_SEARCH = 20
STEPS_OF_TUNING = 10


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
        self._mix_title = ""
        self._mix_picture = QPixmap()
        self._origin: Path | None = None
        self._title = ""
        self._models = FaceModelList(())
        self._faces = OpenFaces(self)
        self._chooser = FaceChooser(jobs, settings)
        self._result = ResultView(jobs, self._faces)
        self._pair = PairView(jobs)
        self._pair_runs = PairRuns(jobs, self._pair, parent=self)
        self._build_ui()
        self._connect()

    def open(self, query: Query) -> None:
        """Begin with a picture."""
        self._end_run()
        self._pair_runs.end()
        self._origin = query.source.path if query.photo is None else query.photo.path
        self._title = query.title
        self._result_tab.setEnabled(False)
        self._pair_tab.hide()
        self._chooser.open(query)
        self._show(self._chooser)

    def open_picture(self) -> None:
        """Let the user choose a picture."""
        path = file_dialogs.choose_picture(self)
        if path is not None:
            self.open(Query(PhotoSource(path=path), texts.name_text(path)))

    def take(self, offered: Offered) -> None:
        """Take what was dropped or pasted."""
        if len(offered.files) > 1 or (offered.folders and not offered.files):
            text = self.tr("Only one picture at a time is opened here.")
            self.saved.emit(Message(Level.NOTICE, text, self.tr("Folders are added in the library.")))
        if offered.files:
            path = offered.files[0]
            self.open(Query(PhotoSource(path=path), texts.name_text(path)))
        elif offered.picture is not None:
            source = PhotoSource(image=from_qimage(offered.picture))
            self.open(Query(source, self.tr("Pasted picture")))

    def set_models(self, _models: tuple[ModelInfo, ...]) -> None:
        """The models are known, or others than before: ask what they can do with faces."""
        self._ask_models()

    def set_model(self, name: str) -> None:
        """Set the model to begin with."""
        self._chooser.set_model(name)

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
        for page in (self._empty, self._chooser, self._pair, self._result):
            self._stack.addWidget(page)
        self._choose_tab = button(self.tr("1   Choose the face"))
        self._pair_tab = button(self.tr("Side by side"))
        self._pair_tab.hide()
        self._result_tab = button(self.tr("2   Inversion and edits"))
        self._tabs = QButtonGroup(self)
        for tab in (self._choose_tab, self._result_tab, self._pair_tab):
            tab.setCheckable(True)
            self._tabs.addButton(tab)
        self._tab_bar = QWidget()
        bar = row(self._choose_tab, self._result_tab, self._pair_tab, None, spacing=8)
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
        self._chooser.compare_wanted.connect(self._compare)
        self._pair_runs.chosen.connect(self._take_chosen)
        self._result.stop_wanted.connect(self._stop)
        self._result.continue_wanted.connect(self._go_on)
        self._result.finish_wanted.connect(self._finish_stopped)
        self._result.exports.saved.connect(self.saved)
        self._result.edits.mix.photo_wanted.connect(self._mix_with_photo)
        self._choose_tab.clicked.connect(self._show_chooser)
        self._pair_tab.clicked.connect(self._show_pair)
        self._result_tab.clicked.connect(self._show_result)

    def _show(self, page: QWidget) -> None:
        self._tab_bar.show()
        self._choose_tab.setChecked(page is self._chooser)
        self._pair_tab.setChecked(page is self._pair)
        self._result_tab.setChecked(page is self._result)
        self._stack.setCurrentWidget(page)

    def _show_chooser(self) -> None:
        self._show(self._chooser)

    def _show_pair(self) -> None:
        self._show(self._pair)

    def _show_result(self) -> None:
        self._show(self._result)

    # --- models -------------------------------------------------------------------------------------

    def _ask_models(self) -> None:
        handle = self._jobs.ask(FaceModelsRequest())
        handle.finished.connect(self._take_models)
        handle.failed.connect(self._report)

    def _take_models(self, models: FaceModelList) -> None:
        self._models = models
        self._chooser.set_models(models)

    def _report(self, failure: JobFailure) -> None:
        self._jobs.report(failure)

    # --- one inversion ------------------------------------------------------------------------------

    def _invert(self, request: InvertRequest) -> None:
        self._end_run()
        self._pair_runs.end()
        self._pair_tab.hide()
        self._result.begin(planned_steps(request, self._models))
        self._result_tab.setEnabled(True)
        self._show(self._result)
        self._follow(request, self.tr("Inverting"))

    def _go_on(self, steps: int, iterations: int, refine: int) -> None:
        session = self._result.session
        if session is None:
            return
        self._end_run()
        kept = len(self._result.steps)
        if session.tuned_from and not refine:
            kept = session.tuned_from - 1  # tuning belonged to the last step, which is no longer the last
        self._result.go_on(kept, kept + steps)
        request = ContinueRequest(
            session.session_id, step=kept, steps=steps, iterations=iterations, refine=refine
        )
        self._follow(request, self.tr("Going on") if not refine else self.tr("Tuning the model"))

    def _finish_stopped(self) -> None:
        """Take up the run that was stopped."""
        session = self._result.session
        if session is None:
            return
        self._end_run()
        kept = len(self._result.steps)
        self._result.go_on(kept, max(kept, self._result.planned))
        request = ContinueRequest(session.session_id, step=kept, finishes=True)
        self._follow(request, self.tr("Going on"))

    def _follow(self, request: object, title: str) -> None:
        handle = self._jobs.follow(request, title)
        handle.step.connect(self._take_step)
        handle.progress.connect(self._take_progress)
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
        run.progress.disconnect(self._take_progress)
        run.finished.disconnect(self._finish)
        run.failed.disconnect(self._fail)
        run.cancelled.disconnect(self._cancelled)
        run.cancel()

    def _take_step(self, message: object) -> None:
        if isinstance(message, AlignedFace):
            self._result.show_face(message)
        elif isinstance(message, InversionStep):
            self._result.show_step(message)

    def _take_progress(self, progress: Progress) -> None:
        self._result.show_progress(progress)

    def _finish(self, result: InversionResult) -> None:
        self._open(result)
        self._ask_models()  # their times are measured now

    def _open(self, result: InversionResult) -> None:
        """Offer edits of what the result view shows, and remember the face for mixes."""
        self._result.finish(result, self._origin, model=self._models.model(result.model))
        self._remember(result, self._title, self._result.last_picture)

    def _fail(self, failure: JobFailure) -> None:
        reason = f"{failure.message} {failure.hint}".strip()
        self._end_early(self.tr("The inversion failed"), reason)

    def _cancelled(self) -> None:
        self._end_early(self.tr("Stopped"), self.tr("The steps so far are kept: edit them, or go on."))

    def _end_early(self, headline: str, reason: str) -> None:
        """The engine keeps the steps of a run that did not reach its end; they can be edited."""
        result = self._result_so_far()
        if result is None:
            self._result.give_up(headline, reason)
        else:
            self._open(result)
            self._result.tell(headline, reason)

    def _result_so_far(self) -> InversionResult | None:
        face, steps = self._result.face, self._result.steps
        request = None if self._run is None else self._run.request
        if face is None or not face.session_id or not steps:
            return None
        before = self._result.session
        if before is not None:
            method = before.method
        else:
            method = request.method if isinstance(request, InvertRequest) else ""
        tuned = [step.index for step in steps if step.phase == "tuning"]
        return InversionResult(
            session_id=face.session_id,
            model=face.model,
            steps=len(steps),
            seconds=sum(step.seconds for step in steps),
            can_paste_back=bool(face.quad),
            method=method,
            tuned_from=tuned[0] if tuned else 0,
            is_unfinished=True,
            usual_paste=face.usual_paste,
        )

    # --- two inversions -----------------------------------------------------------------------------

    def _compare(self, requests: tuple[InvertRequest, InvertRequest]) -> None:
        self._end_run()
        first, second = (run_title(request, self._models) for request in requests)
        self._pair_runs.start(requests, (first, second))
        self._result_tab.setEnabled(False)
        self._pair_tab.show()
        self._show(self._pair)

    def _take_chosen(self, number: int) -> None:
        """Show one of two runs alone, to edit it."""
        run = self._pair.runs[number]
        if run.face is None or run.result is None:
            return
        self._result.begin(run.result.steps)
        self._result.show_face(run.face)
        for step in run.steps:
            self._result.show_step(step)
        self._result_tab.setEnabled(True)
        self._open(run.result)
        for other in self._pair.runs:
            if other is not run and other.result is not None:
                self._remember(other.result, f"{self._title}, {other.title}", other.last_picture)
        self._show(self._result)
        self._ask_models()

    # --- mixes --------------------------------------------------------------------------------------

    def _remember(self, result: InversionResult, title: str, picture: QPixmap) -> None:
        model = self._models.model(result.model)
        rows = 0 if model is None else model.rows
        self._faces.add(OpenFace(result.session_id, title, rows, picture))

    def _mix_with_photo(self) -> None:
        """Invert the largest face of another photo with the same model, in the background."""
        session, path = self._result.session, file_dialogs.choose_picture(self)
        if session is None or path is None:
            return
        self._mix_title = texts.name_text(path)
        self._mix_picture = QPixmap()
        model = self._models.model(session.model)
        request = InvertRequest(
            PhotoSource(path=path),
            is_aligned=not session.can_paste_back and (model is None or model.needs_face),
            model=session.model,
        )
        handle = self._jobs.follow(request, self.tr("Inverting {} for the mix").format(self._mix_title))
        handle.step.connect(self._take_mix_step)
        handle.finished.connect(self._take_mix_face)

    def _take_mix_step(self, message: object) -> None:
        if isinstance(message, InversionStep):
            self._mix_picture = QPixmap.fromImage(to_qimage(message.y_hat))

    def _take_mix_face(self, result: InversionResult) -> None:
        self._remember(result, self._mix_title, self._mix_picture)
        self._result.edits.mix.choose_face(result.session_id)


def planned_steps(request: InvertRequest, models: FaceModelList) -> int:
    """How many steps a run will show, as far as that can be told before."""
    model = models.model(request.model)
    method = None if model is None else model.method(request.method)
    if method is None:
        return request.steps
    steps = request.steps if method.uses_steps else (0 if method.iterations else 1)
    first = request.first_steps if method.needs_first else 0
    searched = STEPS_OF_SEARCH if method.iterations else 0
    return first + steps + searched + (STEPS_OF_TUNING if request.refine else 0)


def run_title(request: InvertRequest, models: FaceModelList) -> str:
    """Method and model of a run."""
    model = models.model(request.model)
    method = None if model is None else model.method(request.method)
    if model is None or method is None:
        return request.model
    return f"{method.title}  ·  {short_title(model, models)}"
