"""The marked groups, each as a row of photos with a button that takes the mark off."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from desktop_app.core.types import MarkedGroup
from ui import texts
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.learning.photo_strip import PhotoStrip
from ui.widgets.controls import column, frame, label, row, tool_button

MOST_SHOWN = 24
_SIDE_PX = 56


class GroupList(QFrame):
    """Shows the newest groups.

    Signals:
        remove_wanted: A group is to be taken apart (`MarkedGroup`).

    Args:
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    remove_wanted = Signal(object)

    def __init__(self, thumbnails: ThumbnailCache, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._groups: tuple[MarkedGroup, ...] = ()
        self._rows: list[QWidget] = []
        self._text = label(role="muted", wraps=True)
        self._box = column(self._text, spacing=8)
        self.setLayout(self._box)
        self.setAccessibleName(self.tr("Marked groups"))
        self.set_groups(())

    @property
    def groups(self) -> tuple[MarkedGroup, ...]:
        """What is shown."""
        return self._groups

    def set_groups(self, groups: tuple[MarkedGroup, ...]) -> None:
        """Show groups, newest first."""
        self._groups = groups
        for old in self._rows:
            self._box.removeWidget(old)
            old.deleteLater()
        self._rows = [self._row(group) for group in groups[:MOST_SHOWN]]
        for made in self._rows:
            self._box.addWidget(made)
        self._text.setText(self._told(groups))

    def _told(self, groups: tuple[MarkedGroup, ...]) -> str:
        if not groups:
            return self.tr(
                "None yet. In the library choose photos that belong together (Ctrl+click, Shift+click) and "
                "press G. Ten groups of four or five photos change a search noticeably."
            )
        photos = texts.photos_text(sum(len(group.photos) for group in groups))
        text = self.tr("1 group") if len(groups) == 1 else self.tr("{} groups").format(len(groups))
        shown = f"{text}, {photos}"
        return shown if len(groups) <= MOST_SHOWN else shown + self.tr("; the newest {}").format(MOST_SHOWN)

    def _row(self, group: MarkedGroup) -> QFrame:
        strip = PhotoStrip(self._thumbnails, side_px=_SIDE_PX)
        strip.set_photos(group.photos)
        strip.setAccessibleName(texts.photos_text(len(group.photos)))
        remove = tool_button("close", self.tr("Take this group apart"))
        remove.clicked.connect(lambda: self.remove_wanted.emit(group))
        line = row(strip, remove, spacing=10)
        line.setStretch(0, 1)
        line.setContentsMargins(10, 8, 8, 8)
        return frame("card", line)
