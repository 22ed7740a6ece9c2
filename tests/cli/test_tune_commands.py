"""`contrastyle train tune` from marking to going back, with a real, small encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import load_settings
from desktop_app.jobs import tune_library
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


def _said(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> str:
    assert main(["--data", str(home / "home"), *arguments]) == 0
    return capsys.readouterr().out


def _refused(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> str:
    answer = _run(capsys, home, "train", "tune", *arguments, code=1)
    return f"{answer['error']} {answer['hint']}"


@pytest.mark.weights
def test_from_marking_to_going_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(capsys, home, "index", str(home / "photos"))
    table = home / "groups.csv"
    table.write_text("file,label\np00.png,a\np01.png,a\np02.png,b\np03.png,b\n", encoding="utf-8")
    line = ("train", "tune", "--steps", "4", "--mark", str(table))
    answer = _run(capsys, home, *line)
    assert (answer["photos"], answer["steps"]) == (14, 4)
    assert answer["alike"] == ["views", "groups"], "what is marked counts as alike"
    assert answer["agreement_after"] >= answer["agreement_before"]  # type: ignore[operator]
    status = _run(capsys, home, "train", "tune", "--status")
    assert status["is_finished"] and status["groups"] == 2
    kept = _run(capsys, home, "train", "tune", "--keep", "--title", "My garden")
    assert (kept["model"], kept["title"], kept["photos"]) == ("contrastive_tuned.1", "My garden", 14)
    used = _run(capsys, home, "train", "tune", "--use", "contrastive_tuned.1")
    assert "already" in _said(capsys, home, "train", "tune", "--use", "contrastive_tuned.1")
    again = _said(capsys, home, "train", "tune", "--steps", "2")
    assert "Tuning contrastive_photo.builtin, on which contrastive_tuned.1 stands." in again
    settings = paths_below(home / "home").settings_file
    assert load_settings(settings).library.encoder == "contrastive_tuned.1"
    found = _run(capsys, home, "search", str(home / "photos" / "p00.png"), "--min-similarity", "-1")
    assert len(found["hits"]) == 13  # type: ignore[arg-type]
    PillowImage.fromarray(picture(40, width=60, height=45)).save(home / "photos" / "new.png")
    assert _run(capsys, home, "index")["added"] == 1  # through the tuned network itself
    back = _run(capsys, home, "train", "tune", "--use", str(used["previous"]))
    assert load_settings(settings).library.encoder == back["encoder"] == "contrastive_photo.builtin"
    _run(capsys, home, "train", "tune", "--discard")
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
    status = _run(capsys, home, "train", "tune", "--status")
    assert (status["groups"], status["is_finished"], status["stopped_of"]) == (0, False, 0)


@pytest.mark.weights
def test_contradicting_list_marks_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (0, 1):
        PillowImage.fromarray(picture(number, width=60, height=45)).save(home / "photos" / f"c{number}.bmp")
    _run(capsys, home, "index", str(home / "photos"))
    table = home / "groups.csv"
    table.write_text("file,label\np00.png,a\np01.png,a\nc0.bmp,b\nc1.bmp,b\n", encoding="utf-8")
    assert "contradict each other: 4 photos" in _refused(capsys, home, "--mark", str(table))
    assert _run(capsys, home, "train", "tune", "--status")["groups"] == 0


@pytest.mark.weights
def test_new_tuning_does_not_throw_one_away_that_waits(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(capsys, home, "index", str(home / "photos"))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tune_library, "_result", stop)
        assert main(["--data", str(home / "home"), "train", "tune", "--steps", "3"]) == 130
    capsys.readouterr()
    told = _refused(capsys, home)
    assert "stopped at step 3 of 3" in told and "--resume" in told and "--discard" in told
    for choice in (["--steps", "30"], ["--alike", "views"], ["--seed", "0"], ["--layers"]):
        assert f"{choice[0]} would change nothing" in _refused(capsys, home, "--resume", *choice)
    assert _run(capsys, home, "train", "tune", "--status")["stopped_at"] == 3
    assert _run(capsys, home, "train", "tune", "--resume")["steps"] == 3
    told = _refused(capsys, home, "--steps", "2")
    assert "finished tuning of contrastive_photo.builtin" in told
    assert "--keep" in told and "--discard" in told
    assert "cannot go with `--status`" in _refused(capsys, home, "--status", "--mark", "groups.csv")
    assert _run(capsys, home, "train", "tune", "--status")["is_finished"]
    _run(capsys, home, "train", "tune", "--discard")
    assert _run(capsys, home, "train", "tune", "--steps", "2")["steps"] == 2
