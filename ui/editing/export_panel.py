"""Saving what was made: the face, its latents, the steps to it, the photo with the face pasted back."""

from __future__ import annotations

import functools
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QSlider, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import (
    Edit,
    ExportKind,
    ExportRequest,
    ExportResult,
    InversionResult,
    PasteMode,
)
from ui import file_dialogs, texts
from ui.job_center import JobCenter
from ui.notifications import Level, Message
from ui.widgets.controls import button, column, label, row

_BLEND_PERCENT = 15
_MOST_BLEND_PERCENT = 50
_PICTURES = "PNG (*.png);;JPEG (*.jpg *.jpeg);;WebP (*.webp)"
_LATENTS = "NumPy (*.npz)"


class ExportPanel(QFrame):
    """Four ways to save; each asks where.

    Signals:
        edit_wanted: The panel is about to save and needs `set_edit`.
        saved: A file was written (`Message`).
        paste_changed: How the face is pasted back is another one: `blend` or `paste_mode`.

    Args:
        jobs: Answers requests.
        parent: Qt owner.
    """

    edit_wanted = Signal()
    saved = Signal(object)
    paste_changed = Signal()

    def __init__(self, jobs: JobCenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._session: InversionResult | None = None
        self._origin: Path | None = None
        self._edit = Edit()
        self._usual = PasteMode.CHANGE
        self._face = button(
            self.tr("Face …"),
            tip=self.tr("Save the face as shown, as PNG, JPEG or WebP (Ctrl+S)"),
        )
        self._latents = button(
            self.tr("Latents …"),
            tip=self.tr("Save the codes of all steps and of the edit, as .npz"),
        )
        self._steps = button(
            self.tr("Steps …"),
            tip=self.tr(
                "Save photo, steps and edit side by side (PNG, JPEG, WebP), or as an animation (GIF)"
            ),
        )
        self._photo = button(
            self.tr("Paste into photo …"),
            icon="paste",
            role="primary",
            tip=self.tr("Save a copy of the photo with the face put back through a soft mask"),
        )
        self._blend = QSlider(Qt.Orientation.Horizontal)
        self._blend_text = label(role="value")
        self._mode = QComboBox()
        self._why_not = label(role="muted", wraps=True)
        self._build_ui()
        self._connect()
        self.close_session()

    def open_session(self, result: InversionResult, origin: Path | None) -> None:
        """Offer to save an inversion.

        Args:
            result: The inversion.
            origin: The file of the photo, if it has one: where and how results are named.
        """
        self._session, self._origin = result, origin
        self._choose_usual(result.usual_paste)
        self._update_state()

    def close_session(self) -> None:
        """Offer nothing."""
        self._session = None
        self._update_state()

    def set_edit(self, edit: Edit) -> None:
        """Set what is saved."""
        self._edit = edit

    @property
    def blend(self) -> float:
        """Width of the soft edge as a fraction of the crop's side."""
        return self._blend.value() / 100

    @property
    def paste_mode(self) -> PasteMode:
        """How the face is put back."""
        return PasteMode(self._mode.currentData())  # Qt hands text enums out as plain text

    def save_face(self) -> None:
        """Ask where, and save the face."""
        self._save(ExportKind.FACE, self.tr("Save face"), ending="_face.png", kinds=_PICTURES)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self._face.setShortcut("Ctrl+S")
        self._blend.setRange(0, _MOST_BLEND_PERCENT)
        self._blend.setAccessibleName(self.tr("Soft edge"))
        self._blend.setToolTip(self.tr("Width of the soft edge between face and photo"))
        self._mode.setAccessibleName(self.tr("How the face is pasted back"))
        self._mode.addItem(self.tr("Keep the photo's detail"), PasteMode.CHANGE)
        self._mode.addItem(self.tr("Use the model's face"), PasteMode.REPLACE)
        self._mode.setToolTip(
            self.tr(
                "Keep: the photo's own pixels move and change as the edit wants; only what it\n"
                "draws anew comes from the model.\n"
                "Use: the model's face takes the place of the photo's."
            )
        )
        box = column(label(self.tr("SAVE"), role="section"), spacing=8)
        box.addLayout(row(self._face, self._steps, self._latents))
        head = row(label(self.tr("Soft edge")), None, self._blend_text)
        box.addLayout(head)
        box.addWidget(self._blend)
        box.addWidget(self._mode)
        box.addWidget(self._photo)
        box.addWidget(self._why_not)
        self.setLayout(box)

    def _connect(self) -> None:
        self._face.clicked.connect(self.save_face)
        self._latents.clicked.connect(self._save_latents)
        self._steps.clicked.connect(self._save_steps)
        self._photo.clicked.connect(self._save_photo)
        self._blend.valueChanged.connect(self._show_blend)
        self._blend.setValue(_BLEND_PERCENT)
        self._blend.valueChanged.connect(self.paste_changed)
        self._mode.currentIndexChanged.connect(self.paste_changed)

    def _update_state(self) -> None:
        is_open = self._session is not None
        can_paste = self._session is not None and self._session.can_paste_back
        self._face.setEnabled(is_open)
        self._latents.setEnabled(is_open)
        self._steps.setEnabled(is_open)
        for part in (self._photo, self._blend, self._mode):
            part.setEnabled(can_paste)
        self._why_not.setVisible(is_open and not can_paste)
        self._why_not.setText(self.tr("The picture was an aligned face: there is no photo to paste into."))

    def _choose_usual(self, usual: PasteMode) -> None:
        """What the user chose by hand stays until a face of another kind comes."""
        if usual is not self._usual:
            self._usual = usual
            self._mode.setCurrentIndex(self._mode.findData(usual))

    def _show_blend(self, percent: int) -> None:
        self._blend_text.setText(f"{percent} %")

    # --- saving -------------------------------------------------------------------------------------

    def _save_latents(self) -> None:
        self._save(ExportKind.LATENTS, self.tr("Save latents"), ending="_latents.npz", kinds=_LATENTS)

    def _save_steps(self) -> None:
        kinds = f"{self.tr('Animation')} (*.gif);;{_PICTURES}"
        self._save(ExportKind.STEPS, self.tr("Save steps"), ending="_steps.gif", kinds=kinds)

    def _save_photo(self) -> None:
        ending = ".png"
        if self._origin is not None and self._origin.suffix.lower() in (".jpg", ".jpeg", ".webp"):
            ending = self._origin.suffix.lower()
        self._save(ExportKind.PHOTO, self.tr("Save photo"), ending=f"_edited{ending}", kinds=_PICTURES)

    def _save(self, kind: ExportKind, title: str, *, ending: str, kinds: str) -> None:
        if self._session is None:
            return
        folder = Path.home() if self._origin is None else self._origin.parent
        stem = "picture" if self._origin is None else self._origin.stem
        target = file_dialogs.choose_target(self, title, suggestion=folder / f"{stem}{ending}", kinds=kinds)
        if target is None:
            return
        self.edit_wanted.emit()
        request = ExportRequest(
            self._session.session_id, self._edit, kind, target, blend=self.blend, paste=self.paste_mode
        )
        handle = self._jobs.follow(request, title)
        handle.finished.connect(self._tell)

    def _tell(self, result: ExportResult) -> None:
        self.saved.emit(
            Message(
                Level.WARNING if result.warnings else Level.NOTICE,
                self.tr("Saved {}").format(texts.name_text(result.path)),
                "\n".join((display_path(result.path.parent), *result.warnings)),
                self.tr("Show in folder"),
                functools.partial(file_dialogs.show_in_file_manager, result.path),
            )
        )
