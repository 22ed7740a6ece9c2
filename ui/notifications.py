"""The one place that shows errors and notices to the user."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.types import JobFailure
from ui import theme
from ui.widgets.controls import button, column, label, row, tool_button

_SHOWN_AT_ONCE = 4
_KEPT = 200
_NOTICE_MS = 7000
_WIDTH_PX = 400
_MARGIN_PX = 16


class Level(StrEnum):
    """How much a message matters."""

    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        level: How much it matters; errors stay until they are closed.
        text: What happened.
        hint: What the user can do.
        action: Text of a button, or empty.
        on_action: What the button does.
        at: When, seconds since 1970.
    """

    level: Level
    text: str
    hint: str = ""
    action: str = ""
    on_action: Callable[[], object] | None = None
    at: float = field(default_factory=time.time)


class Notifications(QWidget):
    """A stack of messages over the lower edge of its parent, clear of the panels at its sides.

    Signals:
        changed: The list of kept messages changed.

    Args:
        parent: The widget over which the messages lie.
        log_place: Where the log lies, for the user.
    """

    changed = Signal()
    unexpected = Signal()

    def __init__(self, parent: QWidget, log_place: str = "") -> None:
        super().__init__(parent)
        self._log_place = log_place
        self._messages: list[Message] = []
        self._toasts: list[_Toast] = []
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(10)
        self.setFixedWidth(_WIDTH_PX)
        parent.installEventFilter(self)
        self.unexpected.connect(self._show_unexpected, Qt.ConnectionType.QueuedConnection)
        self.hide()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All kept messages, oldest first."""
        return tuple(self._messages)

    def notify(self, text: str, *, hint: str = "") -> None:
        """Show a notice that goes away by itself."""
        self.show_message(Message(Level.NOTICE, text, hint))

    def warn(self, text: str, *, hint: str = "") -> None:
        """Show a warning."""
        self.show_message(Message(Level.WARNING, text, hint))

    def show_failure(self, failure: JobFailure) -> None:
        """Show why a job failed."""
        hint = failure.hint
        if failure.is_bug and self._log_place:
            hint = f"{hint} {self.tr('Log: {}').format(self._log_place)}".strip()
        self.show_message(Message(Level.ERROR, failure.message, hint))

    def show_message(self, message: Message) -> None:
        """Show a message; the same text twice is one message."""
        for toast in list(self._toasts):
            if toast.message.text == message.text and toast.message.hint == message.hint:
                self._drop(toast)
        self._messages.append(message)
        del self._messages[:-_KEPT]
        toast = _Toast(message, self)
        toast.closed.connect(self._drop)
        self._toasts.append(toast)
        self._box.addWidget(toast)
        while len(self._toasts) > _SHOWN_AT_ONCE:
            self._drop(self._toasts[0])
        self.changed.emit()
        self.show()
        self._place()

    def clear_shown(self) -> None:
        """Close all messages that are on the screen; they stay in the list."""
        for toast in list(self._toasts):
            self._drop(toast)

    def _show_unexpected(self) -> None:
        self.show_message(
            Message(
                Level.ERROR,
                self.tr("Unexpected error."),
                self.tr("The program is at fault. The log holds the details: {}").format(self._log_place),
            )
        )

    def _drop(self, toast: _Toast) -> None:
        if toast in self._toasts:
            self._toasts.remove(toast)
            self._box.removeWidget(toast)
            toast.hide()
            toast.deleteLater()
        if not self._toasts:
            self.hide()
        self._place()

    def _place(self) -> None:
        parent = self.parentWidget()
        if parent is None or not self._toasts:
            return
        height = sum(toast.height_for(_WIDTH_PX) for toast in self._toasts)
        size = QSize(_WIDTH_PX, height + self._box.spacing() * (len(self._toasts) - 1))
        area = QRect(parent.rect())
        self.setGeometry(
            max(area.left(), area.center().x() - size.width() // 2),
            area.bottom() - size.height() - _MARGIN_PX,
            size.width(),
            size.height(),
        )
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in place when the parent changes its size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)


class MessagesDialog(QDialog):
    """All messages since the start, as text that can be copied.

    Args:
        messages: What is listed, oldest first.
        parent: Window of the dialog.
    """

    def __init__(self, messages: tuple[Message, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Messages"))
        self.resize(640, 420)
        text = QPlainTextEdit()
        text.setReadOnly(True)
        text.setAccessibleName(self.tr("Messages"))
        lines = [
            f"{time.strftime('%H:%M:%S', time.localtime(one.at))}  {one.text}"
            + (f"\n          {one.hint}" if one.hint else "")
            for one in reversed(messages)
        ]
        text.setPlainText("\n\n".join(lines) or self.tr("No messages yet."))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.setLayout(column(text, buttons, spacing=12, margin=16))


class _Toast(QFrame):
    closed = Signal(object)

    def __init__(self, message: Message, parent: QWidget) -> None:
        super().__init__(parent)
        self.message = message
        self.setObjectName("toast")
        self.setProperty("level", message.level.value)
        self.setAccessibleName(f"{message.text} {message.hint}".strip())
        self._build_ui()
        if message.level is not Level.ERROR:
            timer = QTimer(self)
            timer.setSingleShot(True)
            timer.timeout.connect(self._close)
            timer.start(_NOTICE_MS * (2 if message.hint else 1))

    def height_for(self, width_px: int) -> int:
        """Height that the text needs at a width."""
        layout = self.layout()
        assert layout is not None
        return layout.totalHeightForWidth(width_px)

    def _build_ui(self) -> None:
        message = self.message
        roles = {Level.NOTICE: QPalette.ColorRole.Accent, Level.WARNING: theme.WARNING_ROLE}
        picture = QLabel()
        picture.setPixmap(
            theme.icon_pixmap(message.level.value, roles.get(message.level, theme.DANGER_ROLE), side_px=20)
        )
        picture.setAlignment(Qt.AlignmentFlag.AlignTop)
        words = column(spacing=4)
        for text, role in ((message.text, ""), (message.hint, "muted")):
            if text:
                line = label(text, role=role, wraps=True)
                line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
                words.addWidget(line)
        if message.action:
            action = button(message.action, role="link")
            action.clicked.connect(self._act)
            words.addLayout(row(action, None))
        close = tool_button("close", self.tr("Close this message"))
        close.clicked.connect(self._close)
        line_box = row(spacing=10)
        is_one_line = not message.hint and not message.action
        beside = Qt.AlignmentFlag.AlignVCenter if is_one_line else Qt.AlignmentFlag.AlignTop
        line_box.addWidget(picture, 0, beside)
        line_box.addLayout(words, 1)
        line_box.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        line_box.setContentsMargins(14, 10, 8, 10)
        self.setLayout(line_box)

    def _act(self) -> None:
        if self.message.on_action is not None:
            self.message.on_action()
        self._close()

    def _close(self) -> None:
        self.closed.emit(self)
