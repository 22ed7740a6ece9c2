"""Asks how the classes are to be exported as tags."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QLineEdit, QSpinBox, QWidget

from desktop_app.core.types import ExportTagsRequest
from ui import file_dialogs
from ui.widgets.controls import button, column, label, pad_spin_box, row

_WIDTH_PX = 520
_USUAL_PERCENT = 90


class ExportTagsDialog(QDialog):
    """Table, sidecars, and whether proposals go along.

    Args:
        parent: Window of the dialog.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = QCheckBox(self.tr("A table (CSV) with a line for each photo and tag"))
        self._path = QLineEdit(str(Path.home() / "tags.csv"))
        self._choose = button(self.tr("Choose …"))
        self._sidecars = QCheckBox(self.tr("An XMP sidecar beside each photo (dc:subject)"))
        self._proposals = QCheckBox(self.tr("Also proposals from"))
        self._percent = QSpinBox()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._ok = button(self.tr("Export"), role="primary")
        self._build_ui()
        self._connect()

    def request(self) -> ExportTagsRequest:
        """What was chosen."""
        return ExportTagsRequest(
            table=Path(self._path.text()) if self._table.isChecked() else None,
            writes_sidecars=self._sidecars.isChecked(),
            min_confidence=self._percent.value() / 100 if self._proposals.isChecked() else None,
        )

    def _build_ui(self) -> None:
        self.setWindowTitle(self.tr("Export tags"))
        self.setFixedWidth(_WIDTH_PX)
        self._table.setChecked(True)
        self._path.setAccessibleName(self.tr("File of the table"))
        self._percent.setRange(1, 99)
        self._percent.setValue(_USUAL_PERCENT)
        self._percent.setSuffix(" %")
        self._percent.setFixedWidth(90)
        self._percent.setAccessibleName(self.tr("Least confidence"))
        pad_spin_box(self._percent)
        note = self.tr(
            "Other programs read sidecars as keywords. What a sidecar holds already stays; "
            "the photos themselves are never changed."
        )
        box = column(label(self.tr("Classes become tags"), role="heading"), spacing=10, margin=20)
        box.addWidget(self._table)
        box.addLayout(row(24, self._path, self._choose))
        box.addWidget(self._sidecars)
        box.addLayout(row(24, label(note, role="muted", wraps=True)))
        box.addLayout(row(self._proposals, self._percent, None))
        box.addSpacing(8)
        self._buttons.addButton(self._ok, QDialogButtonBox.ButtonRole.AcceptRole)
        box.addWidget(self._buttons)
        self.setLayout(box)

    def _connect(self) -> None:
        self._choose.clicked.connect(self._choose_table)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        for part in (self._table, self._sidecars, self._proposals):
            part.toggled.connect(self._show_possible)
        self._path.textChanged.connect(self._show_possible)
        self._show_possible()

    def _choose_table(self) -> None:
        title = self.tr("Table of tags")
        chosen = file_dialogs.choose_target(
            self, title, suggestion=Path(self._path.text() or "tags.csv"), kinds="CSV (*.csv)"
        )
        if chosen is not None:
            self._path.setText(str(chosen))

    def _show_possible(self, _value: object = None) -> None:
        self._path.setEnabled(self._table.isChecked())
        self._choose.setEnabled(self._table.isChecked())
        self._percent.setEnabled(self._proposals.isChecked())
        has_table = self._table.isChecked() and bool(self._path.text().strip())
        is_half = self._table.isChecked() and not has_table
        self._ok.setEnabled((has_table or self._sidecars.isChecked()) and not is_half)
