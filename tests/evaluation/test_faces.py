"""Verification figures against plain loops, and what the built-in encoder reaches on people it never saw."""

from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.core.errors import UserInputError
from desktop_app.core.paths import default_paths
from desktop_app.engine.embed.face_encoder import BUILTIN_FACES
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.describers import make_describer
from desktop_app.evaluation.faces import (
    evaluate_faces,
    people_of_folder,
    same_photograph,
    verification_scores,
)
from desktop_app.training.alike import held_out_people
from tests.library import drive

PEOPLE = ["a", "a", "a", "b", "b", "c", "d", "d", "e"]


def _similarity(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(len(PEOPLE), 5))
    rows += 0.7 * rng.normal(size=(5, 5))[[ord(name) - ord("a") for name in PEOPLE]]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows @ rows.T).astype(np.float32)


def test_figures_agree_with_plain_loops() -> None:
    similarity = _similarity()
    pairs = list(combinations(range(len(PEOPLE)), 2))
    same = [similarity[i, j] for i, j in pairs if PEOPLE[i] == PEOPLE[j]]
    unlike = [similarity[i, j] for i, j in pairs if PEOPLE[i] != PEOPLE[j]]
    wins = [(one > other) + 0.5 * (one == other) for one in same for other in unlike]
    nearest = []
    for i, name in enumerate(PEOPLE):
        if PEOPLE.count(name) > 1:
            others = [j for j in range(len(PEOPLE)) if j != i]
            nearest.append(PEOPLE[max(others, key=lambda j: similarity[i, j])] == name)
    scores = verification_scores(similarity.copy(), PEOPLE)
    assert (scores.pairs, scores.probes) == (len(same), len(nearest))
    assert scores.auc == pytest.approx(np.mean(wins))
    assert scores.rank_1 == pytest.approx(np.mean(nearest))
    assert scores.accepted == pytest.approx(np.mean(np.array(same) > np.quantile(unlike, 0.99)))


def test_copies_count_neither_as_pairs_nor_as_neighbours() -> None:
    similarity = _similarity()
    similarity[0, 1] = similarity[1, 0] = 1.0
    copies = np.zeros_like(similarity, dtype=bool)
    copies[0, 1] = copies[1, 0] = True
    np.fill_diagonal(copies, True)
    every, others = verification_scores(similarity, PEOPLE), verification_scores(
        similarity, PEOPLE, left_out=copies
    )  # fmt: skip
    assert others.pairs == every.pairs - 1
    assert verification_scores(similarity, list("abcdefghi")) is None


def test_copies_of_a_photograph_are_told_from_other_photos() -> None:
    rng = np.random.default_rng(2)
    first, second = (
        np.asarray(
            PillowImage.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize(
                (160, 160), PillowImage.Resampling.BICUBIC
            )
        )
        for _ in range(2)
    )
    darker = (first * 0.6 + 20).astype(np.uint8)[:, :, ::-1].copy()
    small = np.asarray(PillowImage.fromarray(first).resize((128, 128)))
    found = same_photograph([first, darker, small, second])
    assert found[0, 2] and found[2, 0] and not found[0, 3] and found.diagonal().all()
    assert found[0, 1] == found[1, 0]


def test_a_folder_for_each_person_and_lists_that_are_wrong(tmp_path: Path) -> None:
    for person in ("ada", "grace"):
        (tmp_path / person).mkdir()
        PillowImage.new("RGB", (130, 130)).save(tmp_path / person / "1.png")
    assert [face.person for face in people_of_folder(tmp_path)] == ["ada", "grace"]
    (tmp_path / "index.csv").write_text("file,person\nada/1.png,ada\n")
    with pytest.raises(UserInputError, match="not two people"):
        people_of_folder(tmp_path)
    with pytest.raises(UserInputError, match="no column split"):
        people_of_folder(tmp_path, split="val")
    (tmp_path / "index.csv").write_text("picture,who\n")
    with pytest.raises(UserInputError, match="needs the columns"):
        people_of_folder(tmp_path)
    with pytest.raises(UserInputError, match="is not there"):
        people_of_folder(tmp_path / "nowhere")


def test_held_out_people_are_the_same_everywhere_and_have_several_pictures() -> None:
    people = [f"p{n}" for n in range(40) for _ in range(1 + n % 3)]
    chosen = held_out_people(people, 10)
    assert chosen == held_out_people(list(reversed(people)), 10) and len(chosen) == 10
    assert all(people.count(name) > 1 for name in chosen)


@pytest.mark.weights
def test_the_builtin_encoder_knows_people_again_that_it_never_saw(sample_data: Path) -> None:
    """Figures of the card with room for other machines; of `val` people only."""
    faces = people_of_folder(sample_data / "faces", split="val")
    store = ModelStore(default_paths().builtin_models, Path("nowhere"))
    names = (BUILTIN_FACES, "contrastive_photo.builtin", "pixels16")
    describers = {name: make_describer(name, store, device=torch.device("cpu")) for name in names}
    report = drive(evaluate_faces(faces, describers))[1]
    assert report.people == 300
    own, photo, pixels = (encoder.other_photos for encoder in report.encoders)
    assert own.auc > 0.88 and own.accepted > 0.5 and own.rank_1 > 0.45
    assert own.auc > photo.auc > pixels.auc and own.rank_1 > photo.rank_1 > pixels.rank_1
    assert report.encoders[0].all_pairs.auc > 0.97 and report.encoders[0].all_pairs.rank_1 > 0.9


def test_the_command_writes_a_table_and_seeks_reconstructions(
    sample_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    with (sample_data / "faces" / "index.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["split"] == "val"][:6]
    for number, row in enumerate(rows):
        (folder / f"p{number // 2}").mkdir(exist_ok=True)
        file = folder / f"p{number // 2}" / f"{number}.jpg"
        file.write_bytes((sample_data / "faces" / row["file"]).read_bytes())
    line = ["--json", "--data", str(tmp_path / "data"), "evaluate", "faces", "--folder", str(folder)]
    line += [
        "--out",
        str(tmp_path / "out"),
        "--model",
        "restyle_psp.builtin",
        "--people",
        "3",
        "--steps",
        "1",
    ]
    assert main(line) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["faces"], answer["people"]) == (6, 3)
    assert answer["reconstructions"]["people"] == 3 and answer["reconstructions"]["encoder"] == BUILTIN_FACES
    table = (tmp_path / "out" / "faces.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith("encoder,compared") and len(table) > 1
