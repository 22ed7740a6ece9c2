"""The file dialogs of the operating system, and opening a place in its file manager."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QWidget

# fmt: off
IMAGE_ENDINGS = (
    "jpg", "jpeg", "png", "webp", "heic", "heif", "avif", "tif", "tiff", "bmp", "gif",
    "ppm", "pgm", "pnm", "tga", "jp2", "ico", "psd", "dds", "qoi", "jfif",
)
# fmt: on


def choose_folder(parent: QWidget) -> Path | None:
    """Let the user choose a folder of photos."""
    chosen = QFileDialog.getExistingDirectory(parent, _tr("Add a folder of photos"), str(Path.home()))
    return Path(chosen) if chosen else None


def choose_picture(parent: QWidget) -> Path | None:
    """Let the user choose a picture."""
    endings = " ".join(f"*.{ending} *.{ending.upper()}" for ending in IMAGE_ENDINGS)
    chosen, _ = QFileDialog.getOpenFileName(
        parent,
        _tr("Open a picture"),
        str(Path.home()),
        f"{_tr('Pictures')} ({endings});;{_tr('All files')} (*)",
    )
    return Path(chosen) if chosen else None


def choose_weights(parent: QWidget) -> Path | None:
    """Let the user choose a published weights file."""
    chosen, _ = QFileDialog.getOpenFileName(
        parent,
        _tr("Import a model"),
        str(Path.home()),
        f"{_tr('Weights')} (*.pt *.pth *.pkl *.npy *.npz *.tar *.safetensors);;{_tr('All files')} (*)",
    )
    return Path(chosen) if chosen else None


def choose_target(parent: QWidget, title: str, *, suggestion: Path, kinds: str) -> Path | None:
    """Let the user choose where to write.

    Args:
        parent: Window of the dialog.
        title: Its title.
        suggestion: Folder and name to begin with; its ending is added when the user gives none.
        kinds: Qt filter, for example `PNG (*.png);;JPEG (*.jpg)`.
    """
    dialog = target_dialog(parent, title, suggestion=suggestion, kinds=kinds)
    is_chosen = bool(dialog.exec())
    chosen = dialog.selectedFiles()
    dialog.deleteLater()
    return Path(chosen[0]) if is_chosen and chosen else None


def target_dialog(parent: QWidget, title: str, *, suggestion: Path, kinds: str) -> QFileDialog:
    """The dialog of `choose_target`: it adds the ending itself, so that it asks before it overwrites."""
    dialog = QFileDialog(parent, title, str(suggestion.parent), kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    wanted = suggestion.suffix.lower()
    kind = next((one for one in kinds.split(";;") if wanted in _endings(one)), "")
    if kind:
        dialog.selectNameFilter(kind)
    dialog.setDefaultSuffix(wanted)
    dialog.selectFile(suggestion.name)
    dialog.filterSelected.connect(functools.partial(_take_ending, dialog))
    return dialog


def _take_ending(dialog: QFileDialog, kind: str) -> None:
    endings = _endings(kind)
    if endings:
        dialog.setDefaultSuffix(endings[0])


def _endings(kind: str) -> list[str]:
    """The endings of one kind of a filter: `JPEG (*.jpg *.jpeg)` gives `.jpg` and `.jpeg`."""
    return re.findall(r"\*(\.\w+)", kind)


def show_in_file_manager(path: Path) -> bool:
    """Open the folder of a file, or a folder itself; False when the system cannot."""
    folder = path if path.is_dir() else path.parent
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _tr(text: str) -> str:
    return QCoreApplication.translate("file_dialogs", text)
