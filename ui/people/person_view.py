"""The faces of one person, or what a search for a face found; here faces change hands."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QFrame, QMenu, QStackedWidget, QWidget

from desktop_app.core.types import FaceSearchResult, FaceTile, PersonFaces, PersonInfo
from ui import texts, theme
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.photo_view import PhotoView
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.people.people_model import FaceModel
from ui.widgets.controls import button, column, label, row, tool_button
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.empty_state import EmptyState

_TILE_PX = 138
_MOST_IN_MENU = 12


class PersonView(QFrame):
    """A heading and a grid of faces.

    Signals:
        closed: The user wants to go back.
        rename_wanted, hide_wanted: For the person that is shown.
        move_wanted: Faces go to a person (tuple of ids, person; 0: nobody, -1: a new one).
        more_wanted: More photos of the person with this face (`FaceTile`).

    Args:
        thumbnails: Where pictures come from.
        actions: What the context menu offers for photos.
        parent: Qt owner.
    """

    closed = Signal()
    rename_wanted = Signal()
    hide_wanted = Signal()
    move_wanted = Signal(object, object)
    more_wanted = Signal(object)

    def __init__(
        self, thumbnails: ThumbnailCache, *, actions: PhotoActions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._person: PersonInfo | None = None
        self._people: tuple[PersonInfo, ...] = ()
        self._is_search = False
        self._model = FaceModel(thumbnails, self)
        self._grid = _FaceGrid(actions, self)
        self._build_ui()
        self._connect()

    @property
    def person(self) -> PersonInfo | None:
        """Who is shown."""
        return self._person

    def set_people(self, people: tuple[PersonInfo, ...]) -> None:
        """People that faces can be given to."""
        self._people = tuple(person for person in people if person.name)

    def show_person(self, answer: PersonFaces) -> None:
        """Show the faces of a person, or of nobody."""
        self._person, self._is_search = answer.person, False
        self._model.set_faces(answer.faces)
        person = answer.person
        if person is None:
            self._title.show_text(self.tr("Faces seen once"))
            self._facts.setText(self.tr("They are like no other face enough to make a group."))
        else:
            self._title.show_text(person.name or self.tr("Who is this?"))
            faces = self.tr("1 face") if person.faces == 1 else self.tr("{} faces").format(person.faces)
            self._facts.setText(
                self.tr("{} in {}, the most typical first").format(faces, texts.photos_text(person.photos))
            )
            self._rename.setText(self.tr(" Rename") if person.name else self.tr(" Give a name"))
            self._hide.setText(self.tr(" Show in the list") if person.is_hidden else self.tr(" Hide"))
        for part in (self._rename, self._hide):
            part.setVisible(person is not None)
        self._stack.setCurrentWidget(self._grid)
        self._show_possible()

    def show_search(self, answer: FaceSearchResult, title: str) -> None:
        """Show what looks like one face."""
        self._person, self._is_search = None, True
        self._model.set_hits(answer.hits)
        likely = sum(hit.is_likely for hit in answer.hits)
        self._title.show_text(self.tr("More photos of {}").format(title))
        parts = [
            self._likely_text(likely, others=len(answer.hits) - likely)
            if likely
            else self.tr("None of them is probably this person; these look most alike.")
        ]
        if answer.faces_in_query > 1:
            parts.append(
                self.tr("The picture holds {} faces: the largest was looked for.").format(
                    answer.faces_in_query
                )
            )
        parts.append(self.tr("From {:.2f} on, two faces count as one person.").format(answer.threshold))
        self._facts.setText(" ".join(parts))
        for part in (self._rename, self._hide):
            part.hide()
        if answer.hits:
            self._stack.setCurrentWidget(self._grid)
        else:
            self.say(
                self.tr("No other photo of this person was found"),
                self.tr("No other face of the library is like this one."),
            )
        self._show_possible()

    def _likely_text(self, likely: int, *, others: int) -> str:
        shown = (
            self.tr("1 photo probably shows this person")
            if likely == 1
            else self.tr("{} probably show this person").format(texts.photos_text(likely))
        )
        return f"{shown}; {self.tr('the others only look alike.')}" if others else f"{shown}."

    def say(self, title: str, text: str, *, icon: str = "people") -> None:
        """Show a message in place of the faces."""
        self._message.set_message(title, text, icon=icon)
        self._stack.setCurrentWidget(self._message)
        self._show_possible()

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self._back = tool_button("back", self.tr("Back to all people (Esc)"))
        self._title = ElidedLabel(role="heading")
        self._facts = label(role="muted", wraps=True)
        self._more = button(self.tr("More photos of this person"), icon="search")
        self._rename = button(self.tr("Give a name"), icon="tune")
        self._hide = button(self.tr("Hide"), icon="hide", tip=self.tr("Leave this person out of the list"))
        self._remove = button(
            self.tr("Not this person"), icon="reject", tip=self.tr("Take the chosen faces out (Delete)")
        )
        self._grid.setModel(self._model)
        self._grid.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._grid.set_thumbnail_px(_TILE_PX)
        self._grid.setAccessibleName(self.tr("Faces"))
        self._message = EmptyState("people", "")
        self._message.setAcceptDrops(False)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._grid)
        self._stack.addWidget(self._message)
        head = row(self._back, spacing=10)
        head.addLayout(column(self._title, self._facts, spacing=2), 1)
        for part in (self._more, self._remove, self._hide, self._rename):
            head.addWidget(part)
        box = column(spacing=10)
        box.addLayout(head)
        box.addWidget(self._stack, 1)
        box.setContentsMargins(18, 14, 14, 8)
        self.setLayout(box)

    def _connect(self) -> None:
        self._back.clicked.connect(self.closed)
        self._rename.clicked.connect(self.rename_wanted)
        self._hide.clicked.connect(self.hide_wanted)
        self._remove.clicked.connect(self._take_out)
        self._more.clicked.connect(self._want_more)
        self._grid.menu_extender.wanted.connect(self._extend_menu)
        self._grid.selectionModel().selectionChanged.connect(self._show_possible)
        self._grid.opened.connect(self._open_face)
        for keys, slot in (("Delete", self._take_out), ("F2", self.rename_wanted), ("Esc", self.closed)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)

    # --- faces --------------------------------------------------------------------------------------

    def selected_faces(self) -> tuple[FaceTile, ...]:
        """The chosen faces."""
        rows = sorted(index.row() for index in self._grid.selectionModel().selectedIndexes())
        return tuple(self._model.face_at(number) for number in rows)

    def _show_possible(self, *_changes: object) -> None:
        chosen = len(self._grid.selectionModel().selectedIndexes())
        is_grid = self._stack.currentWidget() is self._grid
        self._remove.setVisible(self._person is not None)
        self._remove.setEnabled(bool(chosen))
        self._more.setEnabled(is_grid and (chosen == 1 or (self._person is not None and not chosen)))
        self._more.setVisible(is_grid)

    def _take_out(self) -> None:
        faces = self.selected_faces()
        if faces and self._person is not None:
            self.move_wanted.emit(tuple(face.face_id for face in faces), 0)

    def _want_more(self) -> None:
        faces = self.selected_faces()
        if not faces and self._model.rowCount():
            faces = (self._model.face_at(0),)
        if faces:
            self.more_wanted.emit(faces[0])

    def _open_face(self, index: QModelIndex) -> None:
        self.more_wanted.emit(self._model.face_at(index.row()))

    def _extend_menu(self, menu: QMenu) -> None:
        """Whose the chosen faces are."""
        faces = self.selected_faces()
        if not faces:
            return
        menu.addAction(theme.icon("search"), self.tr("More photos of this person"), self._want_more)
        part = menu.addMenu(theme.icon("people"), self.tr("This is"))
        for person in self._people[:_MOST_IN_MENU]:
            action = part.addAction(person.name, self._give_by_menu)
            action.setData(person.person_id)
        if self._people:
            part.addSeparator()
        new = part.addAction(self.tr("Somebody else, a new person"), self._give_by_menu)
        new.setData(-1)
        if self._person is not None:
            menu.addAction(theme.icon("reject"), self.tr("Not this person"), self._take_out)

    def _give_by_menu(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            faces = tuple(face.face_id for face in self.selected_faces())
            self.move_wanted.emit(faces, int(action.data()))


class _MenuExtender(QObject):
    """Tells that a context menu is about to be filled (`QMenu`)."""

    wanted = Signal(object)


class _FaceGrid(PhotoView):
    """A view of faces whose menu begins with what can be done with faces."""

    def __init__(self, actions: PhotoActions, parent: QWidget | None = None) -> None:
        super().__init__(actions, parent)
        self.menu_extender = _MenuExtender(self)
        self._face_actions = actions

    def _open_menu(self, point: QPoint) -> None:
        index = self.indexAt(point)
        if not index.isValid():
            index = self.currentIndex()
            point = self.visualRect(index).center()
        photo = index.data(PhotoRole.ROW) if index.isValid() else None
        if photo is None:
            return
        menu = self._face_actions.menu(photo, self, chosen=self.selected_photos())
        first = menu.actions()[0]
        own = QMenu(menu)
        self.menu_extender.wanted.emit(own)
        for action in own.actions():
            menu.insertAction(first, action)
        menu.insertSeparator(first)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.viewport().mapToGlobal(point))
