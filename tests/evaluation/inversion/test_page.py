"""The page: whole by itself, well formed, readable without seeing it; charts and their ticks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from desktop_app.core.errors import UserInputError
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.inversion.charts import (
    BOTTOM,
    HEIGHT,
    TOP,
    Chart,
    Point,
    Series,
    draw,
    log_ticks,
    nice_ticks,
)
from desktop_app.evaluation.inversion.meters import Meters
from desktop_app.evaluation.inversion.page import page
from desktop_app.evaluation.inversion.page_style import picture_address
from desktop_app.evaluation.inversion.plan import methods_named
from desktop_app.evaluation.inversion.report import make_report
from desktop_app.evaluation.inversion.writer import write_report
from tests.evaluation.inversion.conftest import Make, build, drive, save_pictures_of_faces
from tests.pictures import picture, save_picture

VOID = {"meta", "img", "br", "line", "circle", "polyline", "polygon", "path", "rect"}


class Reader(HTMLParser):
    """Collects what matters and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:])
        self.open.pop()


@pytest.fixture(scope="module")
def html(store: ModelStore, meters: Meters, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    faces = save_pictures_of_faces(folder / "faces")
    save_picture(faces / "p9 <&> one.png", 5, width=40, height=40)
    (faces / "bad.png").write_bytes(b"x")
    options = {"out": folder / "out", "methods": methods_named("restyle_psp,hybrid,e4e"), "edit_photos": 2}
    evaluation = build(store, meters, faces, **options)
    drive(evaluation)
    return page(make_report(evaluation, is_complete=False))


def test_the_page_needs_nothing_beside_it(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert not reader.open
    kinds = {tag for tag, _ in reader.tags}
    assert not kinds & {"script", "link", "iframe", "object"}
    for tag, attributes in reader.tags:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, value)
    assert not re.search(r"url\((?!#)|@import|https?://", html)


def test_the_page_can_be_read_without_seeing_it(html: str) -> None:
    reader = Reader()
    reader.feed(html)
    assert reader.tags[0] == ("html", {"lang": "en"})
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert len(images) > 20 and all(attributes["alt"] for attributes in images)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.tags:
        if tag == "a":
            assert str(attributes["href"])[1:] in ids
        if tag == "svg" and "aria-hidden" not in attributes:
            assert attributes["role"] == "img"
            assert all(name in ids for name in str(attributes["aria-labelledby"]).split())
    assert [tag for tag, _ in reader.tags if tag == "h1"] == ["h1"]
    assert all(a.get("scope") for t, a in reader.tags if t == "th")


def test_the_page_says_what_is_missing(html: str) -> None:
    assert "stopped before its end" in html
    assert "e4e: not run." in html and "No one-pass e4e model is installed" in html
    assert "bad.png" in html and "Photos left out (1)" in html
    assert "p9 &lt;&amp;&gt; one.png" in html and "<&>" not in html


def test_all_files_are_written(make: Make, faces: Path, tmp_path: Path) -> None:
    evaluation = make(faces, edit_photos=1)
    drive(evaluation)
    files = write_report(make_report(evaluation, is_complete=True), tmp_path / "out")
    assert {Path(file).name for file in files.values()} == {
        "index.html",
        "table.md",
        "summary.csv",
        "per_photo.csv",
        "edits.csv",
    }
    assert all(Path(file).stat().st_size > 100 for file in files.values())
    with pytest.raises(UserInputError, match="no folder"):
        write_report(make_report(evaluation, is_complete=True), tmp_path / "gone")


def test_charts_are_well_formed_and_named() -> None:
    points = tuple(Point(0.1 * 3**k, 1 / (k + 1), f"step {k} <b>", 0.1) for k in range(4))
    chart = Chart(
        "Title & more", "seconds", "L2", (Series("a", 0, points), Series("b", 9, ())), is_log_x=True
    )
    root = ElementTree.fromstring(draw(chart, 3))
    assert root.find("title").text == "Title & more"  # type: ignore[union-attr]
    assert "from step 0 <b> to step 3 <b>" in str(root.find("desc").text)  # type: ignore[union-attr]
    circles = root.iter("circle")
    across = [float(circle.attrib["cx"]) for circle in circles]
    assert len(across) == 4
    assert np.allclose(np.diff(across), across[1] - across[0], atol=0.2)  # equal factors, equal distances
    assert "Nothing to draw" in draw(Chart("t", "x", "y", ()), 1)


def test_ticks_are_round_and_enclose() -> None:
    assert nice_ticks(0.0, 0.031) == pytest.approx([0, 0.01, 0.02, 0.03, 0.04])
    assert nice_ticks(0.5, 0.5)[0] <= 0.5 <= nice_ticks(0.5, 0.5)[-1]
    assert log_ticks(0.09, 4.0) == pytest.approx([0.05, 0.1, 0.2, 0.5, 1, 2, 5])
    assert log_ticks(1.0, 1.0) == pytest.approx([1, 2])
    for low, high in ((0.013, 0.8), (-3.0, 17.0), (1e-5, 2e-5)):
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low * (1 - 1e-9 if low < 0 else 1 + 1e-9)
        assert ticks[-1] >= high * (1 - 1e-9) and 3 <= len(ticks) <= 9


def test_a_narrow_logarithmic_axis_still_has_ticks() -> None:
    points = (Point(1.0, 0.034, "a", 0.004), Point(2.0, 0.031, "b", 0.02))
    svg = draw(Chart("t", "x", "y", (Series("s", 0, points),), is_log_y=True, starts_at_zero=False), 1)
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    values = [float(text) for text in texts if text and re.fullmatch(r"0\.03\d*", text)]
    assert len(values) >= 4
    wide = (Point(1.0, 0.5, "a"), Point(2.0, 0.01, "b"))
    svg = draw(Chart("t", "x", "y", (Series("s", 0, wide),), is_log_y=True, starts_at_zero=False), 1)
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    assert [text for text in texts if text in {"0.01", "0.02", "0.05", "0.1", "0.2", "0.5"}]


@pytest.mark.parametrize("ratio", [1.0, 1.05, 1.7, 2.4, 2.6, 4.9, 30.0])
def test_every_mark_lies_inside_a_logarithmic_chart(ratio: float) -> None:
    for low in (0.0013, 0.012, 0.0299, 0.06):
        points = (Point(1.0, low, "a", low), Point(2.0, low * ratio, "b", low))
        chart = Chart("t", "x", "y", (Series("s", 0, points),), is_log_y=True, starts_at_zero=False)
        root = ElementTree.fromstring(draw(chart, 1))
        heights = [float(circle.attrib["cy"]) for circle in root.iter("circle")]
        assert all(TOP - 0.1 <= height <= HEIGHT - BOTTOM + 0.1 for height in heights), (low, heights)


def test_small_pictures_are_kept_exactly() -> None:
    assert picture_address(picture(1, width=32, height=32)).startswith("data:image/png;base64,")
    assert picture_address(picture(1, width=200, height=200)).startswith("data:image/jpeg;base64,")
