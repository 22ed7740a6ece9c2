from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desktop_app.core.types import Edit
from ui.editing.history import EditHistory


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _edit(name: str, value: float) -> Edit:
    return Edit(((name, value),))


def test_quick_moves_of_one_slider_are_one_state() -> None:
    clock = _Clock()
    history = EditHistory(clock)
    for value in (1.0, 2.0, 3.0):
        clock.now += 0.2
        history.push(_edit("a", value), "a")
    clock.now += 2.0
    history.push(_edit("a", 4.0), "a")
    assert history.undo() == _edit("a", 3.0)
    assert history.undo() == Edit()
    assert not history.can_undo


def test_new_state_forgets_what_was_undone() -> None:
    history = EditHistory()
    history.push(_edit("a", 1.0))
    history.push(_edit("a", 2.0))
    history.undo()
    history.push(_edit("b", 1.0))
    assert not history.can_redo
    assert history.undo() == _edit("a", 1.0)


def test_same_state_is_no_state() -> None:
    history = EditHistory()
    history.push(Edit())
    assert not history.can_undo


@given(st.lists(st.integers(0, 5), max_size=40))
def test_undoing_everything_and_redoing_it_ends_where_it_began(values: list[int]) -> None:
    history = EditHistory()
    for value in values:
        history.push(_edit("a", float(value)))
    last = history.current
    while history.can_undo:
        history.undo()
    assert history.current == Edit()
    while history.can_redo:
        history.redo()
    assert history.current == last
