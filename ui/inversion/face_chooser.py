"""Choosing a picture and the face in it, before the inversion."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QScrollArea, QStackedWidget, QWidget

from desktop_app.core.inversion_types import REFINE_ITERATIONS
from desktop_app.core.settings import InversionSettings
from desktop_app.core.types import (
    FaceModelList,
    FacePoints,
    FacesFound,
    FindFacesRequest,
    InvertRequest,
    JobFailure,
    QuadAnswer,
    QuadRequest,
)
from desktop_app.worker.job_handle import JobHandle
from desktop_app.worker.latest_only import LatestOnly
from ui.catalogue.similar_view import Query
from ui.inversion.face_canvas import FaceCanvas
from ui.inversion.method_chooser import MethodChoice, MethodChooser, time_text
from ui.job_center import JobCenter
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, frame, label, row, separator
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.empty_state import EmptyState

_PANEL_PX = 304
# The authors of the method recommend one or two steps of the second model.
_TOON_STEPS = 2


class FaceChooser(QFrame):
    """Shows a picture with its faces, and what the inversion will do.

    Signals:
        open_wanted: Another picture is to be opened.
        invert_wanted: The user asks for an inversion (`InvertRequest`).
        compare_wanted: The user asks for two inversions of one face (two `InvertRequest`).

    Args:
        jobs: Answers requests.
        settings: Steps and model to begin with.
        parent: Qt owner.
    """

    open_wanted = Signal()
    invert_wanted = Signal(object)
    compare_wanted = Signal(object)

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
        self._models = FaceModelList(())
        self._quads = LatestOnly(jobs.ask, self)
        self._canvas = FaceCanvas()
        self.first = MethodChooser()
        self.second = MethodChooser()
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

    def set_models(self, models: FaceModelList) -> None:
        """Offer models; the chosen one stays chosen."""
        self._models = models
        for chooser in (self.first, self.second):
            chooser.set_models(models, wanted=self._settings.model)
        self._suggest_second()
        self._update_state()

    def set_model(self, name: str) -> None:
        """Choose a model, now and for the next faces."""
        self._settings = replace(self._settings, model=name)
        self.first.choose(model=name)

    def set_steps(self, steps: int) -> None:
        """Set the number of steps."""
        for chooser in (self.first, self.second):
            chooser.set_steps(steps)

    def request(self) -> InvertRequest | None:
        """What the inversion will do; None while there is nothing to invert."""
        choice = self.first.choice
        return None if choice is None else self._request(choice)

    def toon_request(self) -> InvertRequest | None:
        """What toonifying will do; None without a pair of models or a face."""
        pair, choice = self._toon_pair(), self.first.choice
        plain = None if pair is None or choice is None else self._request(choice, is_face=True)
        if plain is None or pair is None:
            return None
        return replace(
            plain,
            method="bootstrap",
            first_model=pair[0],
            model=pair[1],
            first_steps=1,
            steps=_TOON_STEPS,
            iterations=0,
        )

    def _request(self, choice: MethodChoice, *, is_face: bool = False) -> InvertRequest | None:
        if self._query is None or self._found is None:
            return None
        plain = InvertRequest(
            self._query.source,
            steps=choice.steps,
            model=choice.model.name,
            method=choice.method.name,
            iterations=choice.iterations,
            first_model=choice.first_model,
            refine=REFINE_ITERATIONS if self._refine.isChecked() else 0,
        )
        if not (choice.model.needs_face or is_face):
            return plain
        if self._aligned.isChecked():
            return replace(plain, is_aligned=True)
        if self._moved_points is not None:
            return replace(plain, points=self._moved_points)
        return replace(plain, face_index=self._canvas.chosen) if self._canvas.chosen >= 0 else None

    # --- building -----------------------------------------------------------------------------------

    def _build_panel(self) -> None:
        self._title = ElidedLabel(role="heading")
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
        self._notice = label(role="notice", wraps=True)
        self.set_steps(self._settings.steps)
        self._refine = QCheckBox(self.tr("Tune the model to the photo"))
        self._refine.setToolTip(
            self.tr("After the last step the generator itself is adjusted: closer to the photo, slower.")
        )
        self._compare = QCheckBox(self.tr("Compare with a second method"))
        self._compare.setToolTip(self.tr("Run two methods or two models side by side on this face"))
        self.second.hide()
        self._time = label(role="muted", wraps=True)
        self._toonify = button(self.tr("Toonify"), icon="toon")
        self._toonify.hide()
        self._open = button(self.tr("Open a picture …"), icon="image", tip=self.tr("Ctrl+O"))
        self._invert = button(
            self.tr("Invert"), icon="play", role="primary", tip=self.tr("Start the inversion (Ctrl+Return)")
        )
        self._invert.setShortcut("Ctrl+Return")

    def _build_ui(self) -> None:
        self.setObjectName("page")
        panel = frame("sidePanel")
        panel.setFixedWidth(_PANEL_PX)
        inside = QWidget()
        inner = column(
            self._title, self._facts, self._problem, 2, self._by_hand, self._reset, self._aligned, 4,
            separator(), 4, self.first, self._notice, self._refine, self._compare, self.second, None,
            spacing=8,
        )  # fmt: skip
        inner.setContentsMargins(0, 0, 10, 0)
        inside.setLayout(inner)
        scroll = QScrollArea()
        scroll.setObjectName("plain")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        foot = column(self._time, self._open, self._toonify, self._invert, spacing=8)
        foot.setContentsMargins(0, 0, 10, 0)
        box = column(spacing=8)
        box.addWidget(scroll, 1)
        box.addLayout(foot)
        box.setContentsMargins(16, 18, 6, 16)
        self._scroll = scroll
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
        self._toonify.clicked.connect(self._want_toon)
        self._compare.toggled.connect(self._show_second)
        self._refine.toggled.connect(self._update_state)
        for chooser in (self.first, self.second):
            chooser.changed.connect(self._update_state)
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

    def _set_aligned(self, _is_aligned: bool) -> None:
        self._update_state()

    def _want_invert(self) -> None:
        request, other = self.request(), self._second_request()
        if request is not None and other is not None:
            self.compare_wanted.emit((request, other))
        elif request is not None:
            self.invert_wanted.emit(request)

    def _want_toon(self) -> None:
        request = self.toon_request()
        if request is not None:
            self.invert_wanted.emit(request)

    def _second_request(self) -> InvertRequest | None:
        choice = self.second.choice if self._compare.isChecked() else None
        return None if choice is None else self._request(choice)

    def _show_second(self, is_wanted: bool) -> None:
        self.second.setVisible(is_wanted)
        self._update_state()
        if is_wanted:
            QTimer.singleShot(0, self, self._scroll_to_second)

    def _scroll_to_second(self) -> None:
        bar = self._scroll.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _suggest_second(self) -> None:
        """Begin a comparison with something else than what was chosen first."""
        first, second = self.first.choice, self.second.choice
        if first is None or second is None:
            return
        if (first.model.name, first.method.name) == (second.model.name, second.method.name):
            names = [one.name for one in second.model.methods]
            self.second.choose(method=next((name for name in ("hybrid", *names) if name in names), ""))

    def _toon_pair(self) -> tuple[str, str] | None:
        choice = self.first.choice
        return self._models.toon_pair("" if choice is None else choice.model.name)

    # --- state --------------------------------------------------------------------------------------

    def _update_state(self) -> None:
        found, is_aligned = self._found, self._aligned.isChecked()
        choice = self.first.choice
        is_face = choice is None or choice.model.needs_face or self._compare.isChecked()
        self._title.show_text("" if self._query is None else self._query.title)
        self._facts.setText(self._facts_text())
        has_moved = self._moved_points is not None
        self._canvas.show_faces(is_face and not is_aligned)
        self._by_hand.setEnabled(found is not None and not is_aligned)
        self._by_hand.setVisible(is_face and not has_moved)
        self._reset.setVisible(is_face and has_moved)
        self._aligned.setVisible(is_face)
        self._aligned.setEnabled(found is not None)
        is_broken = bool(self._problem.text()) and has_moved and not is_aligned
        self._problem.setVisible(is_broken)
        self._notice.setText(self._domain_notice())
        self._notice.setVisible(bool(self._notice.text()))
        is_ready = self.request() is not None and not is_broken
        is_pair = self._compare.isChecked()
        self._invert.setText(self.tr(" Invert both") if is_pair else self.tr(" Invert"))
        self._invert.setEnabled(is_ready and (not is_pair or self._second_request() is not None))
        self._show_toonify(is_broken)
        self._time.setText(self._time_text())

    def _show_toonify(self, is_broken: bool) -> None:
        pair = self._toon_pair()
        self._toonify.setVisible(pair is not None)
        self._toonify.setEnabled(self.toon_request() is not None and not is_broken)
        if pair is not None:
            titles = [one.title for name in pair if (one := self._models.model(name)) is not None]
            self._toonify.setToolTip(self.tr("“{}” finds the face, then “{}” restyles it").format(*titles))

    def _domain_notice(self) -> str:
        """A word when the model and the photo plainly do not belong together."""
        choice, found = self.first.choice, self._found
        if choice is None or found is None or choice.model.needs_face:
            return ""
        if not choice.model.domain:
            return self.tr(
                "This model does not say what it paints, so it gets the whole picture: give it one that is "
                "cut out as its training pictures were."
            )
        if not found.faces:
            return ""
        return self.tr(
            "The photo shows a face, but this model paints something else: {}. "
            "Choose a face model to rebuild the face."
        ).format(choice.model.domain_title)

    def _time_text(self) -> str:
        choices = [self.first.choice, self.second.choice if self._compare.isChecked() else None]
        known = [choice for choice in choices if choice is not None]
        if not known:
            return self.tr("There is no model that inverts faces. Import one on the models page.")
        refine = REFINE_ITERATIONS if self._refine.isChecked() else 0
        seconds = sum(choice.expected_s(refine) for choice in known)
        is_measured = all(choice.model.is_measured for choice in known)
        return self.tr("Will take {}.").format(time_text(seconds, is_measured=is_measured))

    def _facts_text(self) -> str:
        found = self._found
        if found is None:
            return ""
        size = f"{found.width_px} × {found.height_px}"
        choice = self.first.choice
        is_whole = choice is not None and not choice.model.needs_face
        if self._aligned.isChecked() or is_whole:
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
