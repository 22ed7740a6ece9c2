"""The real window while 2,000 photos are indexed: how long its thread is away, and peak memory.

A timer of 5 ms in the GUI thread tells how late it comes; each event that Qt hands out is timed too, by
the clock and by what the GUI thread itself had of the processor: on a busy machine the first also
holds the time that other programs took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.index_speed import gather

LIMIT_MS = 50

_CHILD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import Settings
from desktop_app.main import make_application, make_runner, make_window

folder, photos = Path(sys.argv[1]), Path(sys.argv[2])
made = make_application()
paths, settings = paths_below(folder), Settings()
runner = make_runner(paths, settings, paths.library)
window = make_window(runner, settings, paths)
library = window._library
late, own, since = [], [], {"clock": 0.0, "own": 0.0, "on": False, "photos": 0}

def tick():
    clock, thread = time.perf_counter(), time.thread_time()
    if since["on"]:
        late.append(1000 * (clock - since["clock"]) - 5)
        own.append(1000 * (thread - since["own"]))
    since["clock"], since["own"] = clock, thread
    if since["on"]:
        # the user scrolls meanwhile
        bar = library._grid.verticalScrollBar()
        bar.setValue((bar.value() + 7) % max(1, bar.maximum()))
        if not library._index_runs:
            made.quit()

def begin():
    if "ready" in window._status._engine.text() and library._overview is not None:
        waiting.stop()
        since["started"] = time.perf_counter()
        library.index((photos,))
        since["clock"], since["own"], since["on"] = time.perf_counter(), time.thread_time(), True

timer, waiting = QTimer(), QTimer()
timer.timeout.connect(tick)
waiting.timeout.connect(begin)
runner.start()
window.show()
timer.start(5)
waiting.start(100)
made.exec()
seconds = time.perf_counter() - since["started"]
total = library._model.total
window.close()
runner.shutdown()
ms = lambda values, q: round(float(np.percentile(values, q)), 1)
print(json.dumps({
    "photos_shown": total, "seconds": round(seconds, 1), "ticks": len(late),
    "late_p50_ms": ms(late, 50), "late_p99_ms": ms(late, 99), "late_max_ms": ms(late, 100),
    "gui_thread_p99_ms": ms(own, 99), "gui_thread_max_ms": ms(own, 100),
    "turns_over_limit": int(sum(one > 50 for one in own)),
    "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def run() -> dict[str, object]:
    """Index through the window in a process of its own."""
    environment = dict(os.environ)
    if not environment.get("DISPLAY"):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        kind = gather(photos)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, folder, str(photos)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=environment,
        )
    figures: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return {"photos": kind, "limit_ms": LIMIT_MS, **figures}
