"""Python's cycle collector, run in the GUI thread only.

By itself it runs in whichever thread happens to allocate. In the engine thread, or in one that decodes
photos, it would destroy widgets and models that are part of a cycle there, which ends the process now
and then; and a full collection with torch loaded would hold all threads for 0.1 s and more.
"""

from __future__ import annotations

import gc
import logging

from PySide6.QtCore import QObject, QTimer, Slot

_log = logging.getLogger(__name__)

_INTERVAL_MS = 500


class CycleCollector(QObject):
    """Takes the place of the automatic collector between `start` and `stop`.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_automatic = False
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self.collect_due)

    def start(self) -> None:
        """Switch the automatic collector off and collect by timer."""
        self._was_automatic = gc.isenabled()
        gc.disable()
        self._timer.start()

    def stop(self) -> None:
        """Give the work back to the automatic collector; harmless when it was never taken."""
        self._timer.stop()
        if self._was_automatic:
            self._was_automatic = False
            gc.unfreeze()
            gc.enable()

    def leave_out_what_is_loaded(self) -> None:
        """Never look again at what lives now, as modules just imported: they are no garbage."""
        if self._timer.isActive():
            gc.freeze()

    @Slot()
    def collect_due(self) -> None:
        """Collect the generations that are due by Python's own thresholds."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > gc.get_threshold()[generation]:
                found = gc.collect(generation)
                _log.debug("collected generation %d: %d objects", generation, found)
                return
