from __future__ import annotations

import threading

import pytest
from PySide6.QtWidgets import QWidget

from desktop_app.core.types import JobFailure
from ui import notifications
from ui.notifications import Level, Message, MessagesDialog, Notifications


@pytest.fixture
def parent(qtbot: object) -> QWidget:
    widget = QWidget()
    widget.resize(900, 600)
    qtbot.addWidget(widget)
    widget.show()
    return widget


@pytest.fixture
def shown(parent: QWidget) -> Notifications:
    return Notifications(parent, "/logs/contrastyle.log")


def test_failure_shows_message_and_hint_in_the_corner(shown: Notifications, parent: QWidget) -> None:
    shown.show_failure(JobFailure("The disk is full.", "Free some space."))
    assert shown.isVisible()
    assert parent.rect().contains(shown.geometry())
    assert shown._toasts[0].accessibleName() == "The disk is full. Free some space."
    parent.resize(700, 500)
    assert parent.rect().contains(shown.geometry())


def test_bug_names_the_log(shown: Notifications) -> None:
    shown.show_failure(JobFailure("Unexpected error.", "", is_bug=True))
    assert "/logs/contrastyle.log" in shown.messages[0].hint


def test_same_message_twice_is_shown_once(shown: Notifications) -> None:
    shown.notify("Saved.")
    shown.notify("Saved.")
    assert len(shown._toasts) == 1
    assert len(shown.messages) == 2


def test_no_more_than_four_are_shown(shown: Notifications) -> None:
    for number in range(7):
        shown.warn(f"Warning {number}")
    assert [toast.message.text for toast in shown._toasts] == [f"Warning {n}" for n in range(3, 7)]


def test_notices_go_away_and_errors_stay(
    qtbot: object, shown: Notifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_NOTICE_MS", 20)
    shown.show_failure(JobFailure("Broken."))
    shown.notify("Saved.")
    qtbot.waitUntil(lambda: len(shown._toasts) == 1)
    assert shown._toasts[0].message.level is Level.ERROR


def test_action_is_done_and_closes_the_message(shown: Notifications) -> None:
    done: list[bool] = []
    shown.show_message(Message(Level.NOTICE, "Saved.", "", "Show", lambda: done.append(True)))
    shown._toasts[0]._act()
    assert done == [True]
    assert not shown.isVisible()


def test_unexpected_error_of_another_thread_is_shown(qtbot: object, shown: Notifications) -> None:
    thread = threading.Thread(target=shown.unexpected.emit)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: len(shown.messages) == 1)
    assert "/logs/contrastyle.log" in shown.messages[0].hint


def test_dialog_lists_messages_newest_first(qtbot: object, parent: QWidget) -> None:
    dialog = MessagesDialog((Message(Level.NOTICE, "first"), Message(Level.ERROR, "second", "hint")), parent)
    qtbot.addWidget(dialog)
    text = dialog.findChildren(notifications.QPlainTextEdit)[0].toPlainText()
    assert text.index("second") < text.index("hint") < text.index("first")
