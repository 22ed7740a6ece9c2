"""The file dialogs of the operating system, and opening a place in its file manager."""

from __future__ import annotations

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
    chosen, _ = QFileDialog.getSaveFileName(parent, title, str(suggestion), kinds)
    if not chosen:
        return None
    target = Path(chosen)
    return target if target.suffix else target.with_suffix(suggestion.suffix)


def show_in_file_manager(path: Path) -> bool:
    """Open the folder of a file, or a folder itself; False when the system cannot."""
    folder = path if path.is_dir() else path.parent
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _tr(text: str) -> str:
    return QCoreApplication.translate("file_dialogs", text)
