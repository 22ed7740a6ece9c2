"""Undo and redo of edits."""

from __future__ import annotations

import time
from collections.abc import Callable

from desktop_app.core.types import Edit

Strengths = tuple[tuple[str, float], ...]

_KEPT = 200
_MERGED_WITHIN_S = 0.8


class EditHistory:
    """Edits, oldest first, with a place in them.

    Args:
        clock: Seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: list[Edit] = [Edit()]
        self._place = 0
        self._last_name = ""
        self._last_at = 0.0

    @property
    def current(self) -> Edit:
        """The state now."""
        return self._states[self._place]

    @property
    def can_undo(self) -> bool:
        """Whether there is a state before."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """Whether a state was undone."""
        return self._place + 1 < len(self._states)

    def push(self, state: Edit, name: str = "") -> None:
        """Add a state; what was undone is forgotten.

        Args:
            state: What the controls say.
            name: The slider that was moved; quick moves of one slider become one state.
        """
        if state == self.current:
            return
        now = self._clock()
        merges = bool(name) and name == self._last_name and now - self._last_at < _MERGED_WITHIN_S
        self._last_name, self._last_at = name, now
        del self._states[self._place + 1 :]
        if merges and self._place > 0:
            self._states[self._place] = state
            return
        self._states.append(state)
        del self._states[: max(0, len(self._states) - _KEPT)]
        self._place = len(self._states) - 1

    def undo(self) -> Edit:
        """Go back one state."""
        self._place = max(0, self._place - 1)
        self._last_name = ""
        return self.current

    def redo(self) -> Edit:
        """Go forward one state."""
        self._place = min(len(self._states) - 1, self._place + 1)
        self._last_name = ""
        return self.current

    def clear(self) -> None:
        """Begin anew, with nothing edited."""
        self._states = [Edit()]
        self._place = 0
        self._last_name = ""
