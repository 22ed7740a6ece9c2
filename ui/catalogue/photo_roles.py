"""What the item models of photos answer to views and delegates."""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import Qt


class PhotoRole(IntEnum):
    """Roles of photo models.

    `ROW` is a `PhotoRow`, or None while its page is on the way; `THUMBNAIL` a `QPixmap` or None;
    `HAS_FAILED` whether the thumbnail cannot be shown; `SIMILARITY` a float or None; `KIND` the
    value of a `HitKind` or None; `BADGE` a short text to paint over the picture, or None.
    """

    ROW = Qt.ItemDataRole.UserRole + 1
    THUMBNAIL = Qt.ItemDataRole.UserRole + 2
    HAS_FAILED = Qt.ItemDataRole.UserRole + 3
    SIMILARITY = Qt.ItemDataRole.UserRole + 4
    KIND = Qt.ItemDataRole.UserRole + 5
    BADGE = Qt.ItemDataRole.UserRole + 6
