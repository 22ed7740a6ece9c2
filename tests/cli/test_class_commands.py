"""`contrastyle classes` from end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.jobs.test_classes import _save


def test_mark_propose_and_export(run: Callable[..., object], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(10):
        _save(photos, f"red{number}.png", (190, 70, 60), number)
        _save(photos, f"blue{number}.png", (60, 80, 190), 50 + number)
    assert run("index", photos).code == 0
    assert "no classes yet" in run("classes", "list").out
    marked = run(
        "classes", "mark", "red", "--is", *(photos / f"red{n}.png" for n in range(4)),
        "--is-not", photos / "blue0.png", "--json",
    )  # fmt: skip
    assert marked.json["class"] == {"name": "red", "members": 4, "others": 1, "answered": 0}
    answer = run("classes", "propose", "RED", "--top", 5, "--json").json
    assert all("red" in Path(p["path"]).name for p in answer["proposals"][:4])
    assert "proposals; about" in run("classes", "propose", "red").out
    cleared = run("classes", "mark", "red", "--clear", photos / "blue0.png")
    assert "4 are, 0 are not" in cleared.out
    exported = run("classes", "export", "--csv", tmp_path / "t.csv", "--xmp", "--json").json
    assert (exported["photos"], exported["sidecars"]) == (4, 4)
    assert run("classes", "rename", "red", "rot").code == 0
    assert "rot" in run("classes", "list").out
    assert run("classes", "remove", "rot").code == 0


def test_wrong_use_is_told(run: Callable[..., object], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    _save(photos, "a.png", (190, 70, 60), 1)
    run("index", photos)
    nobody = run("classes", "propose", "nobody")
    assert nobody.code == 1 and "no class named 'nobody'" in nobody.err
    outside = run("classes", "mark", "x", "--is", tmp_path / "other.png")
    assert outside.code == 1 and "not in the library" in outside.err
    both = run("classes", "mark", "x", "--is", photos / "a.png", "--is-not", photos / "a.png")
    assert both.code == 1 and "Give each photo once" in both.err
    assert run("classes", "propose", "x", "--min-confidence", 2).code == 2
