"""Files and folders that were left out, each with its reason."""

from __future__ import annotations

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractItemView, QDialog, QHeaderView, QMenu, QTableView, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import FileProblem
from ui import file_dialogs, texts
from ui.widgets.controls import button, column, label, row

_Index = QModelIndex | QPersistentModelIndex


class ProblemsModel(QAbstractTableModel):
    """File and reason.

    Args:
        problems: What is listed.
        parent: Qt owner.
    """

    def __init__(self, problems: tuple[FileProblem, ...], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.problems = problems

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Number of problems."""
        return 0 if parent.isValid() else len(self.problems)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """File and reason."""
        return 0 if parent.isValid() else 2

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts of a cell."""
        if not index.isValid():
            return None
        problem = self.problems[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return texts.name_text(problem.path) if index.column() == 0 else problem.reason
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{display_path(problem.path)}\n{problem.reason}"
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Column titles."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return (self.tr("File"), self.tr("Reason"))[section]
        return None


class ProblemsDialog(QDialog):
    """Lists problems; they can be copied or shown in their folder.

    Args:
        problems: What is listed.
        total: How many there are in all, when not all are listed.
        parent: Window of the dialog.
    """

    def __init__(self, problems: tuple[FileProblem, ...], total: int, *, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = ProblemsModel(problems, self)
        self._table = QTableView()
        self._copy = button(self.tr("Copy the list"), icon="paste")
        self._close = button(self.tr("Close"), role="primary")
        self._total = total
        self._build_ui()
        self._connect()

    def _build_ui(self) -> None:
        self.setWindowTitle(self.tr("Left out, and why"))
        self.resize(860, 520)
        self._table.setModel(self._model)
        self._table.setAccessibleName(self.windowTitle())
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setShowGrid(False)
        self._table.setWordWrap(False)
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(36)
        self._table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self._table.setColumnWidth(0, 280)
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self._table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        listed = self._model.rowCount()
        text = self.tr("These files and folders could not be read; all other photos are in the library.")
        if self._total > listed:
            text += " " + self.tr("The first {} of {} are listed.").format(
                texts.count_text(listed), texts.count_text(self._total)
            )
        head = label(text, role="muted", wraps=True)
        box = column(head, self._table, spacing=12, margin=18)
        box.addLayout(row(self._copy, None, self._close))
        self.setLayout(box)

    def _connect(self) -> None:
        self._copy.clicked.connect(self._copy_list)
        self._close.clicked.connect(self.accept)
        self._table.customContextMenuRequested.connect(self._open_menu)

    def _copy_list(self) -> None:
        lines = [f"{display_path(one.path)}\t{one.reason}" for one in self._model.problems]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _open_menu(self, point: QPoint) -> None:
        index = self._table.indexAt(point)
        if not index.isValid():
            return
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.addAction(self.tr("Show in folder"), self._show_in_folder)
        menu.popup(self._table.viewport().mapToGlobal(point))

    def _show_in_folder(self) -> None:
        index = self._table.currentIndex()
        if index.isValid():
            file_dialogs.show_in_file_manager(self._model.problems[index.row()].path)
