"""Takes what is dropped or pasted: folders, picture files, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QFrame, QLabel, QWidget

from ui.widgets.controls import label, restyle

_SIGN_INSET_PX = (12, 12, -12, -12)


@dataclass(frozen=True, slots=True)
class Offered:
    """What came in.

    Attributes:
        folders: Folders.
        files: Files, of any kind.
        picture: A picture without a file.
    """

    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    picture: QImage | None = None

    def __bool__(self) -> bool:
        """Whether there is anything of use."""
        return bool(self.folders or self.files or self.picture is not None)


def offered_by(mime: QMimeData | None) -> Offered:
    """Read dropped or pasted data; files come before pictures."""
    if mime is None:
        return Offered()
    paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
    folders = tuple(path for path in paths if path.is_dir())
    files = tuple(path for path in paths if not path.is_dir())
    if folders or files:
        return Offered(folders, files)
    if mime.hasImage():
        picture = QImage(mime.imageData())
        if not picture.isNull():
            return Offered(picture=picture)
    return Offered()


def offered_by_clipboard() -> Offered:
    """Read the clipboard."""
    return offered_by(QGuiApplication.clipboard().mimeData())


class DropArea(QFrame):
    """A frame that takes drops and shows that it does.

    Signals:
        offered: Something of use was dropped (`Offered`).
    """

    offered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._sign: QLabel | None = None

    def _show_dropping(self, is_dropping: bool) -> None:
        self.setProperty("dropping", is_dropping)
        restyle(self)
        if self._sign is None:
            self._sign = label(self.tr("Drop it here"))
            self._sign.setParent(self)
            self._sign.setObjectName("dropSign")
            self._sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
            self._sign.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._sign.setGeometry(self.rect().adjusted(*_SIGN_INSET_PX))
        self._sign.setVisible(is_dropping)
        self._sign.raise_()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and pictures."""
        mime = event.mimeData()
        if mime.hasUrls() or mime.hasImage():
            event.acceptProposedAction()
            self._show_dropping(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The pointer left."""
        self._show_dropping(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Pass on what was dropped."""
        self._show_dropping(False)
        offered = offered_by(event.mimeData())
        if offered:
            event.acceptProposedAction()
            self.offered.emit(offered)
