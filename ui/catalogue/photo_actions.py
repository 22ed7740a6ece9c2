"""What can be done with a photo, as a context menu that all lists of photos share."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.core.errors import display_path
from desktop_app.core.types import PhotoRow
from ui import file_dialogs, theme

# Adds to the context menu of photos.
MenuExtension = Callable[[QMenu, tuple[PhotoRow, ...]], None]


class PhotoActions(QObject):
    """Offers the actions.

    Signals:
        similar_wanted: Photos like this one are wanted (`PhotoRow`).
        invert_wanted: A face of this photo is to be inverted (`PhotoRow`).
        notice: Something to tell the user (text).
    """

    similar_wanted = Signal(object)
    invert_wanted = Signal(object)
    notice = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._photo: PhotoRow | None = None
        self._chosen: tuple[PhotoRow, ...] = ()
        self._extensions: list[MenuExtension] = []

    def extend(self, extension: MenuExtension) -> None:
        """Let another part of the window add to every context menu."""
        self._extensions.append(extension)

    def menu(self, photo: PhotoRow, parent: QWidget, *, chosen: tuple[PhotoRow, ...] = ()) -> QMenu:
        """The context menu of a photo, and of all photos that are chosen with it."""
        self._photo = photo
        self._chosen = chosen or (photo,)
        menu = QMenu(parent)
        menu.addAction(theme.icon("similar"), self.tr("Find similar photos"), self._find_similar)
        menu.addAction(theme.icon("faces"), self.tr("Invert a face …"), self._invert)
        menu.addSeparator()
        for extension in self._extensions:
            extension(menu, self._chosen)
        menu.addSeparator()
        menu.addAction(theme.icon("folder"), self.tr("Show in folder"), self._show_in_folder)
        menu.addAction(theme.icon("paste"), self.tr("Copy path"), self._copy_path)
        return menu

    def open_menu(
        self, photo: PhotoRow, parent: QWidget, *, at: QPoint, chosen: tuple[PhotoRow, ...] = ()
    ) -> None:
        """Show the context menu at a place of the screen."""
        menu = self.menu(photo, parent, chosen=chosen)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    def _find_similar(self) -> None:
        if self._photo is not None:
            self.similar_wanted.emit(self._photo)

    def _invert(self) -> None:
        if self._photo is not None:
            self.invert_wanted.emit(self._photo)

    def _show_in_folder(self) -> None:
        if self._photo is not None and not file_dialogs.show_in_file_manager(self._photo.path):
            self.notice.emit(self.tr("The folder could not be opened: {}").format(self._photo.path.parent))

    def _copy_path(self) -> None:
        if self._photo is not None:
            QGuiApplication.clipboard().setText(display_path(self._photo.path))
            self.notice.emit(self.tr("The path was copied."))
