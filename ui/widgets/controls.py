"""Small building blocks: labels, buttons, rows and columns with the program's spacing."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ui import theme

ICON_SIZE = QSize(18, 18)
_SPIN_MARGIN_PX = 7
_Box = TypeVar("_Box", bound=QBoxLayout)


def label(text: str = "", *, role: str = "", wraps: bool = False) -> QLabel:
    """A label; `role` chooses its look in the style sheet."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wraps)
    if role:
        made.setProperty("role", role)
    return made


def button(text: str, *, icon: str = "", role: str = "", tip: str = "") -> QPushButton:
    """A push button that can be reached by keyboard."""
    made = QPushButton(text)
    made.setAccessibleName(text.replace("&", ""))
    made.setAutoDefault(False)
    if role:
        made.setProperty("role", role)
    if icon:
        made.setIcon(theme.primary_icon(icon) if role in ("primary", "big") else theme.icon(icon))
        made.setIconSize(ICON_SIZE)
        made.setText(f" {text}")
    if tip:
        made.setToolTip(tip)
    return made


def tool_button(icon: str, name: str, *, tip: str = "", checkable: bool = False) -> QToolButton:
    """A button with an icon only; `name` is read out and shown as tooltip."""
    made = QToolButton()
    made.setIcon(theme.icon(icon))
    made.setIconSize(ICON_SIZE)
    made.setAccessibleName(name)
    made.setToolTip(tip or name)
    made.setCheckable(checkable)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


def row(*parts: QWidget | int | None, spacing: int = 8, margin: int = 0) -> QHBoxLayout:
    """Widgets side by side; a number is a fixed gap, None a stretch."""
    return _filled(QHBoxLayout(), parts, spacing, margin)


def column(*parts: QWidget | int | None, spacing: int = 8, margin: int = 0) -> QVBoxLayout:
    """Widgets below each other; a number is a fixed gap, None a stretch."""
    return _filled(QVBoxLayout(), parts, spacing, margin)


def frame(name: str, layout: QBoxLayout | None = None) -> QFrame:
    """A frame with an object name for the style sheet."""
    made = QFrame()
    made.setObjectName(name)
    if layout is not None:
        made.setLayout(layout)
    return made


def pad_spin_box(spin: QAbstractSpinBox) -> None:
    """Move the text of a spin box off its edge, which the style sheet cannot."""
    spin.lineEdit().setTextMargins(_SPIN_MARGIN_PX, 0, 0, 0)


def separator() -> QFrame:
    """A thin line."""
    return frame("separator")


def restyle(widget: QWidget) -> None:
    """Let the style sheet look again at a widget whose property changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()


def _filled(box: _Box, parts: tuple[QWidget | int | None, ...], spacing: int, margin: int) -> _Box:
    box.setSpacing(spacing)
    box.setContentsMargins(margin, margin, margin, margin)
    for part in parts:
        if part is None:
            box.addStretch(1)
        elif isinstance(part, int):
            box.addSpacing(part)
        else:
            box.addWidget(part)
    return box
