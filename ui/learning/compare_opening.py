"""Offers the comparison of two photos in context menus, and opens it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.core.types import PhotoRow
from ui import texts, theme
from ui.job_center import JobCenter
from ui.learning.compare_dialog import CompareDialog


class CompareOpening:
    """Adds to context menus.

    Args:
        jobs: Answers requests.
        window: Parent of the dialogs.
        query: The photo whose neighbours are on the screen, or None.
    """

    def __init__(self, jobs: JobCenter, window: QWidget, *, query: Callable[[], PhotoRow | None]) -> None:
        self._jobs = jobs
        self._window = window
        self._query = query
        self._pair: tuple[PhotoRow, PhotoRow] | None = None

    def extend_menu(self, menu: QMenu, photos: tuple[PhotoRow, ...]) -> None:
        """Offer to compare two chosen photos, or a found one with what it was found by."""
        query = self._query()
        if len(photos) == 2:
            self._pair = (photos[0], photos[1])
            text = menu.tr("Compare these two …")
        elif len(photos) == 1 and query is not None and query.photo_id != photos[0].photo_id:
            self._pair = (query, photos[0])
            text = menu.tr("Compare with {} …").format(texts.name_text(query.path))
        else:
            self._pair = None
            text = menu.tr("Compare (choose two)")
        action = menu.addAction(theme.icon("compare"), text, self._open)
        action.setEnabled(self._pair is not None)

    def _open(self) -> None:
        if self._pair is not None:
            self.open(*self._pair)

    def open(self, first: PhotoRow, second: PhotoRow) -> CompareDialog:
        """Show two photos side by side."""
        dialog = CompareDialog(self._jobs, first, second, parent=self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog
