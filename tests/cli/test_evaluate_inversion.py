"""`contrastyle evaluate inversion`: the object, exit codes, Ctrl-C."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desktop_app.cli.app import main
from desktop_app.cli.console import Console
from desktop_app.cli.evaluate_inversion import METHODS
from tests.pictures import save_picture
from tests.tiny_inverter import DATA, MODEL, needs_data, write_tiny_directions, write_tiny_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_tiny_directions(write_tiny_model(folder / "models"))
    return folder


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    for k in range(3):
        save_picture(folder / f"p{k}.png", k, width=48, height=48)
    return folder


def words(data: Path, folder: Path, *more: str) -> list[str]:
    base = ["evaluate", "inversion", "--folder", str(folder), "--out", str(data.parent / "out")]
    return [*base, "--model", MODEL, "--steps", "2", "--iterations", "3", "--data", str(data), *more]


def test_one_object_and_all_files(capsys: pytest.CaptureFixture[str], data: Path, faces: Path) -> None:
    line = words(
        data, faces, "--aligned", "--methods", "restyle_psp,psp,hybrid", "--edit-photos", "1", "--json"
    )
    assert main(line) == 0
    (text,) = capsys.readouterr().out.strip().splitlines()
    answer = json.loads(text)
    assert [one["method"] for one in answer["methods"]] == ["restyle_psp", "hybrid"]
    assert answer["not_run"][0]["method"] == "psp" and answer["photos"] == 3 and answer["is_complete"]
    last = answer["methods"][0]["steps"][-1]
    assert {"l2", "l2_model", "ms_ssim", "identity", "similarity", "seconds"} <= set(last)
    assert last["l2"]["count"] == 3 and last["l2"]["std"] > 0 and last["l2"]["ci95"] > 0
    assert "contrastive_face.builtin" in answer["metrics"]["identity"]
    assert all(Path(file).is_file() for file in answer["files"].values())


def test_a_person_reads_a_table(capsys: pytest.CaptureFixture[str], data: Path, faces: Path) -> None:
    line = words(
        data, faces, "--aligned", "--methods", "restyle_psp,e4e", "--edit-photos", "0", "--limit", "2"
    )
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert (
        "ReStyle-pSp" in shown and "MS-SSIM" in shown and "e4e: not run." in shown and "index.html" in shown
    )


@pytest.mark.parametrize(
    "more", [["--methods", "nobody"], ["--methods", ","], ["--steps", "0"], ["--steps", "21"]]
)
def test_wrong_usage_has_code_two(
    capsys: pytest.CaptureFixture[str], data: Path, faces: Path, more: list[str]
) -> None:
    assert main([*words(data, faces), *more]) == 2
    shown = capsys.readouterr().err
    assert all(name in shown for name in METHODS) if "--methods" in more else "1 to 20" in shown


def test_what_cannot_be_done_has_code_one(
    capsys: pytest.CaptureFixture[str], data: Path, faces: Path
) -> None:
    empty = data.parent / "empty"
    empty.mkdir()
    (data.parent / "file").write_text("x")
    for line, text in (
        (words(data, empty), "no pictures"),
        (words(data, data.parent / "nowhere"), "no folder"),
        (words(data, faces, "--model", "no.such"), "no.such"),
        (words(data, faces, "--aligned", "--out", str(data.parent / "file")), "is a file"),
        (words(data, faces, "--aligned", "--methods", "psp"), "None of the methods"),
        (words(data, faces, "--methods", "restyle_psp"), "None of the 3 photos"),
    ):
        assert main([*line, "--json"]) == 1, line
        assert text in json.loads(capsys.readouterr().out)["error"]


def test_ctrl_c_keeps_what_was_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: Path, faces: Path
) -> None:
    line = words(data, faces, "--aligned", "--methods", "restyle_psp", "--edit-photos", "0")
    plain = Console.progress

    def interrupt(self: Console, progress: object) -> None:
        plain(self, progress)  # type: ignore[arg-type]
        self._is_interrupted = getattr(progress, "done", 0) >= 2

    monkeypatch.setattr(Console, "progress", interrupt)
    assert main([*line, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"] == "Cancelled."
    out = data.parent / "out"
    assert "stopped before its end" in (out / "index.html").read_text(encoding="utf-8")
    assert len(list((out / "records").glob("*.npz"))) == 2
    monkeypatch.setattr(Console, "progress", plain)
    assert main([*line, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reused"] == 2 and answer["methods"][0]["photos"] == 3
    assert "stopped before its end" not in (out / "index.html").read_text(encoding="utf-8")


@needs_data
def test_whole_portraits_are_cut_out(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "portraits"
    folder.mkdir()
    file = sorted((DATA / "portraits").glob("*.jpg"))[0]
    (folder / file.name).write_bytes(file.read_bytes())
    save_picture(folder / "scenery.png", 3, width=200, height=160)
    assert main([*words(data, folder, "--methods", "restyle_psp", "--edit-photos", "0"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["methods"][0]["photos"] == 1
    assert [Path(one["file"]).name for one in answer["left_out"]] == ["scenery.png"]
    assert "No face" in answer["left_out"][0]["reason"]
