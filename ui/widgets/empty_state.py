"""What a page shows when it has nothing to show: a picture, a sentence and what to do next."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ui import theme
from ui.widgets.controls import label
from ui.widgets.drop_area import DropArea

_ICON_PX = 72
_TEXT_WIDTH_PX = 460


class EmptyState(DropArea):
    """A centred message with buttons below.

    Args:
        icon: Name of the icon.
        title: What is the case.
        text: What the user can do.
        buttons: Offered actions, the main one first.
    """

    def __init__(
        self, icon: str, title: str, *, text: str = "", buttons: tuple[QPushButton, ...] = ()
    ) -> None:
        super().__init__()
        self.setObjectName("emptyState")
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._icon.setMinimumHeight(_ICON_PX)
        self._title = label(role="title", wraps=True)
        self._text = label(role="muted", wraps=True)
        self._build_ui(buttons)
        self.set_message(title, text, icon=icon)

    def set_message(self, title: str, text: str, *, icon: str = "") -> None:
        """Change what is said."""
        if icon:
            self._icon.setPixmap(theme.icon_pixmap(icon, theme.BORDER_ROLE, side_px=_ICON_PX))
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self.setAccessibleName(f"{title} {text}".strip())

    def _build_ui(self, buttons: tuple[QPushButton, ...]) -> None:
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        inner = QWidget()
        inner.setFixedWidth(_TEXT_WIDTH_PX)
        box = QVBoxLayout(inner)
        box.setSpacing(14)
        for part in (self._icon, self._title, self._text):
            part.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            box.addWidget(part)
        if buttons:
            box.addSpacing(10)
        for index, one in enumerate(buttons):
            line = QHBoxLayout()
            line.addStretch(1)
            line.addWidget(one)
            line.addStretch(1)
            box.addLayout(line)
            if index == 0:
                box.addSpacing(2)
        middle = QHBoxLayout()  # an alignment would forget that the height follows from the width
        middle.addStretch(1)
        middle.addWidget(inner)
        middle.addStretch(1)
        outer.addLayout(middle)
        outer.addStretch(3)
