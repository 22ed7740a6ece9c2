"""`contrastyle directions --find --sheets --name`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.training import edit_directions
from tests.tiny_inverter import MODEL, write_tiny_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_tiny_model(folder / "models")
    return folder


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "person", "split"])
        for number in range(24):
            picture = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
            PillowImage.fromarray(picture).save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", f"p{number}", "train"])
    return folder


def _run(
    capsys: pytest.CaptureFixture[str], data: Path, *words: str
) -> tuple[int, dict[str, object], dict[str, dict[str, object]]]:
    code = main(["directions", "--model", MODEL, *words, "--data", str(data), "--json"])
    answer = json.loads(capsys.readouterr().out)
    return code, answer, {one["name"]: one for one in answer.get("directions", ())}


def test_directions_are_found_shown_and_named_in_one_command(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    data: Path,
    faces: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(edit_directions, "LABELS", edit_directions.LABELS[-2:])
    monkeypatch.setattr(edit_directions, "MEASURED_CODES", 2)
    sheets = tmp_path / "sheets"
    words = ["--find", str(faces), "--sheets", str(sheets), "--name", "pca.2=Head up"]
    code, _, found = _run(capsys, data, *words)
    assert code == 0 and found["pca.2"]["label"] == "Head up"
    facts = found["pca.2"]["facts"]
    assert isinstance(facts, dict) and facts["judge"].startswith("contrastive_") and facts["changes"]
    assert {file.stem for file in sheets.iterdir()} == set(found)
    table = (data / "models" / f"{MODEL}.directions.md").read_text(encoding="utf-8")
    assert "| `pca.2` | Head up |" in table
    code, _, listed = _run(capsys, data, "--name", "sefa.fine.1=Tint")
    assert code == 0 and listed["sefa.fine.1"]["label"] == "Tint" and listed["pca.2"]["label"] == "Head up"
    assert "Tint" in (data / "models" / f"{MODEL}.directions.md").read_text(encoding="utf-8")
    code, answer, _ = _run(capsys, data, "--name", "pca.99=Nothing")
    assert code != 0 and "pca.99" in json.dumps(answer)


def test_names_and_sheets_need_directions_of_the_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    code, answer, _ = _run(capsys, data, "--name", "pca.1=Turn")
    assert code != 0 and "--find" in json.dumps(answer)
    code, answer, _ = _run(capsys, data, "--sheets", str(tmp_path))
    assert code != 0 and "--find" in json.dumps(answer)
