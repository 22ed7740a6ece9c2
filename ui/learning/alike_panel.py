"""The choices of what counts as alike: a box for each, with what it finds or why it cannot be chosen."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QWidget

from desktop_app.core.types import AlikeChoice, AlikeKind
from ui import texts
from ui.widgets.controls import column, label

_INDENT_PX = 28


class AlikePanel(QFrame):
    """Boxes for all kinds of likeness.

    Signals:
        changed: Another set of kinds is chosen.

    Args:
        parent: Qt owner.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: dict[AlikeKind, QCheckBox] = {}
        self._notes: dict[AlikeKind, QLabel] = {}
        self._has_options = False
        self._is_locked = False
        self._possible: set[AlikeKind] = set()
        self._build_ui()

    def chosen(self) -> tuple[AlikeKind, ...]:
        """The kinds that are chosen and possible."""
        return tuple(kind for kind, box in self._boxes.items() if box.isChecked() and kind in self._possible)

    def set_choices(self, choices: tuple[AlikeChoice, ...]) -> None:
        """Show what the library offers; at first views, and groups where there are some, are chosen."""
        was_possible = set(self._possible)
        self._possible = {choice.kind for choice in choices if not choice.problem}
        for choice in choices:
            self._notes[choice.kind].setText(choice.problem or self._found(choice))
            is_new_group = choice.kind is AlikeKind.GROUPS and choice.kind not in was_possible
            if choice.kind in self._possible and (is_new_group or not self._has_options):
                self._boxes[choice.kind].setChecked(choice.kind in (AlikeKind.VIEWS, AlikeKind.GROUPS))
        self._has_options = True
        self._apply()

    def set_locked(self, is_locked: bool) -> None:
        """Nothing can be changed while a tuning runs."""
        self._is_locked = is_locked
        self._apply()

    def _build_ui(self) -> None:
        titles = {
            AlikeKind.VIEWS: self.tr("Views of one photo"),
            AlikeKind.GROUPS: self.tr("Groups that I marked"),
            AlikeKind.BURSTS: self.tr("Bursts"),
            AlikeKind.FOLDERS: self.tr("Photos of one folder"),
            AlikeKind.PEOPLE: self.tr("Photos of one person"),
        }
        box = column(spacing=2)
        for kind, title in titles.items():
            check = QCheckBox(title)
            check.setAccessibleName(title)
            check.toggled.connect(self.changed)
            note = label(role="value", wraps=True)
            note.setContentsMargins(_INDENT_PX, 0, 0, 6)
            self._boxes[kind], self._notes[kind] = check, note
            box.addWidget(check)
            box.addWidget(note)
        self.setLayout(box)

    def _apply(self) -> None:
        for kind, check in self._boxes.items():
            check.setEnabled(kind in self._possible and not self._is_locked)

    def _found(self, choice: AlikeChoice) -> str:
        if choice.kind is AlikeKind.VIEWS:
            return self.tr("cropped, mirrored, a little brighter or darker")
        if choice.kind is AlikeKind.BURSTS:
            return self.tr("taken within seconds, by the time in the files")
        sets, photos = choice.sets or 0, texts.photos_text(choice.photos or 0)
        if choice.kind is AlikeKind.GROUPS:
            text = self.tr("1 group") if sets == 1 else self.tr("{} groups").format(texts.count_text(sets))
        elif choice.kind is AlikeKind.PEOPLE:
            text = self.tr("1 person") if sets == 1 else self.tr("{} people").format(texts.count_text(sets))
        else:
            text = self.tr("1 folder") if sets == 1 else self.tr("{} folders").format(texts.count_text(sets))
        return f"{text}, {photos}"
