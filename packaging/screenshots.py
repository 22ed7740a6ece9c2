"""Walk through the real window with a folder of photos and save a picture of each stage.

    python packaging/screenshots.py
    python packaging/screenshots.py --photos FOLDER --query PHOTO --portrait PHOTO [--out FOLDER]

Without arguments it shows the pictures below `CONTRASTYLE_DATA` (default: `../shared/data` beside the
repository) whose index says CC0, public domain or MIT: these may stand in the README. Works with a
display (Xvfb too) and without one. The library is a fresh one in a temporary folder. Run it again when
the look or the models have changed.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

if TYPE_CHECKING:
    from ui.main_window import MainWindow

_TICK_MS = 40
_LONGEST_WAIT_S = 900.0
_SETTLE_S = 1.0  # hover and focus effects, thumbnails on their way
_WINDOW_PX = (1320, 860)
_MOST_BYTES = 480_000
_COLOURS = (256, 128, 64)
_FREE = ("CC0", "MIT", "PD")
_SETS = ("clothing", "grocery", "trash", "states")
_MOST_OF_A_LABEL = 16
_QUERY = "retrieval/clothing/Pants/7432539fa06c.jpg"
_EDITS = ((0, 0.55), (1, -0.45))  # number of a slider, part of its reach

Holds = Callable[[], bool]


class Walk:
    """The stages, as a generator that yields what it waits for.

    Args:
        window: The window, shown.
        options: `photos`, `query`, `portrait` and `out` of the command line.
        work: Folder for what the walk saves.
    """

    def __init__(self, window: MainWindow, options: argparse.Namespace, work: Path) -> None:
        self._window = window
        self._options = options
        self._work = work
        self._library = window._library
        self._faces = window._faces

    def stages(self) -> Iterator[Holds]:
        """Everything, in the order of a first visit."""
        yield from self._library_stages()
        yield from self._search_stages()
        yield from self._face_stages()
        yield from self._edit_stages()

    def _shoot(self, name: str) -> Iterator[Holds]:
        ready_at = time.monotonic() + _SETTLE_S
        self._window.notifications.clear_shown()
        yield lambda: time.monotonic() > ready_at
        save(self._window, self._options.out / f"{name}.png")

    def _library_stages(self) -> Iterator[Holds]:
        library = self._library
        yield lambda: library._stack.currentWidget() is library._welcome
        yield lambda: "ready" in self._window._status._engine.text()
        yield from self._shoot("empty")
        library.index((self._options.photos,))
        yield lambda: library._model.total >= 96 or not library._index_runs
        yield from self._shoot("indexing")
        yield lambda: not library._index_runs and library._model.total > 0
        yield from self._shoot("grid")

    def _search_stages(self) -> Iterator[Holds]:
        library = self._library
        library.search_path(self._options.query)
        similar = library._similar
        yield lambda: similar._cutoff.isEnabled() and similar._canvas.has_image
        yield from self._shoot("similar")

    def _face_stages(self) -> Iterator[Holds]:
        from desktop_app.core.types import PhotoSource
        from ui.catalogue.similar_view import Query

        path = self._options.portrait
        self._window.show_page(1)
        self._faces.open(Query(PhotoSource(path=path), path.name))
        chooser = self._faces._chooser
        yield lambda: chooser._found is not None and chooser._invert.isEnabled()
        yield from self._shoot("faces")
        chooser._invert.click()
        result = self._faces._result
        yield lambda: result._session is not None and bool(result.edits._sliders)
        yield from self._shoot("inversion")
        result._heat_mode.click()
        yield from self._shoot("change")
        result._faces_mode.click()

    def _edit_stages(self) -> Iterator[Holds]:
        result = self._faces._result
        sliders = list(result.edits._sliders.values())
        for number, part in _EDITS:
            bar = sliders[min(number, len(sliders) - 1)]._slider
            bar.setValue(round(part * (bar.maximum() if part > 0 else -bar.minimum())))
        yield lambda: result._edited is not None
        yield from self._shoot("edit")
        result._photo_mode.click()
        yield lambda: result._pasted is not None
        yield from self._shoot("paste_back")


def save(window: MainWindow, file: Path) -> None:
    """Save what the window shows, with as many colours as fit the size of a page's picture."""
    from PIL import Image as PillowImage

    picture = window.grab()
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(str(file))
    for colours in _COLOURS:
        if file.stat().st_size <= _MOST_BYTES:
            break
        with PillowImage.open(file) as whole:
            small = whole.convert("RGB").quantize(colours, dither=PillowImage.Dither.FLOYDSTEINBERG)
        small.save(file, optimize=True)
    sys.stdout.write(f"{file.name}: {file.stat().st_size // 1000} kB\n")


def gather(data: Path, folder: Path) -> tuple[Path, Path]:
    """Copy freely licensed pictures of the sample data, with one near-duplicate of the query.

    Returns:
        A query that is not in the folder, and a portrait.
    """
    taken: dict[str, int] = {}
    query = data / _QUERY
    _copy_smaller(query, folder / "clothing" / "trousers_small.jpg")
    for name in ("retrieval", "photos"):
        with (data / name / "index.csv").open(encoding="utf-8") as lines:
            for line in csv.DictReader(lines):
                label = f"{line['set']}/{line['label']}"
                is_wanted = line["set"] in _SETS and line["licence"].startswith(_FREE)
                if not is_wanted or taken.get(label, 0) >= _MOST_OF_A_LABEL:
                    continue
                taken[label] = taken.get(label, 0) + 1
                source = data / line["file"]
                if source != query:
                    (folder / line["set"]).mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, folder / line["set"] / f"{line['label']}_{source.name}"[-80:])
    portraits = _free_portraits(data)
    (folder / "people").mkdir(parents=True, exist_ok=True)
    for portrait in portraits:
        shutil.copy(portrait, folder / "people")
    return query, portraits[0]


def _copy_smaller(source: Path, target: Path) -> None:
    from PIL import Image as PillowImage

    target.parent.mkdir(parents=True, exist_ok=True)
    with PillowImage.open(source) as picture:
        width, height = picture.size
        picture.convert("RGB").resize((int(0.8 * width), int(0.8 * height))).save(target, quality=70)


def _free_portraits(data: Path) -> list[Path]:
    with (data / "faces" / "index.csv").open(encoding="utf-8") as lines:
        free = {one["person"] for one in csv.DictReader(lines) if one["licence"].startswith(_FREE)}
    return [file for file in sorted((data / "portraits").glob("*.jpg")) if file.stem in free]


def run(options: argparse.Namespace) -> int:
    """Open the window, walk, close it."""
    from desktop_app.main import has_display, make_application, make_runner, make_window

    if not has_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtCore import QTimer

    from desktop_app.core.paths import paths_below
    from desktop_app.core.settings import Settings

    application = make_application()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        paths, settings = paths_below(work), Settings()
        runner = make_runner(paths, settings, paths.library)
        window = make_window(runner, settings, paths)
        window.resize(*_WINDOW_PX)
        stages = Walk(window, options, work).stages()
        waits: list[Holds] = [lambda: True]
        deadline = [time.monotonic() + _LONGEST_WAIT_S]

        def go_on() -> None:
            if time.monotonic() > deadline[0]:
                sys.stderr.write("the window did not get on; see what was saved last\n")
                application.exit(1)
            elif waits[0]():
                following = next(stages, None)
                if following is None:
                    application.quit()
                else:
                    waits[0] = following
                    deadline[0] = time.monotonic() + _LONGEST_WAIT_S

        timer = QTimer()
        timer.timeout.connect(go_on)
        runner.start()
        window.show()
        timer.start(_TICK_MS)
        code = application.exec()
        timer.stop()
        window.close()
        runner.shutdown()
    return code


def main() -> int:
    """Read the command line and walk."""
    parser = argparse.ArgumentParser(description="Save pictures of the window at each stage.")
    parser.add_argument("--photos", type=Path, help="folder that fills the library")
    parser.add_argument("--query", type=Path, help="photo whose neighbours are shown")
    parser.add_argument("--portrait", type=Path, help="photo whose face is inverted")
    parser.add_argument("--out", type=Path, default=_ROOT / "packaging" / "screenshots")
    options = parser.parse_args()
    own = (options.photos, options.query, options.portrait)
    if any(own) and not all(own):
        parser.error("--photos, --query and --portrait belong together")
    with tempfile.TemporaryDirectory() as folder:
        if options.photos is None:
            data = Path(os.environ.get("CONTRASTYLE_DATA", _ROOT.parent / "shared" / "data"))
            options.photos = Path(folder) / "Pictures"
            options.query, options.portrait = gather(data, options.photos)
        return run(options)


if __name__ == "__main__":
    sys.exit(main())
