"""The faces that were inverted since the start and are still open: to be mixed with."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QPixmap

# Fewer than the engine keeps open, which also counts runs that came to nothing.
KEPT = 8


@dataclass(frozen=True, slots=True)
class OpenFace:
    """An inverted face.

    Attributes:
        session_id: Key of the inversion.
        title: Name of its photo, and the method.
        rows: Rows of its code; faces of other sizes cannot be mixed.
        picture: The last step.
    """

    session_id: str
    title: str
    rows: int
    picture: QPixmap


class OpenFaces(QObject):
    """The faces, newest first.

    Signals:
        changed: One came or went.

    Args:
        parent: Qt owner.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._faces: list[OpenFace] = []

    @property
    def faces(self) -> tuple[OpenFace, ...]:
        """All of them, newest first."""
        return tuple(self._faces)

    def add(self, face: OpenFace) -> None:
        """Put a face first; one of the same inversion is replaced."""
        kept = [one for one in self._faces if one.session_id != face.session_id]
        self._faces = [face, *kept][:KEPT]
        self.changed.emit()

    def forget(self, session_id: str) -> None:
        """The engine has closed an inversion."""
        self._faces = [one for one in self._faces if one.session_id != session_id]
        self.changed.emit()
