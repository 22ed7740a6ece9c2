"""`contrastyle invert` and `contrastyle directions`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.engine.invert.change_map import colour_change_map
from tests.pictures import picture, save_picture
from tests.security.foreign_files import tiny_generator
from tests.tiny_inverter import DATA, MODEL, SIZE, needs_data, write_tiny_model

_Outcome = tuple[int, dict[str, object]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write_tiny_model(folder / "models")
    return folder


def _run(capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> _Outcome:
    code = main([*words, "--data", str(data), "--json"])
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 1, lines
    return code, json.loads(lines[0])


def test_every_step_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path) -> None:
    photo, out = save_picture(tmp_path / "face.png", 1, width=64, height=64), tmp_path / "out"
    words = ["invert", str(photo), "--steps", "3", "--out", str(out), "--aligned", "--model", MODEL]
    code, answer = _run(capsys, data, *words)
    assert code == 0
    names = {file.name for file in out.iterdir()}
    numbered = {f"{kind}_{k}.png" for kind in ("step", "change") for k in (1, 2, 3)}
    assert names == numbered | {"aligned.png", "strip.png", "steps.gif", "latents.npz", "report.json"}
    assert answer["model"] == MODEL
    assert answer["faces"] == 1
    steps = answer["steps"]
    assert isinstance(steps, list)
    assert [set(step) for step in steps] == [{"index", "l2", "relative_change", "seconds", "phase"}] * 3
    assert [step["index"] for step in steps] == [1, 2, 3]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report == answer
    with PillowImage.open(out / "step_1.png") as image:
        assert image.size == (SIZE, SIZE)
    with np.load(out / "latents.npz") as stored:
        assert len(stored["w_plus"]) == 3


def test_numbers_that_a_method_does_not_use_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    photo = save_picture(tmp_path / "face.png", 1, width=64, height=64)
    words = ["invert", str(photo), "--out", str(tmp_path / "out"), "--aligned", "--model", MODEL]
    code, answer = _run(capsys, data, *words, "--method", "karras_w", "--steps", "4", "--iterations", "5")
    assert code == 0
    told = " ".join(str(one) for one in answer["warnings"])  # type: ignore[attr-defined]
    assert "--steps 4 changed nothing" in told and "--iterations" not in told
    code, answer = _run(capsys, data, *words, "--steps", "2", "--iterations", "5")
    told = " ".join(str(one) for one in answer["warnings"])  # type: ignore[attr-defined]
    assert code == 0 and "--iterations 5 changed nothing" in told and "--steps" not in told


def test_methods_tuning_and_two_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    photo = str(save_picture(tmp_path / "face.png", 1, width=64, height=64))
    write_tiny_model(data / "models", name="restyle_psp.tiny_toon", domain="toon")
    plain = ["invert", photo, "--aligned", "--model", MODEL, "--steps", "2"]
    code, answer = _run(
        capsys, data, *plain, "--method", "hybrid", "--iterations", "4", "--out", str(tmp_path / "hybrid")
    )
    assert (code, answer["method"]) == (0, "hybrid")
    assert [step["phase"] for step in answer["steps"]][:3] == ["encoder", "encoder", "search"]
    assert set(answer["measures"]) >= {"l2", "ms_ssim", "seconds"}
    code, answer = _run(capsys, data, *plain, "--refine", "5", "--out", str(tmp_path / "tuned"))
    assert (code, answer["tuned_from"]) == (0, 3)
    assert (tmp_path / "tuned" / "latents.generator_delta.safetensors").is_file()
    assert any("tuned to this photo" in warning for warning in answer["warnings"])
    toonify = ["--toonify", "restyle_psp.tiny_toon", "--out", str(tmp_path / "toon")]
    code, answer = _run(capsys, data, *plain, *toonify)
    assert (code, answer["model"]) == (0, "restyle_psp.tiny_toon")
    assert [step["phase"] for step in answer["steps"]] == ["face", "toon", "toon"]
    code, answer = _run(capsys, data, *plain, *toonify, "--method", "restyle")
    assert (code, "--method" in answer["hint"]) == (1, True)
    code, answer = _run(capsys, data, *plain, "--method", "bootstrap", "--out", str(tmp_path / "x"))
    assert (code, "--toonify" in answer["hint"]) == (1, True)


def test_an_imported_generator_is_projected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    torch.save({"g_ema": tiny_generator().state_dict()}, tmp_path / "generator.pt")
    code, answer = _run(capsys, data, "models", "import", str(tmp_path / "generator.pt"), "--name", "mine")
    assert code == 0, answer
    photo = str(save_picture(tmp_path / "face.png", 1, width=64, height=64))
    plain = ["invert", photo, "--aligned", "--model", "mine", "--iterations", "20"]
    code, answer = _run(capsys, data, *plain, "--method", "karras_w", "--out", str(tmp_path / "out"))
    assert (code, answer["method"]) == (0, "karras_w")
    assert answer["steps"][-1]["l2"] < answer["steps"][0]["l2"]
    code, answer = _run(capsys, data, *plain, "--method", "hybrid", "--out", str(tmp_path / "no"))
    assert code != 0 and "a generator alone" in json.dumps(answer)


@needs_data
def test_a_portrait_is_edited_and_pasted_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    photo, out = sorted((DATA / "portraits").glob("*.jpg"))[0], tmp_path / "out"
    _, listed = _run(capsys, data, "directions", "--model", MODEL)
    assert isinstance(listed["directions"], list)
    first = listed["directions"][0]
    assert len(listed["directions"]) >= 6
    edit = f"{first['name']}={first['maximum']}"
    words = ["invert", str(photo), "--steps", "2", "--out", str(out), "--model", MODEL, "--edit", edit]
    code, answer = _run(capsys, data, *words, "--paste-back")
    assert code == 0
    assert answer["faces"] == 1
    assert answer["edit"] == {first["name"]: first["maximum"]}
    assert answer["warnings"] and "is beyond" not in str(answer["warnings"])
    code, answer = _run(capsys, data, *words[:-1], f"{first['name']}=99")
    assert code == 0 and f"{first['name']}=99 is beyond" in str(answer["warnings"])
    with PillowImage.open(photo) as before, PillowImage.open(out / "photo.png") as after:
        assert before.size == after.size
    assert (out / "edited.png").is_file()


def test_what_fails_is_one_object_with_a_hint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    photo = save_picture(tmp_path / "plain.png", 1, width=200, height=150)
    file = tmp_path / "a_file"
    file.write_text("x")
    common = ["--model", MODEL, "--out"]
    out = str(tmp_path / "out")
    for words, text in (
        (["invert", str(photo), *common, out], "No face"),
        (["invert", str(tmp_path / "none.jpg"), *common, out], "none.jpg"),
        (["invert", str(photo), "--aligned", "--model", "no.such", "--out", out], "no.such"),
        (["invert", str(photo), "--aligned", *common, str(file)], "a file"),
        (["invert", str(photo), "--aligned", "--edit", "nobody=1", *common, out], "nobody"),
        (["invert", str(photo), "--aligned", "--paste-back", *common, out], "paste back"),
        (["invert", str(photo), "--aligned", "--paste-mode", "replace", *common, out], "--paste-mode"),
        (["invert", str(photo), "--aligned", "--first-steps", "2", *common, out], "--first-steps"),
    ):
        code, answer = _run(capsys, data, *words)
        assert code == 1, words
        assert text in str(answer["error"])


@pytest.mark.parametrize(
    "words",
    [
        ["--steps", "0"],
        ["--steps", "21"],
        ["--steps", "x"],
        ["--face", "0"],
        ["--edit", "a"],
        ["--edit", "a=nan"],
    ],
)
def test_wrong_usage_ends_with_two(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, words: list[str]
) -> None:
    photo = save_picture(tmp_path / "face.png", 1)
    assert main(["invert", str(photo), "--out", str(tmp_path / "o"), *words, "--data", str(data)]) == 2
    capsys.readouterr()


def test_a_person_reads_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path) -> None:
    photo = save_picture(tmp_path / "face.png", 1, width=64, height=64)
    words = [
        "invert",
        str(photo),
        "--steps",
        "2",
        "--aligned",
        "--model",
        MODEL,
        "--out",
        str(tmp_path / "o"),
    ]
    assert main([*words, "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "relative" in shown or "change" in shown
    assert "Wrote" in shown


def test_heat_maps_are_red_where_most_changed() -> None:
    change = np.zeros((4, 4), dtype=np.float32)
    change[0, 0], change[1, 1] = 1.0, 0.25
    coloured = colour_change_map(change, 1.0)
    red, _, blue = coloured[0, 0].astype(int)
    assert red > 150 > blue
    red, _, blue = coloured[3, 3].astype(int)
    assert blue > 100 > red
    assert coloured.shape == (4, 4, 3)
    assert np.array_equal(colour_change_map(change, 2.0)[3, 3], coloured[3, 3])
    assert not np.array_equal(colour_change_map(change, 2.0)[0, 0], coloured[0, 0])
    with pytest.raises(ValueError, match="expected"):
        colour_change_map(picture(1).astype(np.float32), 1.0)
