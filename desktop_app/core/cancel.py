"""A flag for loops that cannot yield."""

from __future__ import annotations

import threading

from desktop_app.core.errors import JobCancelled


class CancelToken:
    """Set from any thread, read by the loop that should stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the loop to stop at its next look."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked the loop to stop."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` when the flag is set."""
        if self._event.is_set():
            raise JobCancelled
