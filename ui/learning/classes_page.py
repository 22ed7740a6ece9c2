"""Classes of the user: mark a few photos, look through what is proposed, accept or reject, export."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.types import (
    ClassList,
    JobFailure,
    Mark,
    PhotoRow,
    Proposals,
    ProposeRequest,
    TagsExported,
)
from desktop_app.worker.latest_only import LatestOnly
from ui import texts
from ui.catalogue.photo_actions import PhotoActions
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.photo_view import PhotoView
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.learning.classes_export import ExportTagsDialog
from ui.learning.classes_marking import ClassMarking
from ui.learning.classes_model import ClassPhotoModel
from ui.widgets.controls import button, column, frame, label, row, separator, tool_button
from ui.widgets.elided_label import ElidedLabel
from ui.widgets.empty_state import EmptyState

_PANEL_PX = 252
_NAME_PX = _PANEL_PX - 56  # what margins leave of a line of the list
_TILE_PX = 132
_STRIP_PX = 76
_MOST = 120
_SURE = 0.9


class ClassesPage(QFrame):
    """The classes on the left, the proposals for the chosen one on the right.

    Signals:
        similar_wanted: Photos like this one are wanted (`PhotoRow`).
        invert_wanted: A face of this photo is to be inverted (`PhotoRow`).
        library_wanted: The user wants to see the library.
        notice: Something to tell the user (text, hint).

    Args:
        jobs: Answers requests.
        thumbnails: Where thumbnails come from.
        marking: Holds and changes the classes.
        parent: Qt owner.
    """

    similar_wanted = Signal(object)
    invert_wanted = Signal(object)
    library_wanted = Signal()
    notice = Signal(str, str)

    def __init__(
        self,
        jobs: JobCenter,
        thumbnails: ThumbnailCache,
        *,
        marking: ClassMarking,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._marking = marking
        self._chosen = 0
        self._shown = 0
        self._answers = LatestOnly(jobs.ask, self)
        self._actions = PhotoActions(self)
        self._actions.extend(marking.extend_menu)
        self._proposed = ClassPhotoModel(thumbnails, self)
        self._members = ClassPhotoModel(thumbnails, self)
        self._others = ClassPhotoModel(thumbnails, self)
        self._build_parts()
        self._build_ui()
        self._connect()

    # --- building -----------------------------------------------------------------------------------

    def _build_parts(self) -> None:
        self._list = QListWidget()
        self._list.setAccessibleName(self.tr("Classes"))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._new = button(self.tr("New class"), icon="folder_add", tip=self.tr("Make a class"))
        self._export = button(self.tr("Export tags …"), icon="save")
        self._rename = tool_button("document", self.tr("Rename this class"))
        self._remove = tool_button("remove", self.tr("Forget this class"))
        self._title = ElidedLabel(role="heading")
        self._facts = label(role="muted", wraps=True)
        self._warnings = label(role="problem", wraps=True)
        self._accept = button(self.tr("Accept"), icon="check", role="primary", tip=self.tr("It is (A)"))
        self._reject = button(self.tr("Reject"), icon="reject", tip=self.tr("It is not (R)"))
        self._accept_sure = button(self.tr("Accept all from 90 %"), role="link")
        self._grid = self._view(self._proposed, self.tr("Proposed photos"))
        self._grid.set_thumbnail_px(_TILE_PX)
        self._member_title, self._other_title = label(role="section"), label(role="section")
        self._member_strip = self._view(self._members, self.tr("Photos that are"))
        self._other_strip = self._view(self._others, self.tr("Photos that are not"))
        for strip in (self._member_strip, self._other_strip):
            strip.make_strip(_STRIP_PX)
        self._take_back = button(self.tr("Take the chosen mark back"), role="link")

    def _view(self, model: ClassPhotoModel, name: str) -> PhotoView:
        view = PhotoView(self._actions)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setModel(model)
        view.setAccessibleName(name)
        return view

    def _build_ui(self) -> None:
        self.setObjectName("page")
        panel = frame("sidePanel")
        panel.setFixedWidth(_PANEL_PX)
        box = column(label(self.tr("CLASSES"), role="section"), self._list)
        box.addLayout(row(self._new, None, self._rename, self._remove, spacing=2))
        box.addWidget(separator())
        box.addWidget(self._export)
        box.setContentsMargins(14, 14, 14, 14)
        panel.setLayout(box)
        first = button(self.tr("Make a class"), icon="classes", role="big")
        first.clicked.connect(self._create)
        text = self.tr(
            "Name something that you look for, mark 3 to 10 photos of it, and the program proposes the rest. "
            "What you accept or reject teaches it more. Nothing leaves this machine."
        )
        self._welcome = EmptyState("classes", self.tr("No classes yet"), text=text, buttons=(first,))
        self._message = EmptyState("classes", "")
        to_library = button(self.tr("Go to the library"), icon="library", role="big")
        to_library.clicked.connect(self.library_wanted)
        self._unmarked = EmptyState("classes", "", buttons=(to_library,))
        for state in (self._welcome, self._message, self._unmarked):
            state.setAcceptDrops(False)
        self._body = QFrame()
        self._body.setLayout(self._body_layout())
        self._stack = QStackedWidget()
        for page in (self._welcome, self._message, self._unmarked, self._body):
            self._stack.addWidget(page)
        main = row(panel, spacing=0)
        main.addWidget(self._stack, 1)
        self.setLayout(main)

    def _body_layout(self) -> QVBoxLayout:
        head = row(self._title, self._accept_sure, self._reject, self._accept)
        head.setStretch(0, 1)
        self._nothing = label(self.tr("Nothing is proposed."), role="muted")
        box = column(self._warnings, self._nothing, spacing=6)
        box.insertLayout(0, head)
        box.insertWidget(1, self._facts)
        box.addWidget(self._grid, 1)
        box.addWidget(separator())
        marks = row(spacing=18)
        for title, strip in (
            (self._member_title, self._member_strip),
            (self._other_title, self._other_strip),
        ):
            marks.addLayout(column(title, strip, spacing=2), 1)
        box.addLayout(marks)
        box.addLayout(row(None, self._take_back))
        box.setContentsMargins(18, 14, 14, 8)
        return box

    def _connect(self) -> None:
        self._new.clicked.connect(self._create)
        self._rename.clicked.connect(self._ask_rename)
        self._remove.clicked.connect(self._ask_remove)
        self._export.clicked.connect(self._ask_export)
        self._list.currentItemChanged.connect(self._choose)
        self._accept.clicked.connect(self._accept_chosen)
        self._reject.clicked.connect(self._reject_chosen)
        self._accept_sure.clicked.connect(self._accept_all_sure)
        self._take_back.clicked.connect(self._take_marks_back)
        self._answers.answered.connect(self._show_proposals)
        self._answers.failed.connect(self._show_failure)
        self._marking.changed.connect(self._show_classes)
        self._marking.marked.connect(self._follow_marks)
        self._actions.similar_wanted.connect(self.similar_wanted)
        self._actions.invert_wanted.connect(self.invert_wanted)
        self._actions.notice.connect(self._pass_notice)
        for keys, slot in (("A", self._accept_chosen), ("R", self._reject_chosen)):
            shortcut = QShortcut(QKeySequence(keys), self._grid)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(slot)
        for view in (self._grid, self._member_strip, self._other_strip):
            view.selectionModel().selectionChanged.connect(self._show_possible)
        self._show_classes(ClassList(()))

    # --- the list of classes ------------------------------------------------------------------------

    def _show_classes(self, answer: ClassList) -> None:
        wanted = answer.changed or self._chosen
        self._list.blockSignals(True)
        self._list.clear()
        for one in answer.classes:
            name = self._list.fontMetrics().elidedText(one.name, Qt.TextElideMode.ElideRight, _NAME_PX)
            item = QListWidgetItem(f"{name}\n{self._counts_text(one.members, one.others)}")
            item.setToolTip(one.name)
            item.setData(Qt.ItemDataRole.UserRole, one.class_id)
            self._list.addItem(item)
            if one.class_id == wanted:
                self._list.setCurrentItem(item)
        if self._list.currentItem() is None and self._list.count():
            self._list.setCurrentRow(0)
        self._list.blockSignals(False)
        for part in (self._rename, self._remove, self._export):
            part.setEnabled(bool(answer.classes))
        self._choose()

    def _counts_text(self, members: int, others: int) -> str:
        return self.tr("{} are  ·  {} are not").format(texts.count_text(members), texts.count_text(others))

    def _choose(self, *_items: object) -> None:
        item = self._list.currentItem()
        self._chosen = 0 if item is None else int(item.data(Qt.ItemDataRole.UserRole))
        if not self._chosen:
            self._shown = 0
            self._stack.setCurrentWidget(self._welcome)
        elif self._chosen != self._shown:
            self._ask()

    def _create(self) -> None:
        name = self._marking.ask_name(self, self.tr("New class"))
        if name:
            self._marking.create(name)

    def _ask_rename(self) -> None:
        one = self._marking.by_id(self._chosen)
        name = self._marking.ask_name(self, self.tr("Rename class"), name=one.name) if one else ""
        if name:
            self._marking.rename(self._chosen, name)

    def _ask_remove(self) -> None:
        one = self._marking.by_id(self._chosen)
        if one is None:
            return
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(self.tr("Forget class"))
        box.setText(self.tr("Forget the class '{}' and its marks?").format(one.name))
        box.setInformativeText(self.tr("The photos stay as they are; tags that were exported stay too."))
        forget = box.addButton(self.tr("Forget"), QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if box.clickedButton() is forget:
            self._marking.remove(one.class_id)

    def _ask_export(self) -> None:
        dialog = ExportTagsDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._start_export)
        self._dialog = dialog
        dialog.open()

    def _start_export(self) -> None:
        handle = self._jobs.follow(self._dialog.request(), self.tr("Exporting tags"))
        handle.finished.connect(self._tell_exported)

    def _tell_exported(self, done: TagsExported) -> None:
        text = self.tr("{} of {} exported.").format(
            self.tr("1 tag") if done.tags == 1 else self.tr("{} tags").format(texts.count_text(done.tags)),
            texts.photos_text(done.photos),
        )
        parts = []
        if done.sidecars or done.unchanged:
            parts.append(
                self.tr("{} sidecars written, {} held the tags already.").format(
                    done.sidecars, done.unchanged
                )
            )
        if done.problems:
            parts.append(self.tr("{} left out: {}").format(len(done.problems), done.problems[0][1]))
        self.notice.emit(text, " ".join(parts))

    # --- proposals ----------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self._chosen != self._shown:
            self._message.set_message(self.tr("Looking for photos of this class …"), "", icon="classes")
            self._stack.setCurrentWidget(self._message)
        self._answers.submit(ProposeRequest(self._chosen, _MOST))

    def _follow_marks(self, class_id: int) -> None:
        if class_id == self._chosen:
            self._ask()

    def _show_proposals(self, answer: Proposals) -> None:
        one = answer.class_info
        if one.class_id != self._chosen:
            return
        self._shown = one.class_id
        number = max(self._grid.currentIndex().row(), 0)
        self._proposed.set_proposals(answer.proposals, is_calibrated=answer.is_calibrated)
        self._members.set_photos(answer.members)
        self._others.set_photos(answer.others)
        self._title.show_text(self.tr("Is this {}?").format(one.name))
        self._facts.setText(self._facts_text(answer))
        self._warnings.setText("\n".join(answer.warnings))
        self._warnings.setVisible(bool(answer.warnings))
        self._nothing.setVisible(not answer.proposals)
        self._member_title.setText(self.tr("IS  ·  {}").format(len(answer.members)))
        self._other_title.setText(self.tr("IS NOT  ·  {}").format(len(answer.others)))
        sure = sum(proposal.confidence >= _SURE for proposal in answer.proposals)
        self._accept_sure.setVisible(sure > 0 and answer.is_calibrated)
        self._accept_sure.setText(self.tr("Accept the {} from 90 %").format(sure))
        self._stack.setCurrentWidget(self._body)
        self._select(min(number, len(answer.proposals) - 1))
        self._show_possible()

    def _facts_text(self, answer: Proposals) -> str:
        if not answer.proposals:
            return ""
        expected = max(round(answer.expected), 0)
        return self.tr(
            "Surest first. The percentage is the chance that the photo is of this class: of ten photos at "
            "80 %, about eight should be. About {} of {} are expected to be."
        ).format(texts.count_text(expected), texts.photos_text(answer.searched))

    def _show_failure(self, failure: JobFailure) -> None:
        self._shown = 0
        one = self._marking.by_id(self._chosen)
        if one is not None and not one.members:
            title = self.tr("Show the program what {} is").format(one.name)
            text = self.tr(
                "In the library, choose 3 to 10 photos that are (Ctrl+click), right-click and choose "
                "Class, is {}. A few that are not help too."
            ).format(one.name)
            self._unmarked.set_message(title, text, icon="classes")
            self._stack.setCurrentWidget(self._unmarked)
            return
        self._message.set_message(failure.message, failure.hint, icon="error")
        self._stack.setCurrentWidget(self._message)

    # --- answers ------------------------------------------------------------------------------------

    def _accept_chosen(self) -> None:
        self._answer(_chosen_ids(self._grid), Mark.IS)

    def _reject_chosen(self) -> None:
        self._answer(_chosen_ids(self._grid), Mark.IS_NOT)

    def _accept_all_sure(self) -> None:
        limit = texts.confidence_text(_SURE)
        ids = []
        for number in range(self._proposed.rowCount()):
            confidence = self._proposed.confidence_at(number)
            photo = self._proposed.photo_at(number)
            if photo is not None and confidence is not None and confidence >= _SURE:
                ids.append(photo.photo_id)
        self._answer(tuple(ids), Mark.IS)
        self.notice.emit(
            self.tr("{} from {} accepted.").format(texts.photos_text(len(ids)), limit),
            self.tr("A wrong one is taken back below: choose it among those that are."),
        )

    def _answer(self, photo_ids: tuple[int, ...], mark: Mark) -> None:
        if not photo_ids:
            return
        number = self._grid.currentIndex().row()
        self._proposed.drop(frozenset(photo_ids))
        self._select(min(max(number, 0), self._proposed.rowCount() - 1))
        self._marking.mark(self._chosen, photo_ids, mark=mark, is_answer=True)

    def _take_marks_back(self) -> None:
        photo_ids = _chosen_ids(self._member_strip) + _chosen_ids(self._other_strip)
        if photo_ids:
            self._marking.mark(self._chosen, photo_ids, mark=Mark.NONE)

    def _select(self, number: int) -> None:
        if number >= 0:
            index = self._proposed.index(number, 0)
            self._grid.selectionModel().setCurrentIndex(
                index, QItemSelectionModel.SelectionFlag.ClearAndSelect
            )

    def _show_possible(self, *_changes: object) -> None:
        has_chosen = bool(self._grid.selectionModel().selectedIndexes())
        self._accept.setEnabled(has_chosen)
        self._reject.setEnabled(has_chosen)
        strips = (self._member_strip, self._other_strip)
        self._take_back.setEnabled(any(strip.selectionModel().selectedIndexes() for strip in strips))

    def _pass_notice(self, text: str) -> None:
        self.notice.emit(text, "")

    def showEvent(self, event: QShowEvent) -> None:
        """Load when shown; what was indexed meanwhile is judged too."""
        super().showEvent(event)
        self._shown = 0
        self._marking.load()


def _chosen_ids(view: PhotoView) -> tuple[int, ...]:
    photos: list[PhotoRow] = [index.data(PhotoRole.ROW) for index in view.selectionModel().selectedIndexes()]
    return tuple(photo.photo_id for photo in photos if photo is not None)
