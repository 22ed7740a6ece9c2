"""Two inversions of one face side by side: pictures, steps, one diagram, and a table of figures."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QFrame, QGridLayout, QWidget

from desktop_app.core.types import InversionResult, Measure, MeasureRequest, Measures
from ui import texts, theme
from ui.inversion.pair_chart import PairChart
from ui.inversion.run_column import RunColumn
from ui.job_center import JobCenter
from ui.widgets.controls import button, column, frame, label, restyle, row

_BOTTOM_PX = 176
_TABLE_PX = 400


class PairView(QFrame):
    """Two runs and how they compare.

    Signals:
        stop_wanted: The user wants no further step of either.
        chosen: The user goes on with a run (its number, 0 or 1).

    Args:
        jobs: Answers requests.
        parent: Qt owner.
    """

    stop_wanted = Signal()
    chosen = Signal(int)

    def __init__(self, jobs: JobCenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        palette = QApplication.palette()
        self._colours = (palette.color(QPalette.ColorRole.Accent), palette.color(theme.WARNING_ROLE))
        self.runs = (RunColumn(), RunColumn())
        self._measures: dict[int, tuple[Measure, ...]] = {}
        self._chart = PairChart(self._colours)
        self._headline = label(self.tr("Two methods, one face"), role="heading")
        self._table = QGridLayout()
        self._table_note = label(role="muted", wraps=True)
        self._build_ui()
        self._connect()

    def begin(self, titles: tuple[str, str]) -> None:
        """Make ready for two runs; titles name method and model."""
        self._measures.clear()
        for run, title, colour in zip(self.runs, titles, self._colours, strict=True):
            run.begin(title, colour)
        self._stop.show()
        self._show_runs()
        self._show_table()

    def finish(self, number: int, result: InversionResult) -> None:
        """A run is done: ask for its figures."""
        self.runs[number].finish(result)
        handle = self._jobs.ask(MeasureRequest(result.session_id))
        handle.finished.connect(self._take_measures)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self.setObjectName("page")
        self._stop = button(self.tr("Stop"), icon="close")
        self._by_time = button(self.tr("Over time"), tip=self.tr("Draw the diagram over seconds, not steps"))
        self._by_time.setCheckable(True)
        head = row(self._headline, None, self._stop, self._by_time, spacing=8)
        middle = row(*self.runs, spacing=22)
        for place in range(2):
            middle.setStretch(place, 1)
        chart = frame("card", column(self._chart, margin=4))
        inside = column(spacing=6)
        inside.setContentsMargins(14, 8, 14, 8)
        inside.addLayout(self._table)
        inside.addWidget(self._table_note)
        inside.addStretch(1)
        table = frame("card", inside)
        table.setFixedWidth(_TABLE_PX)
        table.setAccessibleName(self.tr("Figures of both runs"))
        for card in (chart, table):
            card.setMaximumHeight(_BOTTOM_PX)
        bottom = row(chart, table, spacing=16)
        bottom.setStretch(0, 1)
        box = column(spacing=10)
        box.setContentsMargins(18, 6, 16, 12)
        box.addLayout(head)
        box.addLayout(middle, 1)
        box.addLayout(bottom)
        self.setLayout(box)

    def _connect(self) -> None:
        self._stop.clicked.connect(self.stop_wanted)
        self._by_time.toggled.connect(self._chart.set_over_time)
        first, second = self.runs
        first.chosen.connect(self._choose_first)
        second.chosen.connect(self._choose_second)
        for run in self.runs:
            run.changed.connect(self._show_runs)

    def _choose_first(self) -> None:
        self.chosen.emit(0)

    def _choose_second(self) -> None:
        self.chosen.emit(1)

    # --- figures ------------------------------------------------------------------------------------

    def _show_runs(self) -> None:
        self._chart.set_runs(self.runs[0].steps, self.runs[1].steps)
        self._stop.setVisible(any(run.is_running for run in self.runs))

    def _take_measures(self, answer: Measures) -> None:
        for number, run in enumerate(self.runs):
            if run.result is not None and run.result.session_id == answer.session_id:
                self._measures[number] = answer.measures
        self._show_table()

    def _show_table(self) -> None:
        while (item := self._table.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        found = [{one.name: one for one in self._measures.get(number, ())} for number in range(2)]
        names = list(dict.fromkeys(name for one in found for name in one))
        self._table.addWidget(label(self.tr("LAST STEP"), role="section"), 0, 0)
        for number, run in enumerate(self.runs):
            head = label(run.title.partition("  ·  ")[0], role="section")
            self._table.addWidget(head, 0, number + 1, Qt.AlignmentFlag.AlignRight)
        for line, name in enumerate(names, start=1):
            self._table.addWidget(label(measure_text(name)), line, 0)
            pair = [one.get(name) for one in found]
            best = better_of(pair)
            for number, one in enumerate(pair):
                value = label("–" if one is None else value_text(one), role="best" if number == best else "")
                restyle(value)
                self._table.addWidget(value, line, number + 1, Qt.AlignmentFlag.AlignRight)
        self._table.setColumnStretch(0, 1)
        self._table.setHorizontalSpacing(18)
        notes = [one.note for pair in found for one in pair.values() if one.note]
        words = self.tr("Likeness is measured by {}.").format(notes[0]) if notes else ""
        self._table_note.setText(words or ("" if names else self.tr("They come when the runs are done.")))


def measure_text(name: str) -> str:
    """A measure as the user reads it."""
    return {
        "l2": "L2  ↓",
        "ms_ssim": "MS-SSIM  ↑",
        "lpips": "LPIPS  ↓",
        "identity": _tr("Likeness  ↑"),
        "seconds": _tr("Time  ↓"),
    }.get(name, name)


def value_text(measure: Measure) -> str:
    """Its value."""
    return texts.seconds_text(measure.value) if measure.name == "seconds" else f"{measure.value:.4f}"


def better_of(pair: list[Measure | None]) -> int:
    """Which of two figures is better, 0 or 1; -1 when that cannot be said."""
    first, second = pair
    if first is None or second is None or first.value == second.value:
        return -1
    return int((second.value > first.value) == first.is_higher_better)


def _tr(text: str) -> str:
    return QCoreApplication.translate("pair_view", text)
