"""Edit directions: arithmetic, files, checks, and calibrated ranges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.engine.edit.calibrate import average_codes, calibrated
from desktop_app.engine.edit.directions import (
    Direction,
    closed_form_directions,
    direction_files,
    edit_code,
    load_directions,
    make_direction,
    save_directions,
)
from desktop_app.engine.invert.model import InversionModel, load_inversion_model
from desktop_app.engine.invert.restyle import synthesize
from desktop_app.engine.weights.store import ModelStore
from tests.tiny_inverter import MODEL, N_STYLES, STYLE_DIM, write_tiny_model

SHAPE = (N_STYLES, STYLE_DIM)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> InversionModel:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder)
    return load_inversion_model(ModelStore(folder, folder), MODEL, device=torch.device("cpu"))


def _direction(name: str = "a", *, seed: int = 0) -> Direction:
    vector = np.random.default_rng(seed).normal(size=SHAPE)
    return make_direction(name, "A slider", "pca", vector=vector, reach=(-2.0, 4.0))


def test_edits_add_up() -> None:
    a, b = _direction("a"), _direction("b", seed=1)
    code = np.ones(SHAPE, dtype=np.float32)
    edited = edit_code(code, (a, b), (("a", 2.0), ("b", -0.5)))
    assert edited == pytest.approx(1 + 2.0 * a.vector - 0.5 * b.vector, abs=1e-5)
    assert not edited.flags.writeable
    assert (code == 1).all()


@pytest.mark.parametrize("strengths", [(("nobody", 1.0),), (("a", float("nan")),), (("a", float("inf")),)])
def test_wrong_edits_are_refused(strengths: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(UserInputError):
        edit_code(np.ones(SHAPE, dtype=np.float32), (_direction(),), strengths)


def test_every_generator_has_at_least_six_unit_directions(model: InversionModel) -> None:
    found = closed_form_directions(model.generator)
    assert len(found) >= 6
    assert len({direction.name for direction in found}) == len(found)
    for direction in found:
        norms = np.linalg.norm(direction.vector[list(direction.layers)], axis=1)
        assert norms == pytest.approx(np.ones(len(direction.layers)), abs=1e-5)
        others = [k for k in range(N_STYLES) if k not in direction.layers]
        assert not direction.vector[others].any()


def test_calibrated_ends_change_the_picture_by_the_target(model: InversionModel) -> None:
    codes = average_codes(model)
    before = synthesize(model, codes[0]).clamp(-1, 1)
    checked = 0
    for plain in closed_form_directions(model.generator):
        direction = calibrated(plain, model, codes, target=0.1)
        if direction is None:
            continue
        for strength in (direction.minimum, direction.maximum):
            after = synthesize(model, codes[0] + np.float32(strength) * direction.vector).clamp(-1, 1)
            assert float((after - before).square().mean().sqrt()) == pytest.approx(0.1, rel=0.5)
            checked += 1
    assert checked >= 8


def test_a_direction_that_changes_nothing_is_left_out(model: InversionModel) -> None:
    nothing = make_direction("n", "Nothing", "pca", vector=np.full(SHAPE, 1e-9))
    assert calibrated(nothing, model, average_codes(model), target=0.1) is None


def test_files_come_back_as_written(tmp_path: Path) -> None:
    written = (_direction("a"), _direction("b", seed=1))
    save_directions(tmp_path, "m.x", directions=written, sha256="abc")
    read = load_directions(tmp_path, "m.x", shape=SHAPE, sha256="abc")
    assert read is not None
    for before, after in zip(written, read, strict=True):
        assert after.info == before.info
        assert np.array_equal(after.vector, before.vector)


def test_a_model_without_files_has_none(tmp_path: Path) -> None:
    assert load_directions(tmp_path, "m.x", shape=SHAPE, sha256="abc") is None


def test_a_direction_file_is_no_model_card(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    save_directions(tmp_path, MODEL, directions=(_direction(),), sha256="abc")
    assert [card.name for card in ModelStore(tmp_path, tmp_path / "none").cards()] == [MODEL]


def _damage_digest(listing: Path, _: Path) -> None:
    listing.write_text(listing.read_text().replace('"abc"', '"other"'))


def _damage_json(listing: Path, _: Path) -> None:
    listing.write_text("{")


def _damage_range(listing: Path, _: Path) -> None:
    content = json.loads(listing.read_text())
    content["directions"][0]["minimum"] = 9
    listing.write_text(json.dumps(content))


def _damage_kind(listing: Path, _: Path) -> None:
    listing.write_text(listing.read_text().replace('"pca"', '"magic"'))


def _lose_tensors(_: Path, tensors: Path) -> None:
    tensors.unlink()


def _cut_tensors(_: Path, tensors: Path) -> None:
    tensors.write_bytes(tensors.read_bytes()[:50])


def _other_shape(_: Path, tensors: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(3, STYLE_DIM)}, tensors)


def _no_numbers(_: Path, tensors: Path) -> None:
    safetensors.torch.save_file({"a": torch.full(SHAPE, float("nan"))}, tensors)


def _only_zeros(_: Path, tensors: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(SHAPE)}, tensors)


def _other_name(_: Path, tensors: Path) -> None:
    safetensors.torch.save_file({"b": torch.ones(SHAPE)}, tensors)


@pytest.mark.parametrize(
    "damage",
    [
        _damage_digest,
        _damage_json,
        _damage_range,
        _damage_kind,
        _lose_tensors,
        _cut_tensors,
        _other_shape,
        _no_numbers,
        _only_zeros,
        _other_name,
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, damage: object) -> None:
    save_directions(tmp_path, "m.x", directions=(_direction(),), sha256="abc")
    damage(*direction_files(tmp_path, "m.x"))  # type: ignore[operator]
    with pytest.raises(WeightsError):
        load_directions(tmp_path, "m.x", shape=SHAPE, sha256="abc")
