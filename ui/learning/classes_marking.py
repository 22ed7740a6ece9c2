"""The user's classes as the window knows them, and marking photos from any list of photos."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog, QLineEdit, QMenu, QWidget

from desktop_app.core.types import (
    ClassesRequest,
    ClassInfo,
    ClassList,
    CreateClassRequest,
    Mark,
    MarkPhotosRequest,
    PhotoRow,
    RemoveClassRequest,
    RenameClassRequest,
)
from ui import texts, theme
from ui.job_center import JobCenter

_MOST_IN_MENU = 12


class ClassMarking(QObject):
    """Holds the list of classes, changes it, and offers it in context menus.

    Signals:
        changed: The classes or their marks are others now (`ClassList`).
        marked: Marks of a class were changed (its id).
        notice: Something to tell the user (text, hint).

    Args:
        jobs: Answers requests.
        parent: Qt owner.
    """

    changed = Signal(object)
    marked = Signal(object)
    notice = Signal(str, str)

    def __init__(self, jobs: JobCenter, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._classes: tuple[ClassInfo, ...] = ()
        self._waiting: tuple[int, ...] = ()
        self._offered: tuple[int, ...] = ()

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """All classes, by name."""
        return self._classes

    def by_id(self, class_id: int) -> ClassInfo | None:
        """One class, or None."""
        return next((one for one in self._classes if one.class_id == class_id), None)

    def load(self) -> None:
        """Ask for the classes."""
        self._jobs.submit(ClassesRequest()).finished.connect(self._take)

    def create(self, name: str, photo_ids: tuple[int, ...] = ()) -> None:
        """Make a class, and mark photos as its members."""
        self._waiting = photo_ids
        self._jobs.submit(CreateClassRequest(name)).finished.connect(self._take_created)

    def rename(self, class_id: int, name: str) -> None:
        """Give a class another name."""
        self._jobs.submit(RenameClassRequest(class_id, name)).finished.connect(self._take)

    def remove(self, class_id: int) -> None:
        """Forget a class."""
        self._jobs.submit(RemoveClassRequest(class_id)).finished.connect(self._take)

    def mark(self, class_id: int, photo_ids: tuple[int, ...], *, mark: Mark, is_answer: bool = False) -> None:
        """Mark photos."""
        request = MarkPhotosRequest(class_id, photo_ids, mark, is_answer)
        self._jobs.submit(request).finished.connect(self._take_marks)

    def ask_name(self, parent: QWidget, title: str, *, name: str = "") -> str:
        """Let the user type the name of a class; empty when the dialog was left."""
        text, is_accepted = QInputDialog.getText(
            parent, title, self.tr("Name of the class:"), QLineEdit.EchoMode.Normal, name
        )
        return text.strip() if is_accepted else ""

    def extend_menu(self, menu: QMenu, photos: tuple[PhotoRow, ...]) -> None:
        """Add the classes to a context menu of photos."""
        self._offered = tuple(photo.photo_id for photo in photos)
        part = menu.addMenu(theme.icon("classes"), self._menu_title(len(photos)))
        for one in self._classes[:_MOST_IN_MENU]:
            for mark, text in ((Mark.IS, self.tr("is  {}")), (Mark.IS_NOT, self.tr("is not  {}"))):
                shown = text.format(one.name.replace("&", "&&"))  # no letter to press
                action = part.addAction(shown, self._mark_by_menu)
                action.setData((one.class_id, str(mark)))
            part.addSeparator()
        part.addAction(self.tr("New class …"), self._create_by_menu)

    def _menu_title(self, photos: int) -> str:
        return self.tr("Class") if photos == 1 else self.tr("Class of these {}").format(photos)

    def _mark_by_menu(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            class_id, mark = action.data()
            self._mark_and_tell(class_id, self._offered, Mark(mark))

    def _create_by_menu(self) -> None:
        action = self.sender()
        parent = action.parent() if isinstance(action, QAction) else None
        while parent is not None and not isinstance(parent, QWidget):
            parent = parent.parent()
        if parent is not None:
            photo_ids = self._offered
            name = self.ask_name(parent.window(), self.tr("New class"))
            if name:
                self.create(name, photo_ids)

    def _mark_and_tell(self, class_id: int, photo_ids: tuple[int, ...], mark: Mark) -> None:
        """Mark photos of any page, and say so once they are marked: a failure shows its error alone."""
        handle = self._jobs.submit(MarkPhotosRequest(class_id, photo_ids, mark))
        handle.finished.connect(self._take_marks)
        handle.finished.connect(partial(self._tell_marked, len(photo_ids), mark))

    def _tell_marked(self, photos: int, mark: Mark, answer: ClassList) -> None:
        one = self.by_id(answer.changed)
        if one is None:
            return
        text = self.tr("{} marked: is {}.") if mark is Mark.IS else self.tr("{} marked: is not {}.")
        self.notice.emit(
            text.format(texts.photos_text(photos), one.name),
            self.tr("The page Classes proposes the rest."),
        )

    def _take(self, answer: ClassList) -> None:
        self._classes = answer.classes
        self.changed.emit(answer)

    def _take_created(self, answer: ClassList) -> None:
        self._take(answer)
        photo_ids, self._waiting = self._waiting, ()
        if photo_ids:
            self._mark_and_tell(answer.changed, photo_ids, Mark.IS)

    def _take_marks(self, answer: ClassList) -> None:
        self._take(answer)
        self.marked.emit(answer.changed)
