"""Photos like one: the query, its neighbours with their similarity, and the cut-off."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import QFrame, QSlider, QStackedWidget, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import (
    HitKind,
    JobFailure,
    PhotoPreview,
    PhotoRow,
    PhotoSource,
    PreviewRequest,
    SearchRequest,
    SearchResult,
)
from desktop_app.worker.latest_only import LatestOnly
from ui import texts
from ui.catalogue.hit_list_model import HitListModel
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_view import PhotoView
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, frame, label, row, separator
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.empty_state import EmptyState
from ui.widgets.image_canvas import ImageCanvas

_PANEL_PX = 252
_LEAST_PICTURE_PX = 120
_PICTURE_FIRST = 100  # share of the height that is left, against 1 for the gap below
_STRIP_PX = 120
_TILE_INSET_PX = 5  # as far as tiles lie from the edge of their view
_QUERY_PX = 400
_SLIDER_PER_UNIT = 100
_SHOW_ALL = -1.0


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        source: The picture.
        title: Its name for the user.
        photo: The library's row of it, or None when it comes from outside.
    """

    source: PhotoSource
    title: str
    photo: PhotoRow | None = None


class SimilarView(QFrame):
    """Shows the answer to one query; remembers the queries before it.

    Signals:
        closed: The user wants to go back to the grid.
        preview_wanted: A hit is to be shown large (model, row number).
        invert_wanted: A face of the query is to be inverted (`Query`).
        photo_changed: Another photo is chosen (`PhotoRow` or None).

    Args:
        jobs: Answers searches.
        thumbnails: Where thumbnails come from.
        actions: What the context menus offer.
        parent: Qt owner.
    """

    closed = Signal()
    preview_wanted = Signal(object, object)
    invert_wanted = Signal(object)
    photo_changed = Signal(object)

    def __init__(
        self,
        jobs: JobCenter,
        thumbnails: ThumbnailCache,
        *,
        actions: PhotoActions,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._trail: list[Query] = []
        self._min_similarity: float | None = None
        self._top_k = 0
        self._searches = LatestOnly(jobs.ask, self)
        self._previews = LatestOnly(jobs.ask, self)
        self._serial = 0
        self._chosen: PhotoRow | None = None
        self._similar = HitListModel(thumbnails, self)
        self._duplicates = HitListModel(thumbnails, self)
        self._similar_grid = PhotoView(actions)
        self._similar_grid.choose_several()
        self._duplicate_strip = PhotoView(actions)
        self._build_panel()
        self._build_ui()
        self._connect()

    @property
    def query(self) -> Query | None:
        """What is looked for."""
        return self._trail[-1] if self._trail else None

    def search(self, query: Query) -> None:
        """Look for photos like another one; the query before stays reachable by "back"."""
        self._trail.append(query)
        self._start_query()

    def go_back(self) -> None:
        """Go to the query before, or close."""
        if self._trail:
            self._trail.pop()
        if self._trail:
            self._start_query()
        else:
            self._searches.cancel()
            self.closed.emit()

    def forget(self) -> None:
        """Drop all queries."""
        self._trail.clear()
        self._searches.cancel()

    def set_top_k(self, top_k: int) -> None:
        """Set how many neighbours are asked for."""
        self._top_k = top_k

    def set_thumbnail_px(self, side_px: int) -> None:
        """Set the size of the tiles."""
        self._similar_grid.set_thumbnail_px(side_px)

    def set_fills(self, fills: bool) -> None:
        """Fill tiles, or show whole pictures."""
        self._similar_grid.set_fills(fills)
        self._duplicate_strip.set_fills(fills)

    def selected_photos(self) -> tuple[PhotoRow, ...]:
        """The chosen neighbours, with the query where it is a photo of the library."""
        query = self.query.photo if self.query is not None else None
        found = dict.fromkeys(self._similar_grid.selected_photos())
        if query is not None:
            return (query, *(photo for photo in found if photo.photo_id != query.photo_id))
        return tuple(found)

    def current_photo(self) -> PhotoRow | None:
        """The chosen hit, or the query when it is a photo of the library."""
        if self._chosen is None and self.query is not None:
            return self.query.photo
        return self._chosen

    # --- building -----------------------------------------------------------------------------------

    def _build_panel(self) -> None:
        self._back = button(self.tr("Back"), icon="back", tip=self.tr("Back (Esc)"))
        self._canvas = ImageCanvas()
        self._title = ElidedLabel(role="heading")
        self._facts = label(role="muted", wraps=True)
        self._invert = button(self.tr("Invert a face"), icon="faces")
        self._cutoff = QSlider(Qt.Orientation.Horizontal)
        self._cutoff_text = label(role="value", wraps=True)
        self._automatic = button(self.tr("Choose automatically"), role="link")
        self._hidden_text = label(role="muted", wraps=True)
        self._show_hidden = button(self.tr("Show anyway"), role="link")

    def _build_ui(self) -> None:
        self.setObjectName("page")
        self._canvas.setMinimumHeight(_LEAST_PICTURE_PX)
        self._canvas.setMaximumHeight(_PANEL_PX - 40)
        self._canvas.setAccessibleName(self.tr("The picture that is looked for"))
        self._canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._cutoff.setRange(0, _SLIDER_PER_UNIT)
        self._cutoff.setPageStep(5)
        self._cutoff.setAccessibleName(self.tr("Least similarity"))
        self._cutoff.setToolTip(self.tr("Photos less similar than this are not shown"))
        panel = frame("sidePanel")
        panel.setFixedWidth(_PANEL_PX)
        box = column(self._back, self._canvas, self._title, self._facts, self._invert, 6, separator(), 6)
        for part in (label(self.tr("LEAST SIMILARITY"), role="section"), self._cutoff, self._cutoff_text):
            box.addWidget(part)
        box.addWidget(self._automatic)
        box.addSpacing(6)
        box.addWidget(self._hidden_text)
        box.addWidget(self._show_hidden)
        box.addStretch(1)
        box.setStretch(box.indexOf(self._canvas), _PICTURE_FIRST)
        box.setContentsMargins(14, 14, 14, 14)
        panel.setLayout(box)

        self._duplicate_title = label(role="heading")
        self._no_similar = label(self.tr("No other photo is similar enough."), role="muted")
        self._similar_title = label(role="heading")
        for words in (self._duplicate_title, self._similar_title, self._no_similar):
            words.setContentsMargins(_TILE_INSET_PX, 0, 0, 0)
        self._duplicate_strip.make_strip(_STRIP_PX)
        self._duplicate_strip.setModel(self._duplicates)
        self._duplicate_strip.setAccessibleName(self.tr("Near-duplicates"))
        self._similar_grid.setModel(self._similar)
        self._similar_grid.setAccessibleName(self.tr("Similar photos"))
        hits = QFrame()
        duplicates = (self._duplicate_title, self._duplicate_strip)
        similar = (self._similar_title, self._no_similar, self._similar_grid)
        hits.setLayout(column(*duplicates, *similar, spacing=6))
        self._message = EmptyState("similar", "")
        self._message.setAcceptDrops(False)
        self._stack = QStackedWidget()
        self._stack.addWidget(hits)
        self._stack.addWidget(self._message)
        main = row(panel, spacing=0)
        right = column(self._stack)
        right.setContentsMargins(12, 14, 10, 0)
        main.addLayout(right, 1)
        self.setLayout(main)

    def _connect(self) -> None:
        self._back.clicked.connect(self.go_back)
        self._invert.clicked.connect(self._want_invert)
        self._cutoff.valueChanged.connect(self._change_cutoff)
        self._automatic.clicked.connect(self._choose_automatically)
        self._show_hidden.clicked.connect(self._show_all)
        self._searches.answered.connect(self._show_result)
        self._searches.overtaken.connect(self._show_result)
        self._searches.failed.connect(self._show_failure)
        self._previews.answered.connect(self._show_preview)
        self._previews.failed.connect(self._miss_picture)
        self._similar_grid.opened.connect(self._open_similar)
        self._duplicate_strip.opened.connect(self._open_duplicate)
        for view in (self._similar_grid, self._duplicate_strip):
            view.photo_changed.connect(self._choose)

    # --- searching ----------------------------------------------------------------------------------

    def _start_query(self) -> None:
        query = self._trail[-1]
        self._min_similarity = None
        self._title.show_text(query.title, tip="" if query.photo is None else display_path(query.photo.path))
        self._facts.clear()
        self._canvas.set_image(None)
        self._invert.setEnabled(True)
        self._serial += 1
        if query.source.image is not None:
            self._canvas.set_image(to_qimage(query.source.image))
        else:
            self._previews.submit(PreviewRequest(query.source, _QUERY_PX, self._serial))
        self._message.set_message(self.tr("Looking for similar photos …"), "", icon="similar")
        self._stack.setCurrentWidget(self._message)
        self._show_cutoff_parts(False)
        self._ask()

    def _ask(self) -> None:
        query = self.query
        if query is None:
            return
        source = query.source
        self._searches.submit(
            SearchRequest(
                photo_id=source.photo_id,
                path=source.path,
                image=source.image,
                top_k=self._top_k,
                min_similarity=self._min_similarity,
            )
        )

    def _change_cutoff(self, value: int) -> None:
        self._min_similarity = value / _SLIDER_PER_UNIT
        self._ask()

    def _choose_automatically(self) -> None:
        self._min_similarity = None
        self._ask()

    def _show_all(self) -> None:
        self._min_similarity = _SHOW_ALL
        self._ask()

    def _show_result(self, result: SearchResult) -> None:
        if not self._trail:
            return
        self._choose(None)
        duplicates = tuple(hit for hit in result.hits if hit.kind is not HitKind.SIMILAR)
        similar = tuple(hit for hit in result.hits if hit.kind is HitKind.SIMILAR)
        self._duplicates.set_hits(duplicates)
        self._similar.set_hits(similar)
        self._duplicate_title.setText(self.tr("Near-duplicates  ·  {}").format(len(duplicates)))
        self._similar_title.setText(self.tr("Similar photos  ·  {}").format(len(similar)))
        for part in (self._duplicate_title, self._duplicate_strip):
            part.setVisible(bool(duplicates))
        self._no_similar.setVisible(not similar)
        if result.hits:
            self._stack.setCurrentIndex(0)
        else:
            self._say_nothing_found(result)
        self._show_facts(result)

    def _say_nothing_found(self, result: SearchResult) -> None:
        if result.searched == 0:
            text = self.tr("The library holds no other indexed photo yet.")
        else:
            text = self.tr(
                "None of {} is similar enough. Lower the least similarity to see the nearest ones."
            ).format(texts.photos_text(result.searched))
        self._message.set_message(self.tr("Nothing similar was found"), text, icon="search")
        self._stack.setCurrentWidget(self._message)

    def _show_facts(self, result: SearchResult) -> None:
        self._facts.setText(
            self.tr("Compared with {} in {}").format(
                texts.photos_text(result.searched), texts.seconds_text(result.seconds)
            )
        )
        shown = max(result.min_similarity, 0.0)
        self._cutoff.blockSignals(True)
        if not self._cutoff.isSliderDown():
            self._cutoff.setValue(round(shown * _SLIDER_PER_UNIT))
        self._cutoff.blockSignals(False)
        is_automatic = self._min_similarity is None
        self._cutoff_text.setText(
            self.tr("{} (chosen for your library)").format(texts.similarity_text(result.min_similarity))
            if is_automatic
            else (self.tr("everything is shown") if shown <= 0 else texts.similarity_text(shown))
        )
        self._show_cutoff_parts(True)
        self._automatic.setVisible(not is_automatic)
        self._hidden_text.setVisible(result.below_cutoff > 0)
        self._show_hidden.setVisible(result.below_cutoff > 0)
        self._hidden_text.setText(self.tr("{} more below the cut-off").format(result.below_cutoff))
        if result.query_thumbnail is not None and not self._canvas.has_image:
            self._canvas.set_image(to_qimage(result.query_thumbnail))

    def _show_cutoff_parts(self, are_known: bool) -> None:
        for part in (self._cutoff, self._cutoff_text):
            part.setEnabled(are_known)
        if not are_known:
            self._cutoff_text.clear()
            for hidden in (self._automatic, self._hidden_text, self._show_hidden):
                hidden.hide()

    def _show_failure(self, failure: JobFailure) -> None:
        self._message.set_message(failure.message, failure.hint, icon="error")
        self._stack.setCurrentWidget(self._message)

    def _show_preview(self, answer: PhotoPreview) -> None:
        if answer.serial == self._serial:
            self._canvas.set_image(to_qimage(answer.image))

    def _miss_picture(self, _failure: JobFailure) -> None:
        """A picture that cannot be read holds no face to invert either."""
        self._invert.setEnabled(False)

    def _choose(self, photo: PhotoRow | None) -> None:
        self._chosen = photo
        self.photo_changed.emit(self.current_photo())

    def _want_invert(self) -> None:
        self.invert_wanted.emit(self.query)

    def _open_similar(self, index: QModelIndex) -> None:
        self.preview_wanted.emit(self._similar, index.row())

    def _open_duplicate(self, index: QModelIndex) -> None:
        self.preview_wanted.emit(self._duplicates, index.row())
