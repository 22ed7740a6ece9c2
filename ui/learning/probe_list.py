"""Neighbours of a few photos before and after a tuning, below each other."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QGridLayout, QWidget

from desktop_app.core.types import ProbeNeighbours
from ui import texts
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.learning.photo_strip import PhotoStrip
from ui.widgets.controls import column, frame, label

_PHOTO_PX, _SIDE_PX = 124, 58


class ProbeList(QFrame):
    """One card for each photo: itself, neighbours before, neighbours after with the new ones framed.

    Args:
        thumbnails: Where thumbnails come from.
        parent: Qt owner.
    """

    def __init__(self, thumbnails: ThumbnailCache, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._cards: list[QWidget] = []
        self.strips: list[tuple[PhotoStrip, PhotoStrip]] = []
        self._box = column(spacing=8)
        self.setLayout(self._box)
        self.setAccessibleName(self.tr("Neighbours before and after"))

    def set_probes(self, probes: tuple[ProbeNeighbours, ...]) -> None:
        """Show other photos."""
        for old in self._cards:
            self._box.removeWidget(old)
            old.deleteLater()
        self.strips = []
        self._cards = [self._card(probe) for probe in probes]
        for card in self._cards:
            self._box.addWidget(card)

    def _card(self, probe: ProbeNeighbours) -> QFrame:
        photo = PhotoStrip(self._thumbnails, side_px=_PHOTO_PX)
        photo.setFixedWidth(_PHOTO_PX)
        photo.set_photos((probe.photo,))
        photo.setAccessibleName(texts.name_text(probe.photo.path))
        before, after = (PhotoStrip(self._thumbnails, side_px=_SIDE_PX) for _ in range(2))
        before.set_photos(probe.before)
        after.set_photos(probe.after, new=_new(probe))
        before.setAccessibleName(self.tr("Neighbours before"))
        after.setAccessibleName(self.tr("Neighbours after"))
        self.strips.append((before, after))
        grid = QGridLayout()
        grid.setContentsMargins(10, 10, 10, 10)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(8)
        grid.addWidget(photo, 0, 0, 2, 1)
        grid.addWidget(label(self.tr("before"), role="muted"), 0, 1)
        grid.addWidget(before, 0, 2)
        grid.addWidget(label(self.tr("after"), role="muted"), 1, 1)
        grid.addWidget(after, 1, 2)
        grid.setColumnStretch(2, 1)
        card = frame("card")
        card.setLayout(grid)
        return card


def _new(probe: ProbeNeighbours) -> frozenset[int]:
    """Neighbours after that were none before."""
    return frozenset(p.photo_id for p in probe.after) - {p.photo_id for p in probe.before}
