"""Learn from your photos: choose what is alike, watch, compare, keep or discard, switch and go back."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.types import (
    DiscardTuningRequest,
    EncoderSwitched,
    JobFailure,
    KeepTuningRequest,
    KeptTuning,
    MarkedGroup,
    MarkedGroups,
    Progress,
    SwitchEncoderRequest,
    TuneOptions,
    TuneOptionsRequest,
    TuneRequest,
    TuneResult,
    TuneStep,
)
from desktop_app.worker.job_handle import JobHandle
from ui import texts
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.learning.alike_panel import AlikePanel
from ui.learning.curve_chart import CurveChart
from ui.learning.encoder_panel import EncoderPanel
from ui.learning.group_list import GroupList
from ui.learning.group_marking import GroupMarking
from ui.learning.probe_list import ProbeList
from ui.widgets.controls import button, column, frame, label, row, separator
from ui.widgets.elided_combo import ElidedCombo

_SIDE_PX = 372


class TunePage(QFrame):
    """Tuning of the encoder on the user's library.

    Signals:
        encoder_switched: Another encoder is searched with now (`EncoderSwitched`).
        notice: Something to tell the user (text, hint).
        models_changed: A model was written.

    Args:
        jobs: Answers requests.
        thumbnails: Where thumbnails come from.
        marking: Changes the marked groups.
        parent: Qt owner.
    """

    encoder_switched = Signal(object)
    notice = Signal(str, str)
    models_changed = Signal()

    def __init__(
        self,
        jobs: JobCenter,
        thumbnails: ThumbnailCache,
        *,
        marking: GroupMarking,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._marking = marking
        self._options: TuneOptions | None = None
        self._run: JobHandle | None = None
        self._keeping: JobHandle | None = None
        self._steps: list[TuneStep] = []
        self._failure = ""
        self._load_failure = ""
        self._alike = AlikePanel()
        self._encoders = EncoderPanel()
        self._groups = GroupList(thumbnails)
        self._probes = ProbeList(thumbnails)
        self._build_controls()
        self._build_ui()
        self._connect()
        self._show_curves()
        self._show_result(None)
        self._show_state()

    def load(self) -> None:
        """Ask what can be learned from."""
        handle = self._jobs.ask(TuneOptionsRequest())
        handle.finished.connect(self._take_options)
        handle.failed.connect(self._take_failure)

    # --- building -------------------------------------------------------------------------------------

    def _build_controls(self) -> None:
        self._start = button(
            self.tr("Start"), icon="play", role="primary", tip=self.tr("Learn from the choices")
        )
        self._stop = button(self.tr("Stop"), icon="close", tip=self.tr("It can go on later"))
        self._resume = button(self.tr("Go on"), icon="play", role="primary")
        self._discard = button(self.tr("Discard"), icon="remove")
        self._discard_stopped = button(
            self.tr("Discard"), icon="remove", tip=self.tr("Forget the stopped tuning")
        )
        self._keep = button(
            self.tr("Keep …"), icon="check", role="primary", tip=self.tr("Becomes an encoder of its own")
        )
        self._base = ElidedCombo(self.tr("It stays as it is; the tuned one stands beside it"))
        self._base.setAccessibleName(self.tr("Encoder to tune"))
        self._layers = QCheckBox(self.tr("Change its last layers too"))
        self._layers.setAccessibleName(self._layers.text())
        self._layers.setToolTip(
            self.tr("Slower: some minutes, longer for large libraries; every photo is embedded anew")
        )
        self._state = label(role="muted", wraps=True)
        self._alarm = label(role="problem", wraps=True)
        self._agreement = label(role="muted", wraps=True)
        self._loss = CurveChart(self.tr("Loss"), self.tr("What the training lowers"))
        self._near = CurveChart(
            self.tr("Alignment"),
            self.tr("Mean squared distance of what is alike, 0 to 4: lower means nearer together"),
        )
        self._even = CurveChart(
            self.tr("Uniformity"),
            self.tr("How evenly all photos spread: lower is more even, near 0 means that they run together"),
        )

    def _build_ui(self) -> None:
        self.setObjectName("page")
        intro = label(
            self.tr(
                "Show the program what you call alike. It tunes the encoder of the search on your own "
                "photos, on this machine; nothing changes before you keep the result and switch to it."
            ),
            role="muted",
            wraps=True,
        )
        left = column(label(self.tr("Learn"), role="title"), intro, 6, spacing=8)
        left.addWidget(label(self.tr("WHAT COUNTS AS ALIKE"), role="section"))
        left.addWidget(self._alike)
        left.addWidget(label(self.tr("ENCODER TO TUNE"), role="section"))
        left.addWidget(self._base)
        left.addWidget(self._layers)
        left.addSpacing(4)
        left.addLayout(row(self._start, self._resume, self._stop, None))
        left.addWidget(self._state)
        left.addWidget(self._discard_stopped, 0, Qt.AlignmentFlag.AlignLeft)
        left.addSpacing(4)
        left.addWidget(separator())
        left.addSpacing(4)
        left.addWidget(label(self.tr("SEARCH WITH"), role="section"))
        left.addWidget(self._encoders)
        left.addStretch(1)
        left.setContentsMargins(22, 18, 18, 16)
        choices = _scrolled(frame("sidePanel", left), width_px=_SIDE_PX)
        choices.setAccessibleName(self.tr("What is learned from"))
        outcome = _scrolled(self._build_right())
        outcome.setAccessibleName(self.tr("Training and its result"))
        main: QHBoxLayout = row(spacing=0)
        main.addWidget(choices)
        main.addWidget(outcome, 1)
        self.setLayout(main)

    def _build_right(self) -> QFrame:
        charts = row(self._loss, self._near, self._even, spacing=10)
        self._training = QFrame()
        self._training.setLayout(_section(label(self.tr("Training"), role="heading"), charts, self._alarm))
        head = row(
            label(self.tr("Neighbours before and after"), role="heading"), None, self._discard, self._keep
        )
        self._results = QFrame()
        self._results.setLayout(_section(head, self._agreement, self._probes))
        groups = _section(label(self.tr("Marked groups"), role="heading"), self._groups)
        box = column(self._training, self._results, spacing=22)
        box.addLayout(groups)
        box.addStretch(1)
        box.setContentsMargins(24, 20, 22, 18)
        made = QFrame()
        made.setObjectName("page")
        made.setLayout(box)
        return made

    def _connect(self) -> None:
        self._start.clicked.connect(self._begin)
        self._resume.clicked.connect(self._go_on)
        self._stop.clicked.connect(self._end)
        for discard in (self._discard, self._discard_stopped):
            discard.clicked.connect(self._forget)
        self._keep.clicked.connect(self._ask_title)
        self._alike.changed.connect(self._change_alike)
        self._encoders.switch_wanted.connect(self._switch)
        self._groups.remove_wanted.connect(self._unmark)
        self._marking.changed.connect(self._take_groups)

    # --- options --------------------------------------------------------------------------------------

    def _take_options(self, options: TuneOptions) -> None:
        self._options = options
        self._load_failure = ""
        self._alike.set_choices(options.choices)
        self._encoders.set_options(options)
        self._offer_bases(options)
        self._groups.set_groups(options.groups)
        if self._run is None:
            self._steps = list(options.result.steps) if options.result is not None else self._steps
            if options.result is None and not options.stopped_of:
                self._steps = []
            self._show_result(options.result)
        self._show_curves()
        self._show_state()

    def _take_groups(self, answer: MarkedGroups) -> None:
        self._groups.set_groups(answer.groups)
        if self.isVisible():
            self.load()

    def _change_alike(self) -> None:
        self._failure = ""
        self._show_state()

    def _take_failure(self, failure: JobFailure) -> None:
        self._load_failure = f"{failure.message} {failure.hint}".strip()
        self._show_state()

    def _unmark(self, group: MarkedGroup) -> None:
        self._marking.unmark(group.photos)

    # --- a tuning -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        chosen = self._alike.chosen()
        if chosen and self._run is None:
            base, changes_layers = str(self._base.currentData() or ""), self._layers.isChecked()
            self._follow(TuneRequest(alike=chosen, encoder=base, changes_layers=changes_layers))

    def _go_on(self) -> None:
        if self._run is None:
            self._follow(TuneRequest(resume=True))

    def _follow(self, request: TuneRequest) -> None:
        self._steps = []
        self._failure = ""
        self._show_result(None)
        self._run = self._jobs.follow(request, self.tr("Learning from your photos"))
        self._run.progress.connect(self._take_progress)
        self._run.step.connect(self._take_step)
        self._run.finished.connect(self._take_result)
        self._run.failed.connect(self._take_run_failure)
        self._run.cancelled.connect(self._take_stop)
        self._show_curves()
        self._show_state()

    def _end(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self._stop.setEnabled(False)
            self._state.setText(self.tr("Stopping after this step …"))

    def _take_progress(self, progress: Progress) -> None:
        text = progress.text
        if progress.total:
            text += f"  {texts.count_text(progress.done)} / {texts.count_text(progress.total)}"
        if progress.left_s is not None:
            text += f"  ·  {texts.left_text(progress.left_s)}"
        self._state.setText(text)

    def _take_step(self, message: object) -> None:
        if isinstance(message, TuneStep):
            self._steps.append(message)
            self._show_curves()

    def _take_result(self, result: TuneResult) -> None:
        self._run = None
        self._steps = list(result.steps)
        self._show_result(result)
        self._show_curves()
        self.load()

    def _take_run_failure(self, failure: JobFailure) -> None:
        self._run = None
        self._failure = f"{failure.message} {failure.hint}".strip()
        self._show_state()
        self.load()

    def _take_stop(self) -> None:
        self._run = None
        self.load()

    def _forget(self) -> None:
        self._failure = ""
        handle = self._jobs.submit(DiscardTuningRequest())
        handle.finished.connect(self._take_options)

    def _offer_bases(self, options: TuneOptions) -> None:
        """Encoders that can be tuned; the one in use first, or what it stands on when it is tuned itself."""
        bases = [encoder for encoder in options.encoders if not encoder.base]
        used = next((encoder for encoder in options.encoders if encoder.name == options.used), None)
        wanted = self._base.currentData() or (used.base or used.name if used is not None else "")
        self._base.clear()
        for encoder in bases:
            self._base.addItem(encoder.title, encoder.name)
        self._base.setCurrentIndex(max(0, self._base.findData(wanted)))

    # --- keeping and switching ------------------------------------------------------------------------

    def _ask_title(self) -> None:
        title, is_agreed = QInputDialog.getText(
            self, self.tr("Keep the tuned encoder"), self.tr("Its name (may stay empty):")
        )
        if is_agreed:
            self.keep(title.strip())

    def keep(self, title: str) -> None:
        """Keep the finished tuning and compute its embeddings in the background."""
        self._keeping = self._jobs.follow(KeepTuningRequest(title), self.tr("Keeping the tuned encoder"))
        self._keeping.finished.connect(self._take_kept)
        self._keeping.failed.connect(self._end_keeping)
        self._keeping.cancelled.connect(self._end_keeping)
        self._show_state()

    def _take_kept(self, kept: KeptTuning) -> None:
        self._end_keeping()
        self.models_changed.emit()
        self.notice.emit(
            self.tr("Kept: {}.").format(kept.title),
            self.tr("The search is as before until you switch to it on the left."),
        )

    def _end_keeping(self, _ending: object = None) -> None:
        self._keeping = None
        self.load()

    def _switch(self, name: str) -> None:
        handle = self._jobs.submit(SwitchEncoderRequest(name))
        handle.finished.connect(self._take_switch)

    def _take_switch(self, answer: EncoderSwitched) -> None:
        self.encoder_switched.emit(answer)
        self.load()

    # --- what is shown --------------------------------------------------------------------------------

    def _show_curves(self) -> None:
        planned = self._steps[-1].steps if self._steps else 2
        is_alarmed = bool(self._steps) and self._steps[-1].is_collapsed
        for chart, values in (
            (self._loss, [step.loss for step in self._steps]),
            (self._near, [step.alignment for step in self._steps]),
            (self._even, [step.uniformity for step in self._steps]),
        ):
            chart.set_values(values, planned=planned)
            chart.set_alarmed(is_alarmed and chart is self._even)
        self._alarm.setText(
            self.tr("Collapse: the photos run together to a point. Stop, and choose other photos as alike.")
            if is_alarmed
            else ""
        )
        self._alarm.setVisible(is_alarmed)
        self._training.setVisible(bool(self._steps) or self._run is not None)

    def _show_result(self, result: TuneResult | None) -> None:
        self._results.setVisible(result is not None)
        self._probes.set_probes(result.probes if result is not None else ())
        text = ""
        if result is not None:
            text = self.tr("Framed photos are new among the neighbours.")
            before, after = result.agreement_before, result.agreement_after
            if before is not None and after is not None:
                text += " " + self.tr(
                    "Photos of one set rank one another at {:.0f} % of the best order, before {:.0f} %; the "
                    "sets were learned from, so judge by the neighbours."
                ).format(100 * after, 100 * before)
        self._agreement.setText(text)

    def _show_state(self) -> None:
        options, is_running = self._options, self._run is not None
        is_keeping = self._keeping is not None
        is_stopped = options is not None and options.stopped_of > 0 and not is_running
        is_finished = options is not None and options.result is not None and not is_running
        has_photos = options is not None and options.photos > 0
        self._alike.set_locked(is_running)
        self._layers.setEnabled(not is_running)
        self._base.setEnabled(not is_running and self._base.count() > 0)
        self._start.setVisible(not is_running)
        self._start.setText(" " + (self.tr("Start anew") if is_stopped or is_finished else self.tr("Start")))
        self._start.setEnabled(has_photos and bool(self._alike.chosen()) and not is_keeping)
        self._resume.setVisible(is_stopped)
        self._stop.setVisible(is_running)
        self._stop.setEnabled(is_running)
        self._keep.setEnabled(is_finished and not is_keeping)
        self._discard.setEnabled(is_finished and not is_keeping)
        self._discard_stopped.setVisible(is_stopped)
        self._discard_stopped.setEnabled(not is_keeping)
        self._encoders.set_locked(is_keeping)
        if not is_running:
            self._state.setText(self._told(options))

    def _told(self, options: TuneOptions | None) -> str:
        if self._failure or self._load_failure:
            return self._failure or self._load_failure
        if options is None:
            return self.tr("Looking at the library …")
        if not options.photos:
            return self.tr("The library is empty. Add a folder of photos first.")
        if options.stopped_of and not options.stopped_at:
            return self.tr("Stopped before the first step; it can go on.")
        if options.stopped_of:
            return self.tr("Stopped at step {} of {}; it can go on.").format(
                options.stopped_at, options.stopped_of
            )
        if options.result is not None:
            return self.tr("Learned in {}. Keep or discard it on the right.").format(
                texts.seconds_text(options.result.seconds)
            )
        if not self._alike.chosen():
            return self.tr("Choose at least one kind.")
        return self.tr("Takes seconds to minutes: photos are looked at once, then only their numbers change.")

    # --- Qt -------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Look again at the library whenever the page comes into view."""
        super().showEvent(event)
        self.load()


def _scrolled(widget: QWidget, *, width_px: int = 0) -> QScrollArea:
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    if width_px:
        scroll.setFixedWidth(width_px)
    scroll.setWidget(widget)
    return scroll


def _section(*parts: QWidget | QHBoxLayout) -> QVBoxLayout:
    box = column(spacing=10)
    for part in parts:
        if isinstance(part, QWidget):
            box.addWidget(part)
        else:
            box.addLayout(part)
    return box
