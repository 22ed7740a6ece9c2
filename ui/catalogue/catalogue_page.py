"""The library page: folders on the left; grid, similar photos or one large photo on the right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QMessageBox,
    QSizePolicy,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.errors import display_path
from desktop_app.core.types import (
    FileProblem,
    IndexRequest,
    IndexSummary,
    JobFailure,
    LibraryOverview,
    LibraryRequest,
    PageRequest,
    PhotoBatch,
    PhotoOrder,
    PhotoRow,
    PhotoSource,
    RemoveFolderRequest,
)
from desktop_app.worker.job_handle import JobHandle
from ui import file_dialogs, texts
from ui.catalogue.folder_panel import FolderPanel
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_list_model import PhotoListModel
from ui.catalogue.photo_model import PhotoModel
from ui.catalogue.photo_view import PhotoView
from ui.catalogue.preview_view import PreviewView
from ui.catalogue.problems_dialog import ProblemsDialog
from ui.catalogue.similar_view import Query, SimilarView
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.qt_image import from_qimage
from ui.widgets.controls import button, column, row, tool_button
from ui.widgets.count_label import CountLabel
from ui.widgets.drop_area import DropArea, Offered
from ui.widgets.empty_state import EmptyState

_REFRESH_MS = 700
_TILE_RANGE_PX = (90, 320)
_TILE_PX = 168


class CataloguePage(DropArea):
    """Browsing and searching the library.

    Signals:
        invert_wanted: A face of a picture is to be inverted (`Query`).
        person_wanted: More photos of the person in a photo are wanted (`PhotoRow`).
        status_changed: What the library holds, as text.
        notice: Something to tell the user (text, hint).
        together_wanted: Photos are to be marked as belonging together (tuple of `PhotoRow`).

    Args:
        jobs: Answers requests.
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    invert_wanted = Signal(object)
    person_wanted = Signal(object)
    status_changed = Signal(str)
    notice = Signal(str, str)
    together_wanted = Signal(object)

    def __init__(self, jobs: JobCenter, thumbnails: ThumbnailCache, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._thumbnails = thumbnails
        self._overview: LibraryOverview | None = None
        self._run_problems: tuple[FileProblem, ...] = ()
        self._index_runs: list[JobHandle] = []
        self._has_added = False
        self._chosen: PhotoRow | None = None
        self._preview_from: QWidget | None = None
        self._model = PhotoListModel(jobs, thumbnails, self)
        self._actions = PhotoActions(self)
        self._grid = PhotoView(self._actions)
        self._similar = SimilarView(jobs, thumbnails, actions=self._actions)
        self._preview = PreviewView(jobs)
        self._folders = FolderPanel()
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(_REFRESH_MS)
        self._build_ui()
        self._connect()

    @property
    def photo_actions(self) -> PhotoActions:
        """What the context menus offer."""
        return self._actions

    def searched_photo(self) -> PhotoRow | None:
        """The photo of the library whose neighbours are on the screen, or None."""
        query = self._similar.query
        is_shown = self._stack.currentWidget() is self._similar
        return query.photo if is_shown and query is not None else None

    # --- what the main window calls -------------------------------------------------------------------

    def load(self) -> None:
        """Ask what the library holds, show it, and look for new photos."""
        self._show_message("library", self.tr("Opening the library …"), "")
        handle = self._jobs.ask(LibraryRequest())
        handle.finished.connect(self._open_library)
        handle.failed.connect(self._show_library_failure)

    def add_folder(self) -> None:
        """Let the user choose a folder to add."""
        folder = file_dialogs.choose_folder(self)
        if folder is not None:
            self.index((folder,))

    def rescan(self) -> None:
        """Look for new and changed photos in all folders."""
        if self._overview is None or not self._overview.folders or self._index_runs:
            return
        self.index(())

    def index(self, folders: tuple[Path, ...]) -> None:
        """Index folders, or all of the library."""
        title = self.tr("Adding photos") if folders else self.tr("Looking for new photos")
        handle = self._jobs.follow(IndexRequest(folders), title)
        handle.step.connect(self._take_batch)
        handle.finished.connect(self._end_index)
        handle.failed.connect(self._end_index)
        handle.cancelled.connect(self._end_index)
        self._index_runs.append(handle)
        self._has_added = self._has_added or bool(folders)
        self._folders.set_indexing(True)
        self._show_grid_state()

    def open_picture(self) -> None:
        """Let the user choose a picture to look for."""
        path = file_dialogs.choose_picture(self)
        if path is not None:
            self.search_path(path)

    def search_path(self, path: Path) -> None:
        """Look for photos like a file."""
        self.search(Query(PhotoSource(path=path), texts.name_text(path)))

    def take(self, offered: Offered) -> None:
        """Take what was dropped or pasted: folders are added, a picture is looked for."""
        if offered.folders:
            self.index(offered.folders)
            if offered.files:
                self.notice.emit(
                    self.tr("The folder is added; the pictures beside it are not."),
                    self.tr("Drop a picture alone to look for photos like it."),
                )
        elif offered.files:
            self.search_path(offered.files[0])
            if len(offered.files) > 1:
                self.notice.emit(
                    self.tr("Only the first of {} files is looked for.").format(len(offered.files)),
                    self.tr("Drop their folder to add them all to the library."),
                )
        elif offered.picture is not None:
            image = from_qimage(offered.picture)
            self.search(Query(PhotoSource(image=image), self.tr("Pasted picture")))

    def search(self, query: Query) -> None:
        """Look for photos like a picture."""
        self._similar.search(query)
        self._stack.setCurrentWidget(self._similar)

    def search_photo(self, photo: PhotoRow) -> None:
        """Look for photos like one of the library."""
        self.search(query_of(photo))

    def set_top_k(self, top_k: int) -> None:
        """Set how many neighbours a search asks for."""
        self._similar.set_top_k(top_k)

    def take_encoder(self) -> None:
        """Another encoder is searched with: old results are no answer any more."""
        self._similar.forget()
        if self._stack.currentWidget() is self._similar:
            self._show_grid()
        self.rescan()

    def close_jobs(self) -> None:
        """Forget pages on their way; an index run goes on until the window closes."""
        self._refresh_timer.stop()
        self._model.close()

    # --- building -------------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self.setObjectName("page")
        self._grid.setModel(self._model)
        self._grid.choose_several()
        self._stack = QStackedWidget()
        self._grid_page = QFrame()
        self._grid_page.setLayout(self._grid_layout())
        add = button(self.tr("Add a folder of photos"), icon="folder_add", role="big")
        add.clicked.connect(self.add_folder)
        self._welcome = EmptyState(
            "library",
            self.tr("Your library is empty"),
            text=self.tr(
                "Add a folder, or drop one here. Photos stay where they are, and nothing leaves this machine."
            ),
            buttons=(add,),
        )
        self._message = EmptyState("library", "")
        for page in (self._welcome, self._message, self._grid_page, self._similar, self._preview):
            self._stack.addWidget(page)
        for state in (self._welcome, self._message):
            state.setAcceptDrops(False)  # the whole page takes drops
        for page in (self._similar, self._preview):  # beside them the folders are hidden
            page.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._folders.hide()
        main = row(self._folders, spacing=0)
        main.addWidget(self._stack, 1)
        self.setLayout(main)

    def _grid_layout(self) -> QVBoxLayout:
        self._count = CountLabel()
        self._order = QComboBox()
        self._order.setAccessibleName(self.tr("Order"))
        self._order.setToolTip(self.tr("Which photos come first"))
        for text, order in (
            (self.tr("Newest first"), PhotoOrder.NEWEST),
            (self.tr("Oldest first"), PhotoOrder.OLDEST),
            (self.tr("By name"), PhotoOrder.NAME),
        ):
            self._order.addItem(text, order)
        self._tile_size = QSlider(Qt.Orientation.Horizontal)
        self._tile_size.setRange(*_TILE_RANGE_PX)
        self._tile_size.setValue(_TILE_PX)
        self._tile_size.setMinimumWidth(44)
        self._tile_size.setMaximumWidth(110)
        self._tile_size.setAccessibleName(self.tr("Size of the pictures"))
        self._tile_size.setToolTip(self.tr("Size of the pictures"))
        self._whole = tool_button("fill", self.tr("Show whole pictures"), checkable=True)
        self._names = tool_button("document", self.tr("Show file names"), checkable=True)
        self._find = button(
            self.tr("Find similar"), icon="similar", role="primary", tip=self.tr("Photos like this one (S)")
        )
        self._invert = button(
            self.tr("Invert face"), icon="faces", tip=self.tr("Rebuild a face step by step (I)")
        )
        parts = (self._tile_size, self._whole, self._names, self._order, 6, self._invert, self._find)
        head = row(self._count, None, *parts, spacing=6)
        head.setContentsMargins(18, 12, 12, 4)
        body = column(self._grid)
        body.setContentsMargins(12, 0, 4, 0)
        box = column(spacing=4)
        box.addLayout(head)
        box.addLayout(body, 1)
        return box

    def _connect(self) -> None:
        self.offered.connect(self.take)
        self._folders.add_wanted.connect(self.add_folder)
        self._folders.open_wanted.connect(self.open_picture)
        self._folders.rescan_wanted.connect(self.rescan)
        self._folders.remove_wanted.connect(self._remove_folder)
        self._folders.folder_chosen.connect(self._choose_folder)
        self._folders.problems_wanted.connect(self._show_problems)
        self._model.loaded.connect(self._show_loaded)
        self._model.load_failed.connect(self._show_library_failure)
        self._grid.opened.connect(self._open_preview)
        self._grid.photo_changed.connect(self._choose_photo)
        self._similar.photo_changed.connect(self._choose_photo)
        self._order.currentIndexChanged.connect(self._apply_filter)
        self._tile_size.valueChanged.connect(self._grid.set_thumbnail_px)
        self._tile_size.valueChanged.connect(self._similar.set_thumbnail_px)
        self._whole.toggled.connect(self._set_whole)
        self._names.toggled.connect(self._grid.set_shows_names)
        self._find.clicked.connect(self._find_similar)
        self._invert.clicked.connect(self._want_invert)
        self._actions.similar_wanted.connect(self.search_photo)
        self._actions.invert_wanted.connect(self._invert_photo)
        self._actions.notice.connect(self._pass_notice)
        self._similar.closed.connect(self._show_grid)
        self._similar.preview_wanted.connect(self._preview_hit)
        self._similar.invert_wanted.connect(self.invert_wanted)
        self._preview.closed.connect(self._close_preview)
        self._preview.similar_wanted.connect(self.search_photo)
        self._preview.invert_wanted.connect(self._invert_photo)
        self._preview.person_wanted.connect(self.person_wanted)
        self._preview.moved.connect(self._follow_preview)
        self._refresh_timer.timeout.connect(self._refresh)
        self._stack.currentChanged.connect(self._show_folders)
        for keys, slot in (
            ("S", self._find_similar),
            ("I", self._want_invert),
            ("G", self._group),
            ("Esc", self._step_back),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)
        self._choose_photo(None)

    # --- the library ----------------------------------------------------------------------------------

    def _open_library(self, overview: LibraryOverview) -> None:
        self._show_overview(overview)
        self._apply_filter()
        self._show_grid_state()
        self.rescan()

    def _show_overview(self, overview: LibraryOverview) -> None:
        overview = with_problems(overview, self._run_problems)
        self._overview = overview
        self._folders.show_overview(overview)
        self._tell_status(overview.photos)

    def _reload_overview(self) -> None:
        handle = self._jobs.submit(LibraryRequest())
        handle.finished.connect(self._show_overview)
        handle.finished.connect(self._show_grid_state)

    def _show_grid_state(self, _answer: object = None) -> None:
        """Choose between welcome, waiting and grid, unless the user looks at something else."""
        if self._stack.currentWidget() in (self._similar, self._preview):
            return
        has_folders = self._overview is not None and bool(self._overview.folders)
        self._show_folders()
        if self._model.total > 0:
            self._stack.setCurrentWidget(self._grid_page)
        elif self._index_runs:
            self._show_message(
                "library", self.tr("Looking for photos …"), self.tr("They appear here as they are indexed.")
            )
        elif has_folders:
            self._show_message(
                "image",
                self.tr("No photos here"),
                self.tr(
                    "No readable pictures were found in this folder. Add another folder, or drop one here."
                ),
            )
        else:
            self._stack.setCurrentWidget(self._welcome)

    def _show_folders(self, _number: int = 0) -> None:
        """The folders stand beside the grid only: results and large photos get the room."""
        is_busy_elsewhere = self._stack.currentWidget() in (self._similar, self._preview)
        has_folders = self._overview is not None and bool(self._overview.folders)
        self._folders.setVisible(not is_busy_elsewhere and (has_folders or bool(self._index_runs)))

    def _show_library_failure(self, failure: JobFailure) -> None:
        self._show_message("error", failure.message, failure.hint)

    def _show_message(self, icon: str, title: str, text: str) -> None:
        self._message.set_message(title, text, icon=icon)
        self._stack.setCurrentWidget(self._message)

    def _remove_folder(self, folder: Path) -> None:
        if self._confirms_removal(folder):
            handle = self._jobs.submit(RemoveFolderRequest(folder))
            handle.finished.connect(self._show_overview)
            handle.finished.connect(self._apply_filter)

    def _confirms_removal(self, folder: Path) -> bool:
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(self.tr("Remove folder"))
        box.setText(self.tr("Take this folder out of the library?"))
        box.setInformativeText(
            self.tr(
                "{}\n\nThe photos stay on disk; only what the library knows of them is forgotten."
            ).format(display_path(folder))
        )
        remove = box.addButton(self.tr("Remove"), QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        return box.clickedButton() is remove

    def _choose_folder(self, _folder: Path | None) -> None:
        self._apply_filter()

    def _apply_filter(self, _answer: object = None) -> None:
        order = PhotoOrder(self._order.currentData())  # Qt hands text enums out as plain text
        self._model.set_filter(PageRequest(0, 1, order=order, folder=self._folders.chosen_folder()))
        self._similar.forget()
        if self._stack.currentWidget() in (self._similar, self._preview):
            self._stack.setCurrentWidget(self._grid_page)

    def _show_problems(self) -> None:
        if self._overview is None:
            return
        problems = self._overview.problems
        total = max(len(problems), self._overview.unreadable)
        dialog = ProblemsDialog(problems, total, parent=self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    # --- indexing -------------------------------------------------------------------------------------

    def _take_batch(self, message: object) -> None:
        if not isinstance(message, PhotoBatch):
            return
        if message.is_renewal:
            self._thumbnails.renew(row.thumbnail for row in message.rows if row.thumbnail is not None)
        if not self._refresh_timer.isActive():
            self._refresh_timer.start()

    def _refresh(self) -> None:
        self._model.refresh()
        self._reload_overview()

    def _end_index(self, ending: object = None) -> None:
        self._index_runs = [handle for handle in self._index_runs if not handle.is_done]
        self._folders.set_indexing(bool(self._index_runs))
        if isinstance(ending, IndexSummary):
            self._run_problems = ending.problems
            self._report(ending)
        self._has_added = bool(self._index_runs)
        self._thumbnails.forget_failures()
        self._refresh_timer.stop()
        self._refresh()

    def _report(self, summary: IndexSummary) -> None:
        unreadable = max(summary.unreadable, len(summary.problems))
        parts = [
            text.format(words)
            for count, words, text in (
                (summary.added, texts.photos_text(summary.added), self.tr("{} added")),
                (summary.changed, texts.photos_text(summary.changed), self.tr("{} changed")),
                (summary.missing, texts.photos_text(summary.missing), self.tr("{} no longer on disk")),
                (unreadable, texts.count_text(unreadable), self.tr("{} left out")),
            )
            if count
        ]
        is_news = summary.added or summary.changed or summary.missing
        if not is_news and not (unreadable and self._has_added):
            return
        hint = ""
        if unreadable:
            hint = self.tr("The list on the left names each of them with its reason.")
        took = texts.seconds_text(summary.seconds)
        self.notice.emit(self.tr("{} in {}.").format(", ".join(parts), took), hint)

    # --- the grid -------------------------------------------------------------------------------------

    def _show_loaded(self) -> None:
        total = self._model.total
        self._count.show_texts(texts.photos_text(total), texts.count_text(total))
        if self._folders.chosen_folder() is None:
            self._folders.show_all_count(self._model.total)
            self._tell_status(self._model.total)
        self._follow_photo()
        self._show_grid_state()

    def _follow_photo(self) -> None:
        """Keep the chosen photo chosen when others were sorted in before it."""
        if self._chosen is None or self._stack.currentWidget() is self._similar:
            return
        shown = self._grid.current_photo()
        if shown is not None and shown.photo_id == self._chosen.photo_id:
            return
        number = self._model.number_of(self._chosen.photo_id)
        if number >= 0:
            self._grid.setCurrentIndex(self._model.index(number, 0))

    def _choose_photo(self, photo: PhotoRow | None) -> None:
        self._chosen = photo
        self._find.setEnabled(photo is not None)
        self._invert.setEnabled(photo is not None)

    def _current(self) -> PhotoRow | None:
        page = self._stack.currentWidget()
        if page is self._preview:
            return self._preview.photo
        if page is self._similar:
            return self._similar.current_photo()
        return self._grid.current_photo()

    def _find_similar(self) -> None:
        photo = self._current()
        if photo is not None:
            self.search_photo(photo)

    def _want_invert(self) -> None:
        photo = self._current()
        if photo is not None:
            self._invert_photo(photo)

    def _group(self) -> None:
        """Mark the chosen photos of the list in view as belonging together."""
        page = self._stack.currentWidget()
        if page is self._similar:
            self.together_wanted.emit(self._similar.selected_photos())
        elif page is self._grid_page:
            self.together_wanted.emit(self._grid.selected_photos())

    def _invert_photo(self, photo: PhotoRow) -> None:
        self.invert_wanted.emit(query_of(photo))

    def _set_whole(self, is_whole: bool) -> None:
        self._grid.set_fills(not is_whole)
        self._similar.set_fills(not is_whole)

    def _show_grid(self) -> None:
        self._stack.setCurrentWidget(self._grid_page)
        self._show_grid_state()
        self._grid.setFocus()

    def _step_back(self) -> None:
        if self._stack.currentWidget() is self._similar:
            self._similar.go_back()
        elif self._stack.currentWidget() is self._preview:
            self._close_preview()

    # --- preview --------------------------------------------------------------------------------------

    def _open_preview(self, index: QModelIndex) -> None:
        self._show_preview(self._model, index.row())

    def _preview_hit(self, model: PhotoModel, number: int) -> None:
        self._show_preview(model, number)

    def _show_preview(self, model: PhotoModel, number: int) -> None:
        if self._stack.currentWidget() is not self._preview:
            self._preview_from = self._stack.currentWidget()
        self._stack.setCurrentWidget(self._preview)
        self._preview.show_photo(model, number)

    def _follow_preview(self, number: int) -> None:
        if self._preview_from is self._grid_page and number < self._model.total:
            self._grid.setCurrentIndex(self._model.index(number, 0))

    def _close_preview(self) -> None:
        self._stack.setCurrentWidget(self._preview_from or self._grid_page)
        self._grid.setFocus()

    def _pass_notice(self, text: str) -> None:
        self.notice.emit(text, "")

    def _tell_status(self, photos: int) -> None:
        self.status_changed.emit(self.tr("{} in the library").format(texts.photos_text(photos)))


def with_problems(overview: LibraryOverview, problems: tuple[FileProblem, ...]) -> LibraryOverview:
    """An overview that also lists what the last run met: folders and links that lead nowhere."""
    listed = {problem.path for problem in overview.problems}
    more = tuple(problem for problem in problems if problem.path not in listed)
    return replace(overview, problems=(*overview.problems, *more), unreadable=overview.unreadable + len(more))


def query_of(photo: PhotoRow) -> Query:
    """A photo of the library as a query."""
    return Query(PhotoSource(photo_id=photo.photo_id), texts.name_text(photo.path), photo)
