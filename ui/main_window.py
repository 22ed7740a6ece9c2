"""The window: navigation rail, pages, menus and status; connects pages to the jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QPaintEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from desktop_app import __version__
from desktop_app.core.errors import ResourceError, display_path
from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings, save_settings
from desktop_app.core.types import (
    EncoderSwitched,
    EngineReady,
    JobFailure,
    ModelInfo,
    PhotoRow,
    WarmUpRequest,
)
from ui import file_dialogs, theme
from ui.catalogue.catalogue_page import CataloguePage, query_of
from ui.catalogue.similar_view import Query
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.inversion.inversion_page import InversionPage
from ui.job_center import JobCenter, Runner
from ui.learning.classes_marking import ClassMarking
from ui.learning.classes_page import ClassesPage
from ui.learning.compare_opening import CompareOpening
from ui.learning.group_marking import GroupMarking
from ui.learning.map_page import MapPage
from ui.learning.tune_page import TunePage
from ui.models.models_page import ModelsPage
from ui.notifications import MessagesDialog, Notifications
from ui.people.people_page import PeoplePage
from ui.settings.settings_dialog import SettingsDialog, needs_restart
from ui.status_area import StatusArea
from ui.widgets.controls import column, frame, row
from ui.widgets.drop_area import offered_by_clipboard

_START_SIZE = QSize(1320, 860)
_RAIL_PX = 84
_WARM_UP_AFTER_MS = 250


class MainWindow(QMainWindow):
    """The window of the program.

    Signals:
        first_painted: The window is on the screen.

    Args:
        runner: Answers requests.
        settings: Settings of this run.
        paths: Folders of the installation.
    """

    first_painted = Signal()

    def __init__(self, runner: Runner, settings: Settings, paths: AppPaths) -> None:
        super().__init__()
        self._settings = settings
        self._paths = paths
        self._models: tuple[ModelInfo, ...] = ()
        self._is_painted = False
        self._jobs = JobCenter(runner, self)
        self._thumbnails = ThumbnailCache(self)
        self._library = CataloguePage(self._jobs, self._thumbnails)
        self._faces = InversionPage(self._jobs, settings.inversion)
        self._marking = GroupMarking(self._jobs, self)
        self._tune = TunePage(self._jobs, self._thumbnails, marking=self._marking)
        self._models_page = ModelsPage(self._jobs, paths.models)
        self._class_marking = ClassMarking(self._jobs, self)
        self._classes = ClassesPage(self._jobs, self._thumbnails, marking=self._class_marking)
        self._map = MapPage(self._jobs, self._thumbnails)
        self._people = PeoplePage(self._jobs, self._thumbnails)
        self._status = StatusArea(self._jobs)
        self._build_ui()
        self._build_menus()
        self._connect()
        self._library.set_top_k(settings.search.top_k)

    @property
    def notifications(self) -> Notifications:
        """Where errors and notices are shown."""
        return self._notifications

    def start(self) -> None:
        """Load what the pages show; called when the window is on the screen."""
        self._library.load()
        self._class_marking.load()
        self._people.load()
        QTimer.singleShot(_WARM_UP_AFTER_MS, self, self._warm_up)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self.setWindowTitle("Contrastyle")
        self.resize(_START_SIZE.boundedTo(self.screen().availableSize()))
        self._pages = QStackedWidget()
        self._pages.setObjectName("pages")
        pages = (self._library, self._faces, self._models_page, self._classes, self._tune, self._map)
        for page in (*pages, self._people):
            self._pages.addWidget(page)
        body = row(self._build_rail(), spacing=0)
        body.addWidget(self._pages, 1)
        outer = column(spacing=0)
        outer.addLayout(body, 1)
        outer.addWidget(self._status)
        central = QWidget()
        central.setLayout(outer)
        self.setCentralWidget(central)
        self._notifications = Notifications(self._pages, display_path(self._paths.logs / "contrastyle.log"))

    def _build_rail(self) -> QFrame:
        self._rail_group = QButtonGroup(self)
        self._rail_group.setExclusive(True)
        box = column(spacing=2)
        box.setContentsMargins(8, 8, 8, 8)
        entries = (
            ("library", self.tr("Library"), self.tr("Your photos (Ctrl+1)")),
            ("faces", self.tr("Faces"), self.tr("Invert and edit a face (Ctrl+2)")),
            ("models", self.tr("Models"), self.tr("What the program computes with (Ctrl+3)")),
            ("classes", self.tr("Classes"), self.tr("Mark a few photos, have the rest proposed (Ctrl+4)")),
            ("learn", self.tr("Learn"), self.tr("Tune the search on your own photos (Ctrl+5)")),
            ("map", self.tr("Map"), self.tr("See what lies near what (Ctrl+6)")),
            ("people", self.tr("People"), self.tr("Find, name and group people (Ctrl+7)")),
        )
        for number, (icon, text, tip) in enumerate(entries):
            entry = self._rail_button(icon, text, tip)
            entry.setCheckable(True)
            self._rail_group.addButton(entry, number)
            box.addWidget(entry)
        self._rail_group.button(0).setChecked(True)
        box.addStretch(1)
        messages_tip = self.tr("All messages since the start")
        self._messages_button = self._rail_button("bell", self.tr("Messages"), messages_tip)
        settings_tip = self.tr("Settings (Ctrl+,)")
        self._settings_button = self._rail_button("settings", self.tr("Settings"), settings_tip)
        box.addWidget(self._messages_button)
        box.addWidget(self._settings_button)
        rail = frame("rail", box)
        rail.setFixedWidth(_RAIL_PX)
        rail.setAccessibleName(self.tr("Pages"))
        return rail

    def _rail_button(self, icon: str, text: str, tip: str) -> QToolButton:
        made = QToolButton()
        made.setIcon(theme.icon(icon))
        made.setIconSize(QSize(24, 24))
        made.setText(text)
        made.setToolTip(tip)
        made.setAccessibleName(text)
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        made.setFixedWidth(_RAIL_PX - 16)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return made

    def _build_menus(self) -> None:
        file_menu = self.menuBar().addMenu(self.tr("&File"))
        self._action(file_menu.addAction, self.tr("Add folder …"), "Ctrl+Shift+O", self._add_folder)
        self._action(file_menu.addAction, self.tr("Open a picture …"), "Ctrl+O", self._open_picture)
        self._action(file_menu.addAction, self.tr("Paste a picture"), "Ctrl+V", self.paste)
        self._action(file_menu.addAction, self.tr("Look for new photos"), "F5", self._library.rescan)
        file_menu.addSeparator()
        self._action(file_menu.addAction, self.tr("Settings …"), "Ctrl+,", self.open_settings)
        self._action(file_menu.addAction, self.tr("Quit"), "Ctrl+Q", self.close)
        view_menu = self.menuBar().addMenu(self.tr("&View"))
        names = (
            self.tr("Library"),
            self.tr("Faces"),
            self.tr("Models"),
            self.tr("Classes"),
            self.tr("Learn"),
            self.tr("Map"),
            self.tr("People"),
        )
        for number, text in enumerate(names):
            action = view_menu.addAction(text)
            action.setShortcut(QKeySequence(f"Ctrl+{number + 1}"))
            action.setData(number)
            action.triggered.connect(self._go_to_sender)
        view_menu.addSeparator()
        self._action(view_menu.addAction, self.tr("Full screen"), "F11", self._toggle_full_screen)
        help_menu = self.menuBar().addMenu(self.tr("&Help"))
        self._action(help_menu.addAction, self.tr("Keyboard"), "F1", self._show_keys)
        self._action(help_menu.addAction, self.tr("Messages"), "", self._show_messages)
        self._action(help_menu.addAction, self.tr("Open the log folder"), "", self._show_log_folder)
        self._action(help_menu.addAction, self.tr("About Contrastyle"), "", self._show_about)

    def _action(
        self, add: Callable[[str], QAction], text: str, keys: str, slot: Callable[[], object]
    ) -> None:
        action = add(text)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(slot)

    def _connect(self) -> None:
        self._rail_group.idClicked.connect(self.show_page)
        self._settings_button.clicked.connect(self.open_settings)
        self._messages_button.clicked.connect(self._show_messages)
        self._jobs.job_failed.connect(self._notifications.show_failure)
        self._library.invert_wanted.connect(self._invert)
        self._library.status_changed.connect(self._status.show_library)
        self._library.notice.connect(self._notify)
        self._faces.saved.connect(self._notifications.show_message)
        self._faces.library_wanted.connect(self._show_library)
        self._models_page.models_known.connect(self._take_models)
        self._connect_learning()

    def _connect_learning(self) -> None:
        self._comparing = CompareOpening(self._jobs, self, query=self._library.searched_photo)
        for actions in (self._library.photo_actions, self._map.photo_actions):
            actions.extend(self._comparing.extend_menu)
        self._library.photo_actions.extend(self._class_marking.extend_menu)
        self._class_marking.notice.connect(self._notify)
        self._classes.notice.connect(self._notify)
        self._map.photo_actions.extend(self._class_marking.extend_menu)
        self._map.notice.connect(self._notify)
        self._map.similar_wanted.connect(self._search_photo)
        self._map.invert_wanted.connect(self._invert_photo)
        for actions in (self._library.photo_actions, self._map.photo_actions):
            actions.extend(self._people.extend_menu)
        self._people.photo_actions.extend(self._class_marking.extend_menu)
        self._people.notice.connect(self._notify)
        self._people.similar_wanted.connect(self._search_photo)
        self._people.invert_wanted.connect(self._invert_photo)
        self._people.shown_wanted.connect(self._show_people)
        self._library.person_wanted.connect(self._people.search_photo)
        self._classes.library_wanted.connect(self._show_library)
        self._classes.similar_wanted.connect(self._search_photo)
        self._classes.invert_wanted.connect(self._invert_photo)
        self._library.photo_actions.extend(self._marking.extend_menu)
        self._library.together_wanted.connect(self._marking.mark)
        self._marking.notice.connect(self._notify)
        self._tune.notice.connect(self._notify)
        self._tune.models_changed.connect(self._models_page.load)
        self._tune.encoder_switched.connect(self._take_encoder)

    # --- pages --------------------------------------------------------------------------------------

    def show_page(self, number: int) -> None:
        """Show a page: 0 library, 1 faces, 2 models, 3 classes, 4 learn, 5 map, 6 people."""
        self._rail_group.button(number).setChecked(True)
        self._pages.setCurrentIndex(number)
        page, focused = self._pages.currentWidget(), self.focusWidget()
        is_on_rail = isinstance(focused, QToolButton) and self._rail_group.id(focused) not in (-1, number)
        if page is not None and is_on_rail:
            page.setFocus()  # a frame on another entry would look like a choice

    def paste(self) -> None:
        """Give what lies in the clipboard to the page that is shown."""
        offered = offered_by_clipboard()
        if not offered:
            self._notifications.notify(
                self.tr("There is no picture in the clipboard."),
                hint=self.tr("Copy a picture or an image file first."),
            )
        elif self._pages.currentWidget() is self._faces:
            self._faces.take(offered)
        else:
            self.show_page(0)
            self._library.take(offered)

    def open_settings(self) -> None:
        """Show the settings dialog."""
        dialog = SettingsDialog(self._settings, self._models, parent=self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._take_settings)
        self._settings_dialog = dialog
        dialog.open()

    def _take_settings(self) -> None:
        new, old = self._settings_dialog.settings(), self._settings
        try:
            save_settings(new, self._paths.settings_file)
        except ResourceError as error:
            self._notifications.show_failure(JobFailure(error.message, error.hint))
            return
        self._settings = new
        if new.inversion.model != old.inversion.model:
            self._faces.set_model(new.inversion.model)
        self._faces.set_steps(new.inversion.steps)
        self._library.set_top_k(new.search.top_k)
        if needs_restart(old, new):
            self._notifications.notify(
                self.tr("The settings were saved."),
                hint=self.tr("Some of them take effect at the next start of the program."),
            )
        else:
            self._notifications.notify(self.tr("The settings were saved."))

    def _take_encoder(self, answer: EncoderSwitched) -> None:
        """Another encoder is searched with: remember it, and embed the photos that it does not know yet."""
        self._settings = replace(self._settings, library=replace(self._settings.library, encoder=answer.name))
        try:
            save_settings(self._settings, self._paths.settings_file)
        except ResourceError as error:
            self._notifications.show_failure(JobFailure(error.message, error.hint))
        self._library.take_encoder()
        found = next((model for model in self._models if model.name == answer.name), None)
        hint = self.tr("The page Learn goes back with one click; nothing of the old index was lost.")
        if found is not None and found.is_builtin:
            hint = self.tr("The other encoder and what it knows stay on the page Learn.")
        self._notifications.notify(
            self.tr("Similar photos are found with “{}” now.").format(found.title if found else answer.name),
            hint=hint,
        )

    def _go_to_sender(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.show_page(int(action.data()))

    def _add_folder(self) -> None:
        self.show_page(0)
        self._library.add_folder()

    def _open_picture(self) -> None:
        if self._pages.currentWidget() is self._faces:
            self._faces.open_picture()
        else:
            self.show_page(0)
            self._library.open_picture()

    def _invert(self, query: Query) -> None:
        self.show_page(1)
        self._faces.open(query)

    def _search_photo(self, photo: PhotoRow) -> None:
        self.show_page(0)
        self._library.search_photo(photo)

    def _invert_photo(self, photo: PhotoRow) -> None:
        self._invert(query_of(photo))

    def _show_library(self) -> None:
        self.show_page(0)

    def _show_people(self) -> None:
        self.show_page(6)

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    # --- engine and models --------------------------------------------------------------------------

    def _warm_up(self) -> None:
        self._status.show_engine(self.tr("Engine is loading …"))
        handle = self._jobs.submit(WarmUpRequest())
        handle.finished.connect(self._show_engine)
        handle.failed.connect(self._show_engine_failure)
        self._models_page.load()

    def _show_engine(self, ready: EngineReady) -> None:
        threads = self.tr("1 thread") if ready.threads == 1 else self.tr("{} threads").format(ready.threads)
        self._status.show_engine(self.tr("Engine ready: {}, {}").format(ready.device.upper(), threads))

    def _show_engine_failure(self, failure: JobFailure) -> None:
        self._status.show_engine(self.tr("Engine is not ready"))

    def _take_models(self, models: tuple[ModelInfo, ...]) -> None:
        self._models = models
        self._faces.set_models(models)

    # --- messages -----------------------------------------------------------------------------------

    def _notify(self, text: str, hint: str) -> None:
        self._notifications.notify(text, hint=hint)

    def _show_messages(self) -> None:
        dialog = MessagesDialog(self._notifications.messages, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _show_log_folder(self) -> None:
        file_dialogs.show_in_file_manager(self._paths.logs)

    def _show_keys(self) -> None:
        keys = (
            ("Ctrl+1 … 7", self.tr("library, faces, models, classes, learn, map, people")),
            ("Ctrl+Shift+O", self.tr("add a folder")),
            ("Ctrl+O, Ctrl+V", self.tr("open or paste a picture")),
            (self.tr("Enter"), self.tr("show the chosen photo large; arrow keys walk on")),
            ("S, I", self.tr("find similar photos; invert a face")),
            (self.tr("Ctrl+click, G"), self.tr("choose several photos; they belong together")),
            ("Esc", self.tr("back")),
            ("1 … 4, N", self.tr("choose a point of the face; next face")),
            ("Ctrl+Enter", self.tr("start the inversion")),
            ("Ctrl+Z, Ctrl+Shift+Z", self.tr("undo and redo an edit")),
            ("Ctrl+S", self.tr("save the face")),
            ("F5", self.tr("look for new photos")),
        )
        lines = "".join(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for key, text in keys)
        self._show_text(self.tr("Keyboard"), f"<table cellpadding='4'>{lines}</table>")

    def _show_about(self) -> None:
        text = self.tr(
            "<h3>Contrastyle {}</h3><p>Browse similar photos, invert and edit faces step by step.</p>"
            "<p>Everything is computed on this machine; nothing is sent anywhere.</p>"
        ).format(__version__)
        self._show_text(self.tr("About Contrastyle"), text)

    def _show_text(self, title: str, text: str) -> None:
        box = QMessageBox(self)
        box.setWindowTitle(title)
        box.setTextFormat(Qt.TextFormat.RichText)
        box.setText(text)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    # --- Qt -----------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell once that the window is on the screen."""
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self, self.first_painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Forget what only the window needs; the jobs are ended by the one who started them."""
        self._library.close_jobs()
        self._thumbnails.close()
        super().closeEvent(event)
