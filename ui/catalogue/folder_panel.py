"""The folders of the library with their counts, and what can be done with them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QListWidget, QListWidgetItem, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import LibraryOverview
from ui import texts, theme
from ui.widgets.controls import button, column, label, row, tool_button

_WIDTH_PX = 252
_FOLDER = Qt.ItemDataRole.UserRole + 1


class FolderPanel(QFrame):
    """Lists folders; choosing one narrows the grid to it.

    Signals:
        add_wanted, rescan_wanted, problems_wanted: Buttons.
        open_wanted: A picture from anywhere is to be looked for.
        remove_wanted: A folder (`Path`) should leave the library.
        folder_chosen: The grid should show this folder (`Path`), or all (None).
    """

    add_wanted = Signal()
    open_wanted = Signal()
    rescan_wanted = Signal()
    problems_wanted = Signal()
    remove_wanted = Signal(object)
    folder_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._list = QListWidget()
        self._add = button(
            self.tr("Add folder …"),
            icon="folder_add",
            tip=self.tr("Add a folder of photos to the library (Ctrl+Shift+O)"),
        )
        self._open = button(
            self.tr("Search with a picture …"),
            icon="search",
            tip=self.tr("Open a picture from anywhere (Ctrl+O), drop one here, or paste one (Ctrl+V)"),
        )
        self._rescan = tool_button("refresh", self.tr("Look for new and changed photos (F5)"))
        self._remove = tool_button("remove", self.tr("Take the chosen folder out of the library (Del)"))
        self._problems = button("", icon="warning", role="link")
        self._missing = label(role="muted", wraps=True)
        self._build_ui()
        self._connect()

    def show_overview(self, overview: LibraryOverview) -> None:
        """Show what the library holds; the chosen folder stays chosen."""
        chosen = self.chosen_folder()
        listed = [self._list.item(number).data(_FOLDER) for number in range(self._list.count())]
        self._list.blockSignals(True)
        if listed == [None, *(folder for folder, _ in overview.folders)]:
            self._update_counts(overview)
        else:
            self._list_folders(overview, chosen)
        self._list.blockSignals(False)
        if chosen is not None and self.chosen_folder() is None:
            self.folder_chosen.emit(None)
        self._show_problem_counts(overview)
        self._update_remove()

    def show_all_count(self, count: int) -> None:
        """Update the number of all photos while an index run adds to it."""
        item = self._list.item(0)
        if item is not None:
            item.setText(_counted(self.tr("All photos"), count))

    def set_indexing(self, is_indexing: bool) -> None:
        """While an index run is under way there is nothing to rescan."""
        self._rescan.setEnabled(not is_indexing)

    def chosen_folder(self) -> Path | None:
        """The folder to which the grid is narrowed, or None for all."""
        item = self._list.currentItem()
        return None if item is None else item.data(_FOLDER)

    def _build_ui(self) -> None:
        self.setObjectName("sidePanel")
        self.setFixedWidth(_WIDTH_PX)
        self._list.setAccessibleName(self.tr("Folders"))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        head = row(label(self.tr("FOLDERS"), role="section"), None, self._rescan, self._remove, spacing=2)
        box = column(spacing=8)
        box.setContentsMargins(14, 14, 14, 14)
        box.addLayout(head)
        box.addWidget(self._list, 1)
        box.addWidget(self._problems)
        box.addWidget(self._missing)
        box.addWidget(self._open)
        box.addWidget(self._add)
        self._problems.hide()
        self._missing.hide()
        self.setLayout(box)

    def _connect(self) -> None:
        self._add.clicked.connect(self.add_wanted)
        self._open.clicked.connect(self.open_wanted)
        self._rescan.clicked.connect(self.rescan_wanted)
        self._problems.clicked.connect(self.problems_wanted)
        self._remove.clicked.connect(self._ask_removal)
        self._list.currentRowChanged.connect(self._choose)
        shortcut = QShortcut(QKeySequence(Qt.Key.Key_Delete), self._list)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self._ask_removal)

    def _list_folders(self, overview: LibraryOverview, chosen: Path | None) -> None:
        self._list.clear()
        self._add_item(self.tr("All photos"), None, overview.photos)
        for folder, count in overview.folders:
            self._add_item(texts.name_text(folder), folder, count)
            if folder == chosen:
                self._list.setCurrentRow(self._list.count() - 1)
        if self._list.currentRow() < 0:
            self._list.setCurrentRow(0)

    def _update_counts(self, overview: LibraryOverview) -> None:
        """The folders are the same: leave the list as it is under the user's hand."""
        self.show_all_count(overview.photos)
        for number, (folder, count) in enumerate(overview.folders, start=1):
            self._list.item(number).setText(_counted(texts.name_text(folder), count))

    def _add_item(self, name: str, folder: Path | None, count: int) -> None:
        item = QListWidgetItem(theme.icon("library" if folder is None else "folder"), "")
        item.setText(_counted(name, count))
        item.setData(_FOLDER, folder)
        item.setToolTip(self.tr("Every folder") if folder is None else display_path(folder))
        self._list.addItem(item)

    def _show_problem_counts(self, overview: LibraryOverview) -> None:
        count = max(overview.unreadable, len(overview.problems))
        self._problems.setVisible(count > 0)
        self._problems.setText(self.tr("{} left out: see why").format(texts.count_text(count)))
        self._problems.setAccessibleName(self._problems.text())
        self._missing.setVisible(overview.missing > 0)
        self._missing.setText(self.tr("{} are no longer on disk").format(texts.photos_text(overview.missing)))

    def _choose(self, _number: int) -> None:
        self._update_remove()
        self.folder_chosen.emit(self.chosen_folder())

    def _update_remove(self) -> None:
        self._remove.setEnabled(self.chosen_folder() is not None)

    def _ask_removal(self) -> None:
        folder = self.chosen_folder()
        if folder is not None:
            self.remove_wanted.emit(folder)


def _counted(name: str, count: int) -> str:
    return f"{name}  ·  {texts.count_text(count)}"
