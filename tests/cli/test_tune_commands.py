"""`contrastyle train tune` from marking to going back, with a real, small encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import load_settings
from tests.pictures import picture


@pytest.fixture
def home(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(14):
        PillowImage.fromarray(picture(number, width=60, height=45)).save(photos / f"p{number:02d}.png")
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> dict[str, object]:
    assert main(["--data", str(home / "home"), *arguments, "--json"]) == code
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.weights
def test_from_marking_to_going_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(capsys, home, "index", str(home / "photos"))
    table = home / "groups.csv"
    table.write_text("file,label\np00.png,a\np01.png,a\np02.png,b\np03.png,b\n", encoding="utf-8")
    line = ("train", "tune", "--alike", "views", "groups", "--steps", "4", "--mark", str(table))
    answer = _run(capsys, home, *line)
    assert (answer["photos"], answer["steps"]) == (14, 4)
    assert answer["agreement_after"] >= answer["agreement_before"]  # type: ignore[operator]
    status = _run(capsys, home, "train", "tune", "--status")
    assert status["is_finished"] and status["groups"] == 2
    kept = _run(capsys, home, "train", "tune", "--keep", "--title", "My garden")
    assert (kept["model"], kept["title"], kept["photos"]) == ("contrastive_tuned.1", "My garden", 14)
    used = _run(capsys, home, "train", "tune", "--use", "contrastive_tuned.1")
    settings = paths_below(home / "home").settings_file
    assert load_settings(settings).library.encoder == "contrastive_tuned.1"
    found = _run(capsys, home, "search", str(home / "photos" / "p00.png"), "--min-similarity", "-1")
    assert len(found["hits"]) == 13  # type: ignore[arg-type]
    PillowImage.fromarray(picture(40, width=60, height=45)).save(home / "photos" / "new.png")
    assert _run(capsys, home, "index")["added"] == 1  # through the tuned network itself
    back = _run(capsys, home, "train", "tune", "--use", str(used["previous"]))
    assert load_settings(settings).library.encoder == back["encoder"] == "contrastive_photo.builtin"
    refused = _run(capsys, home, "train", "tune", "--keep", code=1)
    assert "no tuning" in str(refused["error"])


@pytest.mark.weights
def test_wrong_input_is_told_in_a_sentence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not indexed" in str(_run(capsys, home, "train", "tune", code=1)["error"])
    _run(capsys, home, "index", str(home / "photos"))
    table = home / "groups.csv"
    table.write_text("file,label\np00.png,a\np00.png,b\n", encoding="utf-8")
    answer = _run(capsys, home, "train", "tune", "--mark", str(table), code=1)
    assert "contradicts itself" in str(answer["error"])
    table.write_text("file,label\nnowhere.png,a\n", encoding="utf-8")
    answer = _run(capsys, home, "train", "tune", "--mark", str(table), code=1)
    assert "no two photos" in str(answer["error"])
