"""Estimate of the time a job still needs."""

from __future__ import annotations

import time
from collections import deque

from desktop_app.core.types import Progress

# The estimate looks at this many of the latest reports, so that it follows a change of pace.
_REPORTS_REMEMBERED = 60
_SHORTEST_BASE_S = 0.5


class Pace:
    """Makes `Progress` messages with an estimate of the seconds left.

    Args:
        total: Units in all.
        text: What is being done, for the user.
    """

    def __init__(self, total: int, text: str = "") -> None:
        self._total = total
        self._text = text
        self._reports: deque[tuple[float, int]] = deque(maxlen=_REPORTS_REMEMBERED)
        self._reports.append((time.monotonic(), 0))

    def progress(self, done: int, *, text: str = "") -> Progress:
        """A message for `done` finished units; the time left is None until it can be told."""
        now = time.monotonic()
        then, done_then = self._reports[0]
        self._reports.append((now, done))
        left_s = None
        if now - then >= _SHORTEST_BASE_S and done > done_then:
            left_s = (self._total - done) * (now - then) / (done - done_then)
        return Progress(done=done, total=self._total, left_s=left_s, text=text or self._text)
