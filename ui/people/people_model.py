"""People, and faces, as lists for views of tiles."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from desktop_app.core.types import FaceHit, FaceTile, PersonInfo, PhotoRow
from ui import texts
from ui.catalogue.photo_model import ModelIndex, PhotoModel
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache


class PersonRole(IntEnum):
    """Roles of the model of people: `PERSON` is a `PersonInfo`, `PICTURE` a `QPixmap` or None."""

    PERSON = Qt.ItemDataRole.UserRole + 21
    PICTURE = Qt.ItemDataRole.UserRole + 22


class PeopleModel(QAbstractListModel):
    """People, as they are given.

    Args:
        thumbnails: Where pictures come from.
        parent: Qt owner.
    """

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._people: tuple[PersonInfo, ...] = ()
        thumbnails.ready.connect(self._show_ready)

    def set_people(self, people: tuple[PersonInfo, ...]) -> None:
        """Show other people."""
        self.beginResetModel()
        self._people = people
        self.endResetModel()

    def row_of(self, person_id: int) -> int:
        """Where a person stands, or -1."""
        return next((i for i, one in enumerate(self._people) if one.person_id == person_id), -1)

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of people."""
        return 0 if parent.isValid() else len(self._people)

    def data(self, index: ModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """What a view or delegate asks for; returns at once."""
        if not index.isValid() or not 0 <= index.row() < len(self._people):
            return None
        person = self._people[index.row()]
        if role == PersonRole.PERSON:
            return person
        if role == PersonRole.PICTURE:
            return None if person.cover is None else self._thumbnails.pixmap(person.cover)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return person.name or self.tr("Without a name")
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return texts.photos_text(person.photos)
        return None

    def _show_ready(self, file: Path) -> None:
        for number, person in enumerate(self._people):
            if person.cover == file:
                index = self.index(number, 0)
                self.dataChanged.emit(index, index, [int(PersonRole.PICTURE)])


class FaceModel(PhotoModel):
    """Faces, each standing for the photo it is in; with a similarity where they were looked for.

    Args:
        thumbnails: Where pictures come from.
        parent: Qt owner.
    """

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(thumbnails, parent)
        self._faces: list[tuple[FaceTile, str | None]] = []

    def set_faces(self, faces: tuple[FaceTile, ...]) -> None:
        """Show faces."""
        self._reset([(face, None) for face in faces])

    def set_hits(self, hits: tuple[FaceHit, ...]) -> None:
        """Show faces that were looked for, with their similarity."""
        self._reset([(hit.face, texts.similarity_text(hit.similarity)) for hit in hits])

    def face_at(self, number: int) -> FaceTile:
        """The face of a row."""
        return self._faces[number][0]

    def rowCount(self, parent: ModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of faces."""
        return 0 if parent.isValid() else len(self._faces)

    def photo_at(self, number: int) -> PhotoRow | None:
        """The photo of a row, its face in place of its thumbnail."""
        face = self._faces[number][0]
        return replace(face.photo, thumbnail=face.picture)

    def data(self, index: ModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """As for all photos; the badge is the similarity."""
        if role == PhotoRole.BADGE and index.isValid() and index.row() < len(self._faces):
            return self._faces[index.row()][1]
        return super().data(index, role)

    def _reset(self, faces: list[tuple[FaceTile, str | None]]) -> None:
        self.beginResetModel()
        self._faces = faces
        self._waiting.clear()
        self.endResetModel()
