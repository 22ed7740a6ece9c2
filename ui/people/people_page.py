"""People of the library: found on request, grouped, named; and more photos of one person."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QInputDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QStackedWidget,
    QWidget,
)

from desktop_app.core.types import (
    FaceSearchRequest,
    FaceSearchResult,
    FaceTile,
    FindPeopleRequest,
    ForgetFacesRequest,
    HidePersonRequest,
    JobFailure,
    MergePeopleRequest,
    MoveFacesRequest,
    NamePersonRequest,
    PeopleList,
    PeopleRequest,
    PersonFaces,
    PersonFacesRequest,
    PersonInfo,
    PhotoRow,
    PhotoSource,
    Progress,
)
from desktop_app.worker.latest_only import LatestOnly
from ui import texts, theme
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.people.people_model import PeopleModel, PersonRole
from ui.people.person_delegate import CAPTION_PX, PersonDelegate
from ui.people.person_view import PersonView
from ui.widgets.controls import button, column, label, row
from ui.widgets.empty_state import EmptyState
from ui.widgets.tile_view import TileView

_TILE_PX = 158


class PeoplePage(QFrame):
    """All people as a grid, one person as a grid of faces.

    Signals:
        similar_wanted, invert_wanted: For a photo (`PhotoRow`).
        shown_wanted: The page wants to be in front: it answers a request of another page.
        notice: Something to tell the user (text, hint).
        people_changed: People are others than before.

    Args:
        jobs: Answers requests.
        thumbnails: Where pictures come from.
        parent: Qt owner.
    """

    similar_wanted = Signal(object)
    invert_wanted = Signal(object)
    shown_wanted = Signal()
    notice = Signal(str, str)
    people_changed = Signal()

    def __init__(self, jobs: JobCenter, thumbnails: ThumbnailCache, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._list = PeopleList((), 0, 0, 0, 0)
        self._is_finding = False
        self._is_known = False
        self._person_id = 0
        self._title = ""
        self._offered: PhotoRow | None = None
        self._actions = PhotoActions(self)
        self._faces = LatestOnly(jobs.ask, self)
        self._searches = LatestOnly(jobs.ask, self)
        self._model = PeopleModel(thumbnails, self)
        self._person = PersonView(thumbnails, actions=self._actions)
        self._build_ui()
        self._connect()
        self._show_list(self._list)

    @property
    def photo_actions(self) -> PhotoActions:
        """What the context menus of faces offer for their photos."""
        return self._actions

    def load(self) -> None:
        """Ask for the people."""
        self._jobs.submit(PeopleRequest()).finished.connect(self._take_list)

    def search_photo(self, photo: PhotoRow) -> None:
        """Look for more photos of the person in a photo of the library."""
        self._search(FaceSearchRequest(source=PhotoSource(photo_id=photo.photo_id)), self.tr("this person"))

    def extend_menu(self, menu: QMenu, photos: tuple[PhotoRow, ...]) -> None:
        """Offer more photos of the person in a photo, where faces were looked for."""
        if len(photos) == 1 and self._list.faces:
            self._offered = photos[0]
            menu.addAction(theme.icon("people"), self.tr("More photos of this person"), self._search_offered)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self.setObjectName("page")
        find = button(self.tr("Find people"), icon="people", role="big")
        find.clicked.connect(self.find_people)
        self._welcome = EmptyState("people", "", buttons=(find,))
        self._stop = button(self.tr("Stop"))
        self._busy = EmptyState("people", self.tr("Looking for faces …"), buttons=(self._stop,))
        for state in (self._welcome, self._busy):
            state.setAcceptDrops(False)
        self._welcome_button = find
        self._grid = TileView()
        self._grid.setItemDelegate(PersonDelegate(self._grid))
        self._grid.setModel(self._model)
        self._grid.set_tiles(_TILE_PX, caption_px=CAPTION_PX)
        self._grid.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._grid.setAccessibleName(self.tr("People"))
        self._grid.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._body = QFrame()
        self._build_body()
        self._stack = QStackedWidget()
        for page in (self._welcome, self._busy, self._body, self._person):
            self._stack.addWidget(page)
        self.setLayout(column(self._stack, spacing=0))

    def _build_body(self) -> None:
        self._facts = label(role="muted", wraps=True)
        self._problem = label(role="problem", wraps=True)
        self._find = button(self.tr("Find people"), icon="refresh")
        self._join = button(
            self.tr("These are one person"), icon="group", tip=self.tr("Join the chosen people (J)")
        )
        self._name = button(self.tr("Give a name"), icon="tune", tip=self.tr("Name the chosen person (F2)"))
        self._loose = button("", role="link")
        self._hidden = button("", role="link")
        self._hidden.setCheckable(True)
        self._forget = button(self.tr("Forget all faces …"), role="link")
        head = row(spacing=8)
        head.addLayout(column(label(self.tr("People"), role="heading"), self._facts, spacing=2), 1)
        for part in (self._join, self._name, self._find):
            head.addWidget(part)
        box = column(spacing=8)
        box.addLayout(head)
        box.addWidget(self._problem)
        box.addWidget(self._grid, 1)
        box.addLayout(row(self._loose, self._hidden, None, self._forget, spacing=14))
        box.setContentsMargins(18, 14, 14, 8)
        self._body.setLayout(box)

    def _connect(self) -> None:
        self._find.clicked.connect(self.find_people)
        self._stop.clicked.connect(self._stop_finding)
        self._join.clicked.connect(self._join_chosen)
        self._name.clicked.connect(self._name_chosen)
        self._loose.clicked.connect(self._show_loose)
        self._hidden.toggled.connect(self._show_hidden)
        self._forget.clicked.connect(self._ask_forget)
        self._grid.opened.connect(self._open_person)
        self._grid.selectionModel().selectionChanged.connect(self._show_possible)
        self._grid.customContextMenuRequested.connect(self._open_menu)
        self._faces.answered.connect(self._show_faces)
        self._faces.failed.connect(self._show_failure)
        self._searches.answered.connect(self._show_search)
        self._searches.failed.connect(self._show_failure)
        self._person.closed.connect(self._show_all)
        self._person.rename_wanted.connect(self._name_shown)
        self._person.hide_wanted.connect(self._hide_shown)
        self._person.move_wanted.connect(self._move)
        self._person.more_wanted.connect(self._search_face)
        self._actions.similar_wanted.connect(self.similar_wanted)
        self._actions.invert_wanted.connect(self.invert_wanted)
        self._actions.notice.connect(self._pass_notice)
        for keys, slot in (("F2", self._name_chosen), ("J", self._join_chosen)):
            shortcut = QShortcut(QKeySequence(keys), self._grid)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(slot)

    # --- finding people -----------------------------------------------------------------------------

    def find_people(self) -> None:
        """Look for faces in the photos that were not looked at yet."""
        if self._is_finding:
            return
        self._is_finding = True
        self._find.setEnabled(False)
        handle = self._jobs.follow(FindPeopleRequest(), self.tr("Finding people"))
        self._handle = handle
        handle.progress.connect(self._show_progress)
        handle.finished.connect(self._take_found)
        handle.failed.connect(self._end_finding)
        handle.cancelled.connect(self._end_finding)
        if not self._list.faces:
            self._stack.setCurrentWidget(self._busy)

    def _show_progress(self, progress: Progress) -> None:
        text = progress.text
        if progress.total:
            text = self.tr("{} of {}").format(
                texts.count_text(progress.done), texts.photos_text(progress.total)
            )
        self._busy.set_message(self.tr("Looking for faces …"), text, icon="people")

    def _stop_finding(self) -> None:
        self._handle.cancel()

    def _take_found(self, answer: PeopleList) -> None:
        self._is_finding = False
        self._find.setEnabled(True)
        self._show_list(answer)
        self.people_changed.emit()
        if not answer.faces:
            self.notice.emit(
                self.tr("No face was found in {}.").format(texts.photos_text(answer.searched)), ""
            )

    def _end_finding(self, _ending: object = None) -> None:
        self._is_finding = False
        self._find.setEnabled(True)
        self.load()

    # --- the list -----------------------------------------------------------------------------------

    def _take_list(self, answer: PeopleList) -> None:
        self._is_known = True
        self._show_list(answer)

    def _show_list(self, answer: PeopleList) -> None:
        self._list = answer
        hidden = sum(person.is_hidden for person in answer.people)
        shown = tuple(p for p in answer.people if not p.is_hidden or self._hidden.isChecked())
        chosen = {person.person_id for person in self._chosen()}
        self._model.set_people(shown)
        self._select(chosen or ({answer.changed} if answer.changed else set()))
        self._person.set_people(answer.people)
        self._facts.setText(self._facts_text(answer))
        self._problem.setText(answer.problem)
        self._problem.setVisible(bool(answer.problem))
        self._find.setText(self._find_text(answer))
        self._loose.setText(self.tr("Faces seen once: {}").format(texts.count_text(answer.loose)))
        self._loose.setVisible(answer.loose > 0)
        self._hidden.setText(
            self.tr("Leave {} hidden out").format(hidden)
            if self._hidden.isChecked()
            else self.tr("Show {} hidden").format(hidden)
        )
        self._hidden.setVisible(hidden > 0 or self._hidden.isChecked())
        self._forget.setVisible(answer.searched > 0)
        if self._stack.currentWidget() is not self._person and not (self._is_finding and not answer.faces):
            self._show_front()
        self._show_possible()

    def _show_front(self) -> None:
        """The grid of people, or why there is none."""
        answer = self._list
        if answer.faces or any(person.name for person in answer.people):
            self._stack.setCurrentWidget(self._body)
            return
        if answer.searched and not answer.waiting:
            title = self.tr("No face was found")
            text = self.tr(
                "None of {} shows a face that is large and clear enough. Add photos of people to the library."
            ).format(texts.photos_text(answer.searched))
        else:
            title = self.tr("Find people in your photos")
            text = self.tr(
                "The program looks for faces, groups those that are alike, and you give names. Faces are "
                "described by numbers that are kept beside your library, on this machine only, until you "
                "press Forget all faces. It is a small model: it mistakes people now and then, and must not "
                "be used to identify strangers."
            )
        has_photos = bool(answer.waiting or answer.searched) or not self._is_known
        if not has_photos:
            text = self.tr("The library is empty. Add a folder of photos first.") + "\n\n" + text
        self._welcome.set_message(title, text, icon="people")
        self._welcome_button.setVisible(has_photos and bool(answer.waiting or not answer.searched))
        self._stack.setCurrentWidget(self._welcome)

    def _facts_text(self, answer: PeopleList) -> str:
        named = sum(bool(person.name) for person in answer.people)
        people = self.tr("1 person") if len(answer.people) == 1 else self.tr("{} people").format(
            texts.count_text(len(answer.people))
        )  # fmt: skip
        return self.tr("{}, {} with a name  ·  {} faces in {}").format(
            people,
            texts.count_text(named),
            texts.count_text(answer.faces),
            texts.photos_text(answer.searched),
        )

    def _find_text(self, answer: PeopleList) -> str:
        if not answer.waiting:
            return self.tr(" Group again")
        return self.tr(" Look through {}").format(texts.photos_text(answer.waiting))

    def _chosen(self) -> list[PersonInfo]:
        rows = sorted(index.row() for index in self._grid.selectionModel().selectedIndexes())
        return [self._model.index(number, 0).data(PersonRole.PERSON) for number in rows]

    def _select(self, person_ids: set[int]) -> None:
        for person_id in person_ids:
            number = self._model.row_of(person_id)
            if number >= 0:
                flags = self._grid.selectionModel().SelectionFlag
                self._grid.selectionModel().select(self._model.index(number, 0), flags.Select)
                self._grid.scrollTo(self._model.index(number, 0))

    def _show_possible(self, *_changes: object) -> None:
        chosen = len(self._grid.selectionModel().selectedIndexes())
        self._join.setVisible(chosen > 1)
        self._name.setVisible(chosen == 1)

    def _show_hidden(self, _is_shown: bool) -> None:
        self._show_list(self._list)

    # --- one person ---------------------------------------------------------------------------------

    def _open_person(self, index: QModelIndex) -> None:
        person: PersonInfo | None = index.data(PersonRole.PERSON)
        if person is not None:
            self._ask_faces(person.person_id)

    def _show_loose(self) -> None:
        self._ask_faces(0)

    def _ask_faces(self, person_id: int) -> None:
        self._person_id = person_id
        self._faces.submit(PersonFacesRequest(person_id))

    def _show_faces(self, answer: PersonFaces) -> None:
        shown = answer.person.person_id if answer.person is not None else 0
        if shown == self._person_id:
            self._person.show_person(answer)
            self._stack.setCurrentWidget(self._person)
        else:
            self._show_all()  # the last face of a person was taken out

    def _show_failure(self, failure: JobFailure) -> None:
        self._person.say(failure.message, failure.hint, icon="error")
        self._stack.setCurrentWidget(self._person)

    def _show_all(self) -> None:
        self._searches.cancel()
        self._person_id = 0
        self._show_front()
        self._grid.setFocus()

    # --- more photos of a person --------------------------------------------------------------------

    def _search_offered(self) -> None:
        if self._offered is not None:
            self.search_photo(self._offered)

    def _search_face(self, face: FaceTile) -> None:
        person = next((p for p in self._list.people if p.person_id == face.person_id), None)
        title = person.name if person is not None and person.name else self.tr("this person")
        self._search(FaceSearchRequest(face_id=face.face_id), title)

    def _search(self, request: FaceSearchRequest, title: str) -> None:
        self._title = title
        self._person.say(self.tr("Looking for this person …"), "", icon="search")
        self._stack.setCurrentWidget(self._person)
        self._searches.submit(request)
        self.shown_wanted.emit()

    def _show_search(self, answer: FaceSearchResult) -> None:
        self._person.show_search(answer, self._title)

    # --- changes ------------------------------------------------------------------------------------

    def _change(self, request: object) -> None:
        handle = self._jobs.submit(request)
        handle.finished.connect(self._take_change)

    def _take_change(self, answer: PeopleList) -> None:
        self._show_list(answer)
        self.people_changed.emit()
        if self._stack.currentWidget() is self._person and self._person.person is not None:
            gone = all(p.person_id != self._person_id for p in answer.people)
            self._ask_faces(answer.changed if gone and answer.changed else self._person_id)

    def _ask_name(self, person: PersonInfo) -> None:
        known = self.tr("The name of another person joins the two.")
        text, is_accepted = QInputDialog.getText(
            self,
            self.tr("Who is this?"),
            self.tr("Name of this person:") + f"\n{known}",
            QLineEdit.EchoMode.Normal,
            person.name,
        )
        if is_accepted and text.strip():
            self._change(NamePersonRequest(person.person_id, text.strip()))

    def _name_chosen(self) -> None:
        chosen = self._chosen()
        if len(chosen) == 1:
            self._ask_name(chosen[0])

    def _name_shown(self) -> None:
        if self._person.person is not None:
            self._ask_name(self._person.person)

    def _hide_shown(self) -> None:
        person = self._person.person
        if person is not None:
            self._change(HidePersonRequest(person.person_id, not person.is_hidden))

    def _join_chosen(self) -> None:
        chosen = tuple(person.person_id for person in self._chosen())
        if len(chosen) > 1:
            self._change(MergePeopleRequest(chosen))

    def _move(self, face_ids: tuple[int, ...], person_id: int) -> None:
        self._change(MoveFacesRequest(face_ids, person_id))

    def _open_menu(self, point: QPoint) -> None:
        chosen = self._chosen()
        if not chosen:
            return
        menu = QMenu(self._grid)
        if len(chosen) == 1:
            menu.addAction(theme.icon("tune"), self.tr("Give a name …"), self._name_chosen)
        else:
            menu.addAction(theme.icon("group"), self.tr("These are one person"), self._join_chosen)
        text = self.tr("Show in the list") if chosen[0].is_hidden else self.tr("Hide")
        menu.addAction(theme.icon("hide"), text, self._hide_chosen)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._grid.viewport().mapToGlobal(point))

    def _hide_chosen(self) -> None:
        chosen = self._chosen()
        self._grid.clearSelection()
        for person in chosen:
            self._change(HidePersonRequest(person.person_id, not chosen[0].is_hidden))

    def _ask_forget(self) -> None:
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle(self.tr("Forget all faces"))
        box.setText(self.tr("Wipe all faces, names and groups of people from this machine?"))
        box.setInformativeText(self.tr("Photos stay as they are. This cannot be undone."))
        forget = box.addButton(self.tr("Forget all faces"), QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if box.clickedButton() is forget:
            self._change(ForgetFacesRequest())
            self.notice.emit(self.tr("All faces were forgotten."), "")

    def _pass_notice(self, text: str) -> None:
        self.notice.emit(text, "")

    # --- Qt -----------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Load when the page is first seen, and look again whenever it is."""
        super().showEvent(event)
        if not self._is_finding:
            self.load()
