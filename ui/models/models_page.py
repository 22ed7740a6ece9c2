"""The models: what they are for, their licence and size, and what their card says."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QBrush, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFormLayout,
    QHeaderView,
    QInputDialog,
    QMessageBox,
    QScrollArea,
    QTableView,
    QWidget,
)

from desktop_app.core.errors import display_path
from desktop_app.core.types import (
    ImportedModel,
    ImportModelRequest,
    JobFailure,
    ModelInfo,
    ModelList,
    ModelsRequest,
    RemoveModelRequest,
)
from ui import file_dialogs, texts, theme
from ui.job_center import JobCenter
from ui.models.random_faces_dialog import RandomFacesDialog
from ui.widgets.controls import button, column, frame, label, row, separator
from ui.widgets.drop_area import DropArea, Offered

_LICENCE_COLUMN = 2
_LICENCE_PX = 130
_Index = QModelIndex | QPersistentModelIndex
_CARD_PX = 340
_NARROW_PX = 1100
_COLUMNS = 5
_WORD_PARTS = 12


class ModelTable(QAbstractTableModel):
    """One row for each model.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.models: tuple[ModelInfo, ...] = ()

    def set_models(self, models: tuple[ModelInfo, ...]) -> None:
        """Show other models."""
        self.beginResetModel()
        self.models = models
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Number of models."""
        return 0 if parent.isValid() else len(self.models)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Title, purpose, licence, size, state."""
        return 0 if parent.isValid() else _COLUMNS

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts of a cell."""
        if not index.isValid():
            return None
        model = self.models[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                model.title,
                self._purpose(model),
                model.licence,
                texts.bytes_text(model.bytes),
                self._state(model),
            )[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return model.problem or f"{model.title}\n{model.name}"
        if role == Qt.ItemDataRole.ForegroundRole and not model.is_usable:
            return QBrush(QApplication.palette().color(theme.DANGER_ROLE))
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Column titles."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        titles = (self.tr("Model"), self.tr("For"), self.tr("Licence"), self.tr("Size"), self.tr("State"))
        return titles[section]

    def _purpose(self, model: ModelInfo) -> str:
        names = {
            "encoder": self.tr("similar photos"),
            "face_encoder": self.tr("people"),
            "inversion": self.tr("faces"),
            "face_points": self.tr("finding faces"),
            "generator": self.tr("painting pictures"),
            "directions": self.tr("edit sliders"),
            "metric": self.tr("measuring"),
        }
        return names.get(model.role, model.role.replace("_", " "))

    def _state(self, model: ModelInfo) -> str:
        if not model.is_usable:
            return self.tr("not usable")
        return self.tr("built in") if model.is_builtin else self.tr("added")


def _breakable(text: str) -> str:
    """Long words, such as digests, with places where a line may end."""
    words = text.split(" ")
    return " ".join(
        "\u200b".join(w[k : k + _WORD_PARTS] for k in range(0, len(w), _WORD_PARTS))
        if len(w) > 2 * _WORD_PARTS
        else w
        for w in words
    )


def _spoken(name: str) -> str:
    """The name of a fact, as cards write it, for people: "training_time" becomes "Training time"."""
    words = name.replace("_", " ").replace("sha256", "SHA-256")
    return words[:1].upper() + words[1:]


class ModelsPage(DropArea):
    """Lists models, shows the card of the chosen one, and imports files that are chosen or dropped.

    Signals:
        models_known: The list arrived (tuple of `ModelInfo`).
        imported: A file was imported (`ImportedModel`).

    Args:
        jobs: Answers requests.
        folder: Where the user's models lie.
        parent: Qt owner.
    """

    models_known = Signal(object)
    imported = Signal(object)

    def __init__(self, jobs: JobCenter, folder: Path, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._folder = folder
        self._model = ModelTable(self)
        self._table = QTableView()
        self._title = label(role="heading", wraps=True)
        self._problem = label(role="problem", wraps=True)
        self._facts = QFormLayout()
        self._message = label(role="muted", wraps=True)
        self._open_folder = button(
            self.tr("Open the model folder"), icon="folder", tip=self.tr("Put further models there")
        )
        self._refresh = button(self.tr("Look again"), icon="refresh")
        self._import = button(
            self.tr("Import a file …"),
            icon="document",
            tip=self.tr(
                "ReStyle, pSp, e4e, StyleGAN2, edit directions, ResNet-50 encoders; or drop the file here"
            ),
        )
        self._random = button(
            self.tr("Random faces …"), icon="faces", tip=self.tr("What its generator draws by itself")
        )
        self._remove = button(self.tr("Delete …"), icon="remove")
        self._notes = label(role="notice", wraps=True)
        self._notes.hide()
        self._chosen: ModelInfo | None = None
        self._wanted = ""
        self._build_ui()
        self._connect()

    def load(self) -> None:
        """Ask for all models."""
        self._message.setText(self.tr("Reading the models …"))
        self._message.show()
        handle = self._jobs.ask(ModelsRequest())
        handle.finished.connect(self._show_models)
        handle.failed.connect(self._show_failure)

    def _build_ui(self) -> None:
        self.setObjectName("page")
        self._table.setModel(self._model)
        self._table.setAccessibleName(self.tr("Models"))
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setShowGrid(False)
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(44)
        header = self._table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_LICENCE_COLUMN, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(_LICENCE_COLUMN, _LICENCE_PX)
        header.setHighlightSections(False)
        hint = self.tr("Your own models: a card (.json) and its weights (.safetensors) in {}").format(
            display_path(self._folder)
        )
        left = column(label(self.tr("Models"), role="title"), label(hint, role="muted", wraps=True), 8)
        left.addWidget(self._notes)
        left.addWidget(self._message)
        left.addWidget(self._table, 1)
        left.addLayout(row(self._import, self._open_folder, self._refresh, None))
        left.setContentsMargins(24, 18, 18, 16)
        self._facts.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._facts.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._facts.setHorizontalSpacing(16)
        self._facts.setVerticalSpacing(8)
        card = column(self._title, self._problem, separator())
        card.addLayout(self._facts)
        card.addStretch(1)
        card.addWidget(self._random)
        card.addWidget(self._remove)
        card.setContentsMargins(18, 20, 18, 16)
        side = frame("sidePanel", card)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFixedWidth(_CARD_PX)
        scroll.setWidget(side)
        scroll.setAccessibleName(self.tr("Card of the chosen model"))
        main = row(spacing=0)
        main.addLayout(left, 1)
        main.addWidget(scroll)
        self.setLayout(main)
        self._show_card(None)

    def _connect(self) -> None:
        self._table.selectionModel().currentRowChanged.connect(self._choose)
        self._open_folder.clicked.connect(self._show_folder)
        self._refresh.clicked.connect(self.load)
        self._import.clicked.connect(self._choose_file)
        self._random.clicked.connect(self._show_random_faces)
        self._remove.clicked.connect(self._ask_removal)
        self.offered.connect(self._take_offer)

    def import_file(self, path: Path) -> None:
        """Ask for the licence of a weights file, then import it in the background."""
        licence, is_agreed = QInputDialog.getText(
            self,
            self.tr("Import {}").format(path.name),
            self.tr("Licence of these weights, as their source states it (may stay empty):"),
        )
        if not is_agreed:
            return
        handle = self._jobs.follow(
            ImportModelRequest(path, licence=licence.strip()), self.tr("Importing {}").format(path.name)
        )
        handle.finished.connect(self._show_imported)
        self._tell_notes(())

    def _choose_file(self) -> None:
        path = file_dialogs.choose_weights(self)
        if path is not None:
            self.import_file(path)

    def _take_offer(self, offer: Offered) -> None:
        if not offer.files:
            message = self.tr("That is no file of weights.")
            self._jobs.report(JobFailure(message, self.tr("Drop a file such as .pt, .pkl or .safetensors.")))
        for path in offer.files:
            self.import_file(path)

    def _show_imported(self, answer: ImportedModel) -> None:
        self._wanted = answer.model.name
        self._tell_notes(answer.notes)
        self.imported.emit(answer)
        self.load()

    def _tell_notes(self, notes: tuple[str, ...]) -> None:
        """What the user should know about an import, above the list."""
        self._notes.setText("  ".join(notes))
        self._notes.setVisible(bool(notes))

    # --- removing -----------------------------------------------------------------------------------

    def _ask_removal(self) -> None:
        """Delete the chosen model when the user is sure."""
        model = self._chosen
        if model is None or model.is_builtin:
            return
        box = QMessageBox(self)
        box.setWindowTitle(self.tr("Delete a model"))
        box.setText(self.tr("Delete “{}” from this machine?").format(model.title))
        box.setInformativeText(
            self.tr("{} and its weights ({}) are deleted. The file you imported stays.").format(
                model.name, texts.bytes_text(model.bytes)
            )
        )
        delete = box.addButton(self.tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton(self.tr("Keep"), QMessageBox.ButtonRole.RejectRole))
        delete.clicked.connect(self._remove_chosen)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _remove_chosen(self) -> None:
        if self._chosen is None:
            return
        self._tell_notes(())
        handle = self._jobs.submit(RemoveModelRequest(self._chosen.name))
        handle.finished.connect(self._show_models)

    # --- list and card ------------------------------------------------------------------------------

    def _show_models(self, answer: ModelList) -> None:
        self._model.set_models(answer.models)
        self._message.setVisible(not answer.models)
        self._message.setText(self.tr("No models were found."))
        if answer.models:
            names = [model.name for model in answer.models]
            self._table.selectRow(names.index(self._wanted) if self._wanted in names else 0)
        else:
            self._show_card(None)
        self.models_known.emit(answer.models)

    def _show_failure(self, failure: JobFailure) -> None:
        self._message.setText(f"{failure.message} {failure.hint}".strip())
        self._message.show()

    def _choose(self, current: QModelIndex, _previous: QModelIndex) -> None:
        self._show_card(self._model.models[current.row()] if current.isValid() else None)

    def _show_card(self, model: ModelInfo | None) -> None:
        self._chosen = model
        self._random.setVisible(model is not None and model.is_usable and model.role == "inversion")
        self._remove.setEnabled(model is not None and not model.is_builtin)
        self._remove.setToolTip(
            self.tr("Models that came with the program stay")
            if model is not None and model.is_builtin
            else self.tr("Delete this model from this machine")
        )
        while self._facts.rowCount():
            self._facts.removeRow(0)
        self._title.setText("" if model is None else model.title)
        self._problem.setText("" if model is None else model.problem)
        self._problem.setVisible(bool(self._problem.text()))
        if model is None:
            return
        known = (
            (self.tr("Name"), model.name),
            (self.tr("Licence"), model.licence),
            (self.tr("Size"), texts.bytes_text(model.bytes)),
        )
        for name, value in known + model.facts:
            text = label(_breakable(value), wraps=True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            text.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
            title = label(_spoken(name), role="muted")
            title.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
            self._facts.addRow(title, text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window titles need the room more than licences, which the card tells too."""
        super().resizeEvent(event)
        self._table.setColumnHidden(_LICENCE_COLUMN, event.size().width() < _NARROW_PX)

    def _show_random_faces(self) -> None:
        if self._chosen is not None:
            RandomFacesDialog(self._jobs, self._chosen, parent=self).open()

    def _show_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            failure = self.tr("The folder {} cannot be made: {}").format(
                display_path(self._folder), error.strerror or error
            )
            self._jobs.report(JobFailure(failure))
            return
        file_dialogs.show_in_file_manager(self._folder)
