"""Two photos side by side: how alike they are, where they match, and why."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.types import (
    ComparePhotosRequest,
    JobFailure,
    PhotoComparison,
    PhotoRow,
    PhotoSource,
    SharedColour,
    SimilarityPart,
)
from ui import texts
from ui.job_center import JobCenter
from ui.learning.compare_canvas import CompareCanvas, match_legend
from ui.learning.map_colours import GROUP_COLOURS
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, frame, label, row, separator
from ui.widgets.empty_state import EmptyState

_SIZE = QSize(1120, 730)
_LEAST = QSize(760, 520)
_FRAME = QSize(20, 50)  # what the system puts around a window
_PANEL_PX = 300
_LINE_PX = 38
_BAR_PX = 8
_LEGEND_PX = (110, 8)
_LEAST_PART = 1e-3


class CompareDialog(QDialog):
    """Asks for the comparison and shows it.

    Args:
        jobs: Answers requests.
        first: A photo of the library.
        second: Another one.
        parent: Window of the dialog.
    """

    def __init__(
        self, jobs: JobCenter, first: PhotoRow, second: PhotoRow, *, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._photos = (first, second)
        self._canvases = (CompareCanvas(), CompareCanvas())
        self._heat = button(self.tr("Where they match"), icon="heat")
        self._spots = button(self.tr("Matching places"), icon="point")
        self._legend = self._make_legend()
        self._similarity = label(role="title")
        self._reasons = label(wraps=True)
        self._no_maps = label(
            self.tr("This encoder has no maps of its features, so it cannot show where they match."),
            role="muted",
            wraps=True,
        )
        self._parts = _Bars()
        self._colours = _ColourBars()
        self._part_title = label(self.tr("WHAT THE SIMILARITY IS MADE OF"), role="section")
        self._colour_title = label(self.tr("SHARED COLOURS  (LEFT | RIGHT)"), role="section")
        self._build_ui()
        self._connect()
        request = ComparePhotosRequest(
            PhotoSource(photo_id=first.photo_id), PhotoSource(photo_id=second.photo_id)
        )
        self._handle = jobs.ask(request)
        self._handle.finished.connect(self._show_comparison)
        self._handle.failed.connect(self._show_failure)

    def _build_ui(self) -> None:
        self.setWindowTitle(self.tr("Compare two photos"))
        self.resize(self._fitting_size())
        self._message = EmptyState("compare", self.tr("Comparing …"))
        self._message.setAcceptDrops(False)
        body = QFrame()
        body.setLayout(self._body_layout())
        self._stack = QStackedWidget()
        self._stack.addWidget(self._message)
        self._stack.addWidget(body)
        self._close = button(self.tr("Close"))
        self._close.clicked.connect(self.accept)
        foot = row(None, self._close)
        foot.setContentsMargins(16, 10, 18, 12)
        whole = column(spacing=0)
        whole.addWidget(self._stack, 1)
        whole.addWidget(separator())
        whole.addLayout(foot)
        self.setLayout(whole)

    def _fitting_size(self) -> QSize:
        """No larger than the screen has room for, nor than the window it belongs to."""
        size = _SIZE.boundedTo(self.screen().availableSize() - _FRAME)
        parent = self.parentWidget()
        return size if parent is None else size.boundedTo(parent.window().size().expandedTo(_LEAST))

    def _body_layout(self) -> QVBoxLayout:
        for switch in (self._heat, self._spots):
            switch.setCheckable(True)
            switch.setChecked(True)
        pictures = row(spacing=10)
        for photo, canvas in zip(self._photos, self._canvases, strict=True):
            name = texts.name_text(photo.path)
            canvas.setAccessibleName(name)
            caption = label(name, role="muted")
            caption.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            side = column(spacing=4)
            side.addWidget(canvas, 1)
            side.addWidget(caption)
            pictures.addLayout(side, 1)
        left = column(spacing=10)
        left.addLayout(pictures, 1)
        left.addLayout(row(self._heat, self._spots, None, self._legend))
        left.setContentsMargins(16, 12, 12, 14)
        panel = frame("sidePanel")
        box = column(self._similarity, self._reasons, self._no_maps, separator(), spacing=10)
        for part in (self._part_title, self._parts, self._colour_title, self._colours):
            box.addWidget(part)
        box.addStretch(1)
        box.setContentsMargins(18, 18, 18, 14)
        panel.setLayout(box)
        line = row(spacing=0)
        line.addLayout(left, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFixedWidth(_PANEL_PX)
        scroll.setWidget(panel)
        line.addWidget(scroll)
        whole = column(spacing=0)
        whole.addLayout(line, 1)
        return whole

    def _make_legend(self) -> QFrame:
        scale = QLabel()
        scale.setPixmap(match_legend(*_LEGEND_PX))
        made = QFrame()
        line = row(label(self.tr("matches little"), role="value"), scale, spacing=8)
        line.addWidget(label(self.tr("well"), role="value"))
        made.setLayout(line)
        return made

    def _connect(self) -> None:
        self._heat.toggled.connect(self._choose_overlays)
        self._spots.toggled.connect(self._choose_overlays)
        for canvas in self._canvases:
            canvas.spot_pointed.connect(self._point_at)

    def _show_comparison(self, found: PhotoComparison) -> None:
        for number, canvas in enumerate(self._canvases):
            canvas.set_image(to_qimage(found.pictures[number]))
            spots = tuple((match.first, match.second)[number] for match in found.matches)
            heat = None if found.heats is None else found.heats[number]
            frame = None if found.part is None or found.part.inner == number else found.part.box
            canvas.set_findings(heat, spots, box=found.heat_boxes[number], frame=frame)
        has_maps = found.heats is not None
        self._similarity.setText(self.tr("Similarity {}").format(texts.similarity_text(found.similarity)))
        self._reasons.setText("\n\n".join(found.reasons))
        self._no_maps.setVisible(not has_maps)
        self._heat.setEnabled(has_maps)
        self._legend.setVisible(has_maps)
        self._spots.setEnabled(bool(found.matches))
        self._part_title.setVisible(bool(found.parts))
        self._parts.show_parts(found.parts)
        self._colour_title.setVisible(bool(found.colours))
        self._colours.show_colours(found.colours)
        self._stack.setCurrentIndex(1)

    def _show_failure(self, failure: JobFailure) -> None:
        self._message.set_message(failure.message, failure.hint, icon="error")

    def _choose_overlays(self, _is_on: bool) -> None:
        for canvas in self._canvases:
            canvas.set_shown(heat=self._heat.isChecked(), spots=self._spots.isChecked())

    def _point_at(self, number: int) -> None:
        for canvas in self._canvases:
            canvas.point_at(number)

    def done(self, result: int) -> None:
        """Forget an answer that is still on its way."""
        self._handle.cancel()
        super().done(result)


class _Bars(QWidget):
    """Parts of the similarity: each bar is full where two photos are equal, red where they differ."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: tuple[SimilarityPart, ...] = ()

    def show_parts(self, parts: tuple[SimilarityPart, ...]) -> None:
        """Show parts."""
        self._parts = parts
        self.setVisible(bool(parts))
        self.setFixedHeight(_LINE_PX * len(parts) + 2)
        words = ", ".join(f"{_part_text(part.name)} {_share_text(part)}" for part in parts)
        self.setAccessibleName(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        for number, part in enumerate(self._parts):
            top = number * _LINE_PX
            line = QRectF(0, top, self.width(), 20)
            painter.setPen(palette.color(QPalette.ColorRole.Text))
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft, _part_text(part.name))
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(line, Qt.AlignmentFlag.AlignRight, _share_text(part))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.AlternateBase))
            track = QRectF(0, top + 22, self.width(), _BAR_PX)
            painter.drawRoundedRect(track, 4, 4)
            role = QPalette.ColorRole.Accent if part.added >= 0 else QPalette.ColorRole.BrightText
            painter.setBrush(palette.color(role))
            width = track.width() * min(abs(part.added) / max(part.most, _LEAST_PART), 1.0)
            painter.drawRoundedRect(QRectF(0, top + 22, max(width, 2.0), _BAR_PX), 4, 4)
        painter.end()


class _ColourBars(QWidget):
    """Shared colours: how much of the left and of the right photo each takes."""

    def __init__(self) -> None:
        super().__init__()
        self._colours: tuple[SharedColour, ...] = ()

    def show_colours(self, colours: tuple[SharedColour, ...]) -> None:
        """Show colours."""
        self._colours = colours[: len(GROUP_COLOURS) // 2]
        self.setVisible(bool(colours))
        self.setFixedHeight(24 * len(self._colours) + 2)
        self.setAccessibleName(", ".join(colour.name for colour in self._colours))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a line for each colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        for number, colour in enumerate(self._colours):
            top = number * 24
            painter.setPen(palette.color(QPalette.ColorRole.Mid))
            painter.setBrush(QColor(*colour.rgb))
            painter.drawRoundedRect(QRectF(0.5, top + 3, 15, 15), 4, 4)
            painter.setPen(palette.color(QPalette.ColorRole.Text))
            line = QRectF(24, top, self.width() - 24, 21)
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, colour.name)
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            shares = f"{100 * colour.first_share:.0f} %  |  {100 * colour.second_share:.0f} %"
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shares)
        painter.end()


def _share_text(part: SimilarityPart) -> str:
    """What a part adds, and what it could add."""
    return f"{_no_minus_zero(part.added)} of {_no_minus_zero(part.most)}"


def _no_minus_zero(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def _part_text(name: str) -> str:
    """A part of the embedding as the user reads it."""
    if name == "colours":
        return "Fine shades"
    if name == "kinds of things":
        return "Kind of thing"
    number, _, total = name.removeprefix("stage ").partition(" of ")
    if number == total:
        return "Form and parts"
    if number == "1":
        return "Edges and texture"
    return "Patterns"
