"""See the space: the library as a map, coloured, with a lasso that leads to a grid."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QKeySequence,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFrame,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.map_types import LEAST_PHOTOS
from desktop_app.core.types import (
    ComputeMapRequest,
    JobFailure,
    LibraryMap,
    MapRequest,
    MapSketch,
    PhotoRow,
    PhotoRows,
    PhotosRequest,
    Progress,
)
from desktop_app.worker.job_handle import JobHandle
from desktop_app.worker.latest_only import LatestOnly
from ui import texts
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_view import PhotoView
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.learning.map_canvas import MapCanvas
from ui.learning.map_colours import OTHER_COLOUR, ColourBy, Colouring, colour
from ui.learning.map_legend import MapLegend
from ui.learning.map_photos import ChosenPhotoModel
from ui.widgets.controls import button, column, frame, label, row, separator, tool_button
from ui.widgets.empty_state import EmptyState

_PANEL_PX = 252
_CARD_PX, _SMALL_CARD_PX = 150, 72
_CARD_TEXT_PX = 44
_LOW_PX = 720
_TILE_PX = 150
_SKETCH_COLOUR = 0xFF000000 | OTHER_COLOUR


class MapPage(QFrame):
    """Legend and controls on the left, the map or the chosen photos on the right.

    Signals:
        similar_wanted: Photos like this one are wanted (`PhotoRow`).
        invert_wanted: A face of this photo is to be inverted (`PhotoRow`).
        notice: Something to tell the user (text, hint).

    Args:
        jobs: Answers requests.
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    similar_wanted = Signal(object)
    invert_wanted = Signal(object)
    notice = Signal(str, str)

    def __init__(self, jobs: JobCenter, thumbnails: ThumbnailCache, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._thumbnails = thumbnails
        self._map = LibraryMap(photos=0)
        self._colouring: Colouring | None = None
        self._run: JobHandle | None = None
        self._rows: dict[int, PhotoRow] = {}
        self._files: dict[Path, int] = {}
        self._hovered = -1
        self._loads = LatestOnly(jobs.ask, self)
        self._hovers = LatestOnly(jobs.ask, self)
        self._closeups = LatestOnly(jobs.ask, self)
        self._actions = PhotoActions(self)
        self._canvas = MapCanvas()
        self._legend = MapLegend()
        self._card = _PhotoCard()
        self._chosen = ChosenPhotoModel(jobs, thumbnails, self)
        self._grid = PhotoView(self._actions)
        self._build_parts()
        self._build_ui()
        self._connect()

    @property
    def photo_actions(self) -> PhotoActions:
        """What the context menus offer."""
        return self._actions

    # --- building -----------------------------------------------------------------------------------

    def _build_parts(self) -> None:
        self._by = QComboBox()
        self._by.setAccessibleName(self.tr("Colour by"))
        self._by.setToolTip(self.tr("What the colours of the points mean"))
        for by, text in (
            (ColourBy.CLUSTER, self.tr("Cluster")),
            (ColourBy.FOLDER, self.tr("Folder")),
            (ColourBy.DATE, self.tr("Date")),
            (ColourBy.CLASS, self.tr("Class")),
        ):
            self._by.addItem(text, by)
        self._lasso = button(self.tr("Choose by a line"), icon="lasso", tip=self.tr("Draw around photos (L)"))
        self._lasso.setCheckable(True)
        self._larger = tool_button("zoom_in", self.tr("Zoom in (+)"))
        self._smaller = tool_button("zoom_out", self.tr("Zoom out (-)"))
        self._fit = tool_button("reset", self.tr("Show the whole map (0)"))
        self._facts = label(role="muted", wraps=True)
        self._again = button(self.tr("Compute again"), icon="refresh", role="link")
        self._title = label(role="heading")
        self._back = button(self.tr("Back to the map"), icon="back", tip=self.tr("Back (Esc)"))
        self._grid.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._grid.set_thumbnail_px(_TILE_PX)
        self._grid.setModel(self._chosen)

    def _build_ui(self) -> None:
        self.setObjectName("page")
        panel = frame("sidePanel")
        panel.setFixedWidth(_PANEL_PX)
        box = column(label(self.tr("COLOUR BY"), role="section"), self._by, self._legend, spacing=8)
        box.setStretch(2, 1)
        box.addWidget(self._card)
        box.addWidget(separator())
        box.addWidget(self._facts)
        box.addWidget(self._again)
        box.setContentsMargins(14, 14, 14, 10)
        panel.setLayout(box)
        self._panel = panel
        start = button(self.tr("Compute the map"), icon="map", role="big")
        start.clicked.connect(self.compute)
        text = self.tr(
            "Photos that look alike come to lie together. It takes about a minute for a few thousand photos, "
            "runs in the background, and is kept; new photos are put beside their like."
        )
        self._empty = EmptyState("map", self.tr("See your library as a map"), text=text, buttons=(start,))
        self._message = EmptyState("map", "")
        retry = button(self.tr("Try again"), icon="refresh")
        retry.clicked.connect(self.compute)
        self._failed = EmptyState("error", "", buttons=(retry,))
        for state in (self._empty, self._message, self._failed):
            state.setAcceptDrops(False)
        self._shown = QFrame()
        self._shown.setLayout(self._map_layout())
        self._listed = QFrame()
        head = row(self._back, self._title, None, spacing=14)
        listed = column(spacing=8)
        listed.addLayout(head)
        listed.addWidget(self._grid, 1)
        listed.setContentsMargins(18, 12, 8, 0)
        self._listed.setLayout(listed)
        self._stack = QStackedWidget()
        for page in (self._message, self._empty, self._failed, self._shown, self._listed):
            self._stack.addWidget(page)
        main = row(panel, spacing=0)
        main.addWidget(self._stack, 1)
        self.setLayout(main)

    def _map_layout(self) -> QVBoxLayout:
        self._progress = label(role="muted")
        self._hint = label(
            self.tr("Wheel: zoom  ·  drag: move  ·  click: similar photos  ·  Shift and drag: choose"),
            role="value",
        )
        self._hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._hint.setContentsMargins(14, 4, 14, 8)
        head = row(self._lasso, self._progress, None, self._smaller, self._larger, self._fit)
        head.setContentsMargins(14, 10, 14, 0)
        box = column(spacing=0)
        box.addLayout(head)
        box.addWidget(self._canvas, 1)
        box.addWidget(self._hint)
        return box

    def _connect(self) -> None:
        self._by.currentIndexChanged.connect(self._recolour)
        self._legend.group_chosen.connect(self._highlight)
        self._lasso.toggled.connect(self._switch_lasso)
        self._larger.clicked.connect(self._zoom_in)
        self._smaller.clicked.connect(self._zoom_out)
        self._fit.clicked.connect(self._canvas.fit)
        self._again.clicked.connect(self.compute)
        self._back.clicked.connect(self._show_map)
        self._canvas.hovered.connect(self._hover)
        self._canvas.clicked.connect(self._open)
        self._canvas.lassoed.connect(self._list)
        self._canvas.pictures_wanted.connect(self._fetch_pictures)
        self._canvas.lasso_ended.connect(self._end_lasso)
        self._loads.answered.connect(self._take_map)
        self._loads.failed.connect(self._show_failure)
        self._hovers.answered.connect(self._take_hovered)
        self._closeups.answered.connect(self._take_rows)
        self._closeups.overtaken.connect(self._take_rows)
        self._thumbnails.ready.connect(self._show_thumbnail)
        self._actions.similar_wanted.connect(self.similar_wanted)
        self._actions.invert_wanted.connect(self.invert_wanted)
        self._actions.notice.connect(self._pass_notice)
        for keys, slot in (("L", self._lasso.toggle), ("Esc", self._step_back)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)
        self._show_message(self.tr("Opening the map …"))

    # --- map and states -----------------------------------------------------------------------------

    def load(self) -> None:
        """Ask for the stored map, with the photos that came since."""
        if self._run is None:
            self._loads.submit(MapRequest())

    def compute(self) -> None:
        """Compute the map anew, in the background."""
        if self._run is not None:
            return
        handle = self._jobs.follow(ComputeMapRequest(), self.tr("Computing the map"))
        handle.step.connect(self._show_sketch)
        handle.progress.connect(self._show_progress)
        handle.finished.connect(self._end_run)
        handle.failed.connect(self._fail_run)
        handle.cancelled.connect(self._cancel_run)
        self._run = handle
        self._again.setEnabled(False)
        if self._stack.currentWidget() in (self._empty, self._failed):
            self._show_message(self.tr("Computing the map …"))

    def _take_map(self, found: LibraryMap) -> None:
        self._map = found
        self._rows.clear()
        self._files.clear()
        has_points = len(found.photo_ids) > 0
        self._again.setEnabled(self._run is None and has_points)
        self._facts.setText(self._facts_text() if has_points else "")
        for part in (self._panel, self._lasso):
            part.setEnabled(has_points)
        self._panel.setVisible(has_points)
        self._canvas.set_points(found.places, np.full(len(found.places), _SKETCH_COLOUR, dtype=np.uint32))
        self._recolour()
        if self._run is not None:
            return
        if has_points:
            if self._stack.currentWidget() is not self._listed:
                self._show_map()
        elif found.photos < LEAST_PHOTOS:
            text = self.tr("A map needs at least {}; the library holds {}.")
            text = text.format(texts.photos_text(LEAST_PHOTOS), texts.photos_text(found.photos))
            self._show_message(self.tr("Too few photos for a map"), text)
        else:
            self._stack.setCurrentWidget(self._empty)

    def _facts_text(self) -> str:
        text = self.tr("{} on the map.").format(texts.photos_text(len(self._map.photo_ids)))
        if self._map.placed:
            placed = texts.photos_text(self._map.placed)
            text += " " + self.tr("{} of them came later and lie beside their like.").format(placed)
        return text

    def _show_map(self) -> None:
        self._stack.setCurrentWidget(self._shown)
        self._canvas.setFocus()

    def _show_message(self, title: str, text: str = "") -> None:
        self._message.set_message(title, text, icon="map")
        self._stack.setCurrentWidget(self._message)

    def _show_failure(self, failure: JobFailure) -> None:
        self._failed.set_message(failure.message, failure.hint, icon="error")
        self._stack.setCurrentWidget(self._failed)

    def _show_sketch(self, sketch: object) -> None:
        if isinstance(sketch, MapSketch) and self._stack.currentWidget() is not self._listed:
            colours = np.full(len(sketch.places), _SKETCH_COLOUR, dtype=np.uint32)
            self._canvas.set_points(sketch.places, colours, keep_view=True)
            self._panel.setEnabled(False)
            self._lasso.setEnabled(False)
            self._canvas.setEnabled(False)
            self._stack.setCurrentWidget(self._shown)

    def _show_progress(self, progress: Progress) -> None:
        share = progress.done / progress.total if progress.total else 0.0
        self._progress.setText(self.tr("{} … {} %").format(progress.text, round(100 * share)))

    def _end_run(self, answer: LibraryMap) -> None:
        self._run = None
        self._progress.clear()
        self._canvas.setEnabled(True)
        self._take_map(answer)

    def _fail_run(self, failure: JobFailure) -> None:
        self._cancel_run()
        self._show_failure(failure)

    def _cancel_run(self) -> None:
        self._run = None
        self._progress.clear()
        self._canvas.setEnabled(True)
        self._take_map(self._map)
        self.load()

    # --- colours ------------------------------------------------------------------------------------

    def _recolour(self, _index: object = None) -> None:
        self._colouring = colour(self._map, ColourBy(self._by.currentData()))
        self._canvas.set_colours(self._colouring.colours)
        self._legend.show_colouring(self._colouring)

    def _highlight(self, number: int) -> None:
        if self._colouring is not None:
            members = self._colouring.groups[number].members if number >= 0 else None
            self._canvas.set_colours(self._colouring.colours, members)

    # --- pointing -----------------------------------------------------------------------------------

    def _switch_lasso(self, is_on: bool) -> None:
        if is_on:
            self._canvas.start_lasso()
        else:
            self._canvas.stop_lasso()

    def _end_lasso(self) -> None:
        self._lasso.setChecked(False)

    def _zoom_in(self) -> None:
        self._canvas.zoom_by(1.6)

    def _zoom_out(self) -> None:
        self._canvas.zoom_by(1 / 1.6)

    def _hover(self, number: int) -> None:
        self._hovered = number
        if number < 0:
            self._card.clear()
        elif number in self._rows:
            self._show_card(self._rows[number])
        else:
            self._hovers.submit(PhotosRequest((self._id(number),)))

    def _take_hovered(self, answer: PhotoRows) -> None:
        self._remember(answer)
        row_of = self._rows.get(self._hovered)
        if row_of is not None:
            self._show_card(row_of)

    def _show_card(self, photo: PhotoRow) -> None:
        pixmap = None if photo.thumbnail is None else self._thumbnails.pixmap(photo.thumbnail)
        self._card.show_photo(photo, pixmap)

    def _open(self, number: int) -> None:
        photo = self._rows.get(number)
        if photo is not None:
            self.similar_wanted.emit(photo)

    def _list(self, numbers: np.ndarray) -> None:
        if not len(numbers):
            self.notice.emit(self.tr("No photo lies inside the line."), "")
            return
        self._chosen.set_ids(tuple(int(i) for i in self._map.photo_ids[numbers]))
        self._title.setText(self.tr("{} chosen on the map").format(texts.photos_text(len(numbers))))
        self._stack.setCurrentWidget(self._listed)
        self._grid.setFocus()

    def _step_back(self) -> None:
        if self._stack.currentWidget() is self._listed:
            self._show_map()
        else:
            self._canvas.stop_lasso()

    # --- close-ups ----------------------------------------------------------------------------------

    def _fetch_pictures(self, numbers: list[int]) -> None:
        if self._run is not None:
            return
        unknown = [number for number in numbers if number not in self._rows]
        if unknown:
            self._closeups.submit(PhotosRequest(tuple(self._id(number) for number in unknown)))
        self._give_pictures([number for number in numbers if number in self._rows])

    def _take_rows(self, answer: PhotoRows) -> None:
        self._give_pictures(self._remember(answer))

    def _remember(self, answer: PhotoRows) -> list[int]:
        known = []
        for photo in answer.rows:
            number = int(np.argmax(self._map.photo_ids == photo.photo_id))
            self._rows[number] = photo
            known.append(number)
        return known

    def _give_pictures(self, numbers: list[int]) -> None:
        for number in numbers:
            file = self._rows[number].thumbnail
            if file is None or self._canvas.has_picture(number):
                continue
            self._files[file] = number
            pixmap = self._thumbnails.pixmap(file)
            if pixmap is not None:
                self._canvas.set_picture(number, pixmap)

    def _show_thumbnail(self, file: Path) -> None:
        number = self._files.pop(file, None)
        if number is not None and number < len(self._map.photo_ids):
            pixmap = self._thumbnails.pixmap(file)
            if pixmap is not None:
                self._canvas.set_picture(number, pixmap)
        if self._hovered in self._rows and self._rows[self._hovered].thumbnail == file:
            self._show_card(self._rows[self._hovered])

    def _id(self, number: int) -> int:
        return int(self._map.photo_ids[number])

    def _pass_notice(self, text: str) -> None:
        self.notice.emit(text, "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a low window the legend needs the room more than the photo under the pointer."""
        super().resizeEvent(event)
        is_low = event.size().height() < _LOW_PX
        self._card.set_picture_px(_SMALL_CARD_PX if is_low else _CARD_PX)

    def showEvent(self, event: QShowEvent) -> None:
        """Load when shown, so that new photos and marks are seen."""
        super().showEvent(event)
        self.load()


class _PhotoCard(QWidget):
    """The photo under the pointer: picture, name, date."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap: QPixmap | None = None
        self._lines = ("", "")
        self.set_picture_px(_CARD_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Photo under the pointer"))

    def set_picture_px(self, side_px: int) -> None:
        """Set the height of the picture."""
        self._side_px = side_px
        self.setFixedHeight(side_px + _CARD_TEXT_PX)
        self.update()

    def show_photo(self, photo: PhotoRow, pixmap: QPixmap | None) -> None:
        """Show a photo."""
        taken = time.strftime("%Y-%m-%d %H:%M", time.localtime(photo.modified_at))
        self._pixmap, self._lines = pixmap, (texts.name_text(photo.path), taken)
        self.setAccessibleDescription(" ".join(self._lines))
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._pixmap, self._lines = None, ("", "")
        self.update()

    def sizeHint(self) -> QSize:
        """As high as a picture and two lines."""
        return QSize(_PANEL_PX, self._side_px + _CARD_TEXT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture and lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(0, 0, self.width(), self._side_px)
        if self._pixmap is not None and not self._pixmap.isNull():
            size = self._pixmap.size().scaled(box.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
            target = QRectF(0, 0, size.width(), size.height())
            target.moveCenter(box.center())
            path = QPainterPath()
            path.addRoundedRect(target, 8, 8)
            painter.setClipPath(path)
            painter.drawPixmap(target, self._pixmap, QRectF(self._pixmap.rect()))
            painter.setClipping(False)
        palette, metrics = self.palette(), painter.fontMetrics()
        for number, (text, role) in enumerate(zip(self._lines, ("text", "muted"), strict=True)):
            painter.setPen(palette.text().color() if role == "text" else palette.placeholderText().color())
            line = QRectF(0, self._side_px + 4 + 19 * number, self.width(), 19)
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, self.width())
            painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, shown)
        painter.end()
