"""Time from starting the process to the window on the screen, and to an engine that is ready."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STARTS = 5
AIM_S = 1.5

# The process's own clock starts with the interpreter; what it needed of the processor tells apart
# the program's work from waiting for a busy machine.
_CHILD = """
import os, sys, time
from pathlib import Path
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import Settings
from desktop_app.main import make_application, make_runner, make_window
application = make_application()
paths, settings = paths_below(Path(sys.argv[1])), Settings()
runner = make_runner(paths, settings, paths.library)
window = make_window(runner, settings, paths)
def painted():
    print("painted", time.process_time(), flush=True)
def ready(_answer):
    print("ready", time.process_time(), flush=True)
    application.quit()
window.first_painted.connect(painted)
show_engine = window._show_engine
window._show_engine = lambda answer: (show_engine(answer), ready(answer))
runner.start()
window.show()
application.exec()
window.close()
runner.shutdown()
"""


def run() -> dict[str, object]:
    """Start the window several times; the first start also reads the files into the system's cache."""
    with tempfile.TemporaryDirectory() as folder:
        starts = [_start(Path(folder) / str(number)) for number in range(STARTS)]
    return {
        "aim_s": AIM_S,
        "window_s": [round(one["painted"], 2) for one in starts],
        "window_median_s": round(statistics.median(one["painted"] for one in starts), 2),
        "window_processor_s": round(statistics.median(one["painted_processor"] for one in starts), 2),
        "engine_ready_median_s": round(statistics.median(one["ready"] for one in starts), 2),
    }


def _start(folder: Path) -> dict[str, float]:
    environment = dict(os.environ)
    if not environment.get("DISPLAY"):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    started_at = time.perf_counter()
    times: dict[str, float] = {}
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            name, _, processor_s = line.partition(" ")
            times[name] = time.perf_counter() - started_at
            times[f"{name}_processor"] = float(processor_s)
    return times
