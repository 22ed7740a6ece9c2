"""What `make run` starts: the window, or a picture report where there is no display."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def run() -> int:
    """Open the window; without a display, do the same work offscreen and write `report/`."""
    sys.path.insert(0, str(_ROOT))
    from desktop_app.main import has_display, main

    if has_display():
        return main([])
    from desktop_app.cli.app import main as run_command

    return run_command(["report", "--out", str(_ROOT / "report")])


if __name__ == "__main__":
    sys.exit(run())
