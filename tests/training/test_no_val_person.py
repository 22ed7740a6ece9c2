"""No `val` person reaches what is trained, chosen or found: other `val` pictures change nothing of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.engine.invert.model import load_inversion_model
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training import edit_directions
from desktop_app.training.datasets import load_pictures
from desktop_app.training.edit_directions import DirectionConfig, FoundDirections, find_directions
from desktop_app.training.face_points import FacePointConfig, train_face_points
from desktop_app.training.generator import GeneratorTraining
from desktop_app.training.inversion_kinds import Kind
from desktop_app.training.mapping_run import train_mapping_run
from desktop_app.training.restyle import RestyleConfig, RestyleTraining
from desktop_app.training.run_folder import CHECKPOINT, RunFolder
from desktop_app.training.second_domain import SecondDomainConfig, SecondDomainTraining
from desktop_app.training.val_split import without_held_out
from tests.tiny_inverter import MODEL, write_tiny_model
from tests.training.test_face_training import TINY, faces  # noqa: F401

Weights = dict[str, torch.Tensor]


@pytest.fixture
def pair(tmp_path: Path, faces: Path) -> tuple[Path, Path]:  # noqa: F811
    """Two folders of the same `train` pictures, with different people in `val`."""
    other = tmp_path / "other"
    shutil.copytree(faces, other)
    with (other / "index.csv").open(encoding="utf-8", newline="") as handle:
        files = [row["file"] for row in csv.DictReader(handle) if row["split"] == "val"]
    assert files
    for file in files:
        noise = np.random.default_rng(99).integers(0, 255, (40, 40, 3))
        PillowImage.fromarray(noise.astype(np.uint8)).save(other / file)
    return faces, other


def _weights(run: Path) -> Weights:
    saved = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    return {f"{part}.{k}": v for part in ("model", "average") for k, v in saved.get(part, {}).items()}


def _all(steps: Iterator[object]) -> None:
    for _ in steps:
        pass


def _generator(data: Path, run: Path, filter_name: str = "", style_dim: int = TINY.style_dim) -> Weights:
    config = replace(TINY, filter=filter_name, style_dim=style_dim)
    _all(GeneratorTraining(config, data, RunFolder(run)).steps())
    return _weights(run)


def _restyle(data: Path, run: Path, kind: Kind) -> Weights:
    _generator(data, run / "generator")
    steps = 1 if kind is Kind.ONE_PASS else 2
    config = RestyleConfig(steps=steps, passes=16, batch=4, kind=kind)
    _all(RestyleTraining(config, RunFolder(run / "generator"), data, RunFolder(run)).train())
    return _weights(run)


def _domain(data: Path, run: Path) -> Weights:
    _generator(data, run / "generator")
    config = SecondDomainConfig(images=8, batch=4, filter="toon")
    _all(SecondDomainTraining(config, RunFolder(run / "generator"), data, RunFolder(run)).train())
    return _weights(run)


def _mapping(data: Path, run: Path) -> Weights:
    _generator(data, run / "generator", style_dim=4)  # few pictures find few axes
    _all(train_mapping_run(RunFolder(run / "generator"), data, RunFolder(run), iterations=3))
    return _weights(run)


def _directions(data: Path, run: Path) -> Weights:
    write_tiny_model(run)
    model = load_inversion_model(ModelStore(run, run), MODEL, device=torch.device("cpu"))
    *_, found = find_directions(model, DirectionConfig(data, steps=1, principal=2, per_group=1))
    assert isinstance(found, FoundDirections)
    ranges = {f"{d.name}.range": torch.tensor([d.minimum, d.maximum]) for d in found.directions}
    return {**{d.name: torch.from_numpy(d.vector.copy()) for d in found.directions}, **ranges}


def _points(data: Path, run: Path) -> Weights:
    photos = run / "photos"
    photos.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(4):
        grain = rng.integers(0, 255, (160, 160, 3)).astype(np.uint8)
        PillowImage.fromarray(grain).save(photos / f"{number}.png")
    config = FacePointConfig(
        data, photos, run / "out", stages=1, starts=1, look_alikes=30, hard_look_alikes=0
    )
    _all(train_face_points(config))
    file = next((run / "out").glob("*.safetensors"))
    return {"bytes": torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)}


CASES: dict[str, Callable[[Path, Path], Weights]] = {
    "generator": _generator,
    "toon generator": lambda data, run: _generator(data, run, "toon"),
    "painting generator": lambda data, run: _generator(data, run, "paint"),
    "ReStyle-pSp": lambda data, run: _restyle(data, run, Kind.PSP),
    "ReStyle-e4e": lambda data, run: _restyle(data, run, Kind.E4E),
    "one pass": lambda data, run: _restyle(data, run, Kind.ONE_PASS),
    "second domain": _domain,
    "mapping": _mapping,
    "directions and their ranges": _directions,
    "face points and their threshold": _points,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CASES)
def test_other_val_people_change_nothing_that_is_trained(
    tmp_path: Path, pair: tuple[Path, Path], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_directions, "LABELS", edit_directions.LABELS[-2:])
    monkeypatch.setattr(edit_directions, "MEASURED_CODES", 2)
    first, second = (CASES[what](data, tmp_path / name) for data, name in zip(pair, "ab", strict=True))
    assert first and set(first) == set(second)
    for key, value in first.items():
        assert torch.equal(value, second[key]), f"{what}: {key} depends on the people kept for measuring"


def test_the_check_can_fail(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """The figures on `val` do differ: the runs above saw the other pictures, for measuring only."""
    notes = []
    for data, name in zip(pair, "ab", strict=True):
        training = GeneratorTraining(TINY, data, RunFolder(tmp_path / name))
        training.evaluate()
        line = (tmp_path / name / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        notes.append(json.loads(line)["val_l2_step1"])
    assert notes[0] != notes[1]


@pytest.mark.parametrize("named", [".", "val", "train", ".."])
def test_encoders_are_never_trained_on_val_people(tmp_path: Path, named: str) -> None:
    folder = tmp_path / "data" / "faces"
    rows = [("train/a.png", "p1", "train"), ("val/b.png", "p2", "val"), ("train/c.png", "p2", "train")]
    rows += [(f"train/d{k}.png", f"q{k}", "train") for k in range(5)]
    (folder / "train").mkdir(parents=True)
    (folder / "val").mkdir()
    for number, (file, _, _) in enumerate(rows):
        PillowImage.new("RGB", (32, 32), (number * 20, 90, 40)).save(folder / file)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("file", "person", "split"), *rows])
    chosen = folder / named
    files = sorted(chosen.rglob("*.png"))
    kept = {file.name for file in without_held_out(files, [chosen])}
    expected = set() if named == "val" else {"a.png", *(f"d{k}.png" for k in range(5))}
    assert kept == expected, "b is a `val` picture, c another one of the same person"
    if named == ".":
        loading = load_pictures([chosen], tmp_path / "cache", side=16)
        try:
            while True:
                next(loading)
        except StopIteration as end:
            assert {file.name for file in end.value.files} == expected


def test_lists_without_a_split_hold_nobody_back(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    PillowImage.new("RGB", (8, 8)).save(file)
    for content in ("file,label\na.png,x\n", "", "\x00\xff"):
        (tmp_path / "index.csv").write_text(content, encoding="latin-1")
        assert without_held_out([file], [tmp_path]) == [file]
