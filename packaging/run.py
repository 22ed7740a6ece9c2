"""What `make run` starts: the window, or a picture report where there is no display.

The report shows the photos of `CONTRASTYLE_PHOTOS` (several folders parted by the system's path
separator) and the faces of `CONTRASTYLE_FACES`; without them the labelled pictures and portraits
below `CONTRASTYLE_DATA` (default: `../shared/data` beside the repository), and without those,
sample photos made by the program.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def report_arguments() -> list[str]:
    """Arguments of `contrastyle report` for what is there."""
    arguments = ["report", "--out", str(_ROOT / "report")]
    data = Path(os.environ.get("CONTRASTYLE_DATA", _ROOT.parent / "shared" / "data"))
    photos = [Path(p) for p in os.environ.get("CONTRASTYLE_PHOTOS", "").split(os.pathsep) if p]
    faces = os.environ.get("CONTRASTYLE_FACES", "")
    if not photos and (data / "retrieval").is_dir():
        photos = [data / "retrieval"]
        faces = faces or str(data / "portraits")
    if faces and Path(faces).is_dir():
        arguments += ["--faces", faces]
    return arguments + [str(p) for p in photos]


def run() -> int:
    """Open the window; without a display, do the same work offscreen and write `report/`."""
    sys.path.insert(0, str(_ROOT))
    from desktop_app.main import has_display, main

    if has_display():
        return main([])
    from desktop_app.cli.app import main as run_command

    return run_command(report_arguments())


if __name__ == "__main__":
    sys.exit(run())
