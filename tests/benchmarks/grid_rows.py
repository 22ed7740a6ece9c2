"""The grid over a library of 100,000 photos: opening it, and jumping anywhere in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.search_speed import PHOTOS, build_library

_CHILD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from PySide6.QtCore import QTimer
from desktop_app.core.paths import paths_below
from desktop_app.main import make_application, make_window
from desktop_app.worker.job_runner import JobRunner
from tests.library import open_services

folder = Path(sys.argv[1])
application = make_application()
runner = JobRunner(lambda: open_services(folder))
from desktop_app.core.settings import Settings
window = make_window(runner, Settings(), paths_below(folder))
library = window._library
library.rescan = lambda: None  # the files of this library do not exist
chance = np.random.default_rng(0)
paints, fills, state = [], [], {"jumps": 0, "asked": 0.0, "opened": 0.0}
grid, model = library._grid, library._model

def is_filled():
    top = grid.indexAt(grid.viewport().rect().center())
    return top.isValid() and model._pages.get(top.row() // 200) is not None

def go_on():
    if model.total == 0:
        return
    if not state["opened"]:
        state["opened"] = time.perf_counter() - started
        state["asked"] = time.perf_counter()
    if not is_filled():
        return
    fills.append(1000 * (time.perf_counter() - state["asked"]))
    state["jumps"] += 1
    if state["jumps"] > 200:
        application.quit()
        return
    bar = grid.verticalScrollBar()
    bar.setValue(int(chance.integers(0, bar.maximum())))
    before = time.perf_counter(), time.thread_time()
    grid.viewport().repaint()
    paints.append((1000 * (time.perf_counter() - before[0]), 1000 * (time.thread_time() - before[1])))
    state["asked"] = time.perf_counter()

timer = QTimer()
timer.timeout.connect(go_on)
started = time.perf_counter()
runner.start()
window.show()
timer.start(1)
application.exec()
rows = model.rowCount()
window.close()
runner.shutdown()
clock, own = np.array(paints).T
ms = lambda values, q: round(float(np.percentile(values, q)), 1)
print(json.dumps({
    "rows": rows, "first_rows_s": round(state["opened"], 2), "jumps": len(paints),
    "paint_p50_ms": ms(clock, 50), "paint_p99_ms": ms(clock, 99), "paint_processor_p99_ms": ms(own, 99),
    "page_filled_p50_ms": ms(fills, 50), "page_filled_p99_ms": ms(fills, 99),
    "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def run() -> dict[str, object]:
    """Build the library, open the window over it in a process of its own."""
    environment = dict(os.environ)
    if not environment.get("DISPLAY"):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        build_library(Path(folder) / "library")
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, folder],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=environment,
        )
    figures: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return {"photos": PHOTOS, **figures}
