"""`contrastyle report`: one page with queries, neighbours and inversion strips."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image as PillowImage

from tests.cli.conftest import Outcome
from tests.pictures import save_picture
from tests.tiny_inverter import DATA, needs_data

Run = Callable[..., Outcome]


def _photos(folder: Path) -> Path:
    for number in range(12):
        save_picture(folder / f"photo{number:02d}.jpg", number % 6, width=120 + 8 * number, height=96)
    return folder


@needs_data
def test_page_shows_neighbours_and_an_inversion(run: Run, tmp_path: Path) -> None:
    photos, faces, out = _photos(tmp_path / "photos"), tmp_path / "faces", tmp_path / "report"
    faces.mkdir()
    shutil.copy(DATA / "portraits" / "p2301.jpg", faces)
    outcome = run("report", photos, "--faces", faces, "--out", out, "--queries", 3, "--json")
    assert outcome.code == 0
    assert outcome.json["photos"] == 12
    assert outcome.json["queries"] == 3
    assert outcome.json["inverted"] == 1
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "step 5" in page and page.count('class="query"') == 4
    pictures = re.findall(r'src="([^"]+)"', page)
    assert len(pictures) >= 3 * 2 + 12  # a query with a neighbour each; photo, average, steps and changes
    for name in pictures:
        with PillowImage.open(out / name) as picture:
            picture.load()


def test_faces_that_are_not_there_are_wrong_input(run: Run, tmp_path: Path) -> None:
    outcome = run(
        "report", _photos(tmp_path / "photos"), "--faces", tmp_path / "none", "--out", tmp_path / "r"
    )
    assert outcome.code == 1
    assert "none" in outcome.err and "cannot be read" in outcome.err


def test_a_folder_without_photos_still_gives_a_page(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = run("report", tmp_path / "empty", "--out", tmp_path / "report", "--json")
    assert outcome.code == 0
    assert "No face was found" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
