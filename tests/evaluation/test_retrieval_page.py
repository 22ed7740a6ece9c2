"""Curves, folders as labels, and the page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.core.errors import UserInputError
from desktop_app.evaluation.metrics import retrieval_curves
from desktop_app.evaluation.retrieval import labels_of_folder
from desktop_app.evaluation.retrieval_page import nearest


def _circle(degrees: list[float]) -> np.ndarray:
    angle = np.radians(np.asarray(degrees))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_curves_worked_out_by_hand() -> None:
    # a at 0, b at 1, a at 3, b at 7 degrees: the partner comes second, third, second, second.
    curves = retrieval_curves(_circle([0, 1, 3, 7]), list("abab"))
    assert curves is not None
    assert curves.found_at.tolist() == [0.0, 0.75, 1.0]
    np.testing.assert_allclose(curves.precision_at, (0.5 * 3 + 1 / 3) / 4)
    perfect = retrieval_curves(_circle([0, 1, 2, 90, 91, 92]), list("aaabbb"))
    assert perfect is not None and (perfect.precision_at == 1).all() and (perfect.found_at == 1).all()
    assert retrieval_curves(_circle([0, 1]), list("ab")) is None
    assert nearest(_circle([0, 1, 3, 7]), 2, 9) == [1, 0, 3]


@pytest.fixture
def sorted_folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label, colour in (("red & <hot>", (200, 40, 40)), ("blue", (40, 40, 200))):
        folder = tmp_path / "pictures" / label / "deeper"
        folder.mkdir(parents=True)
        for number in range(5):
            picture = np.clip(rng.normal(colour, 30, (40, 50, 3)), 0, 255).astype(np.uint8)
            PillowImage.fromarray(picture).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def test_folders_are_labels_and_a_list_inside_comes_first(sorted_folder: Path, tmp_path: Path) -> None:
    assert {picture.label for picture in labels_of_folder(sorted_folder)} == {"red & <hot>", "blue"}
    (sorted_folder / "index.csv").write_text("file,label\nblue/deeper/1.png,sea\n", encoding="utf-8")
    assert [picture.label for picture in labels_of_folder(sorted_folder)] == ["sea"]
    (tmp_path / "flat").mkdir()
    with pytest.raises(UserInputError, match="no folders of pictures"):
        labels_of_folder(tmp_path / "flat")


class _Checker(HTMLParser):
    """Counts what is open, and collects addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "line", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass


def test_page_is_whole_and_needs_no_other_file(
    sorted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sorted_folder / "blue" / "deeper" / "9.png").write_bytes(b"no picture")
    line = ["evaluate", "retrieval", "--folder", str(sorted_folder), "--encoder", "hsv", "--encoder", "phash"]
    line += ["--copies", "8", "--out", str(tmp_path / "new" / "out"), "--json", "--data", str(tmp_path / "d")]
    assert main(line) == 0
    answer = json.loads(capsys.readouterr().out)
    page = Path(answer["page"]).read_text(encoding="utf-8")
    checker = _Checker()
    checker.feed(page)
    assert checker.open == [] and checker.addresses
    assert all(address.startswith("data:image/") for address in checker.addresses)
    assert "http" not in re.sub(r"data:image/[^\"]*", "", page)
    assert "red &amp; &lt;hot&gt;" in page and "<hot>" not in page
    for words in ("recall@k", "precision", "all at once", "Left out", "5-NN"):
        assert words in page
    assert page.count("<polyline") == 4


def test_folder_that_cannot_be_made_is_told(
    sorted_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    line = ["evaluate", "retrieval", "--folder", str(sorted_folder), "--encoder", "hsv"]
    assert main([*line, "--out", str(tmp_path / "file" / "out"), "--data", str(tmp_path / "d")]) == 1
    assert "cannot be made" in capsys.readouterr().err
