"""Tuning of last layers: which they are, that only they change, that it learns and continues exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from desktop_app.core.errors import UserInputError
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.timm_encoder import load_timm
from desktop_app.training.alike import AlikeSets
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune_blocks import BlockConfig, BlockTuning, last_names


@pytest.fixture
def embedder(tmp_path: Path) -> Embedder:
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "test_resnet.safetensors")
    return load_timm(tmp_path, "test_resnet", device=torch.device("cpu"))


def _tuning(embedder: Embedder, folder: Path, *, steps: int = 4, seed: int = 0) -> BlockTuning:
    chance = np.random.default_rng(2)
    images = [np.full((48, 60, 3), chance.integers(0, 256, 3), np.uint8) for _ in range(8)]
    for image in images:
        image[10:20] = chance.integers(0, 256, 3)
    sets = AlikeSets(torch.tensor([0, 0, 1, 1, 2, 3, 4, 5]))
    config = BlockConfig(steps=steps, seed=seed, batch=8, rate=1e-3)
    return BlockTuning(config, embedder, images, sets=sets, run=RunFolder(folder))


def test_last_weights_are_chosen_from_the_end() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    assert last_names(network, 0.25) == ["2.weight", "2.bias"]
    assert last_names(network, 0.01) == ["2.bias"]
    assert len(last_names(network, 1.0)) == 6


def test_only_the_last_layers_change_and_the_loss_falls(embedder: Embedder, tmp_path: Path) -> None:
    network = embedder.network
    assert isinstance(network, nn.Module)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tuning = _tuning(embedder, tmp_path / "run", steps=14)
    figures = list(tuning.steps())
    assert np.mean([f.loss for f in figures[-4:]]) < np.mean([f.loss for f in figures[:4]])
    after = network.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == set(tuning.names)  # the statistics of norms stay too
    assert set(tuning.changed()) == {f"network.{name}" for name in tuning.names}


def test_stopped_and_continued_equals_uninterrupted(tmp_path: Path, embedder: Embedder) -> None:
    fresh = lambda: load_timm(tmp_path, "test_resnet", device=torch.device("cpu"))  # noqa: E731
    whole = _tuning(fresh(), tmp_path / "whole")
    list(whole.steps())
    stopped = _tuning(fresh(), tmp_path / "parts")
    steps = stopped.steps()
    next(steps), next(steps)
    steps.close()
    continued = _tuning(fresh(), tmp_path / "parts")
    assert continued.restore() and continued.step == 2
    list(continued.steps())
    assert continued.figures == whole.figures
    for name, value in whole.changed().items():
        assert torch.equal(value, continued.changed()[name]), name
    with pytest.raises(UserInputError, match="other choices"):
        _tuning(fresh(), tmp_path / "parts", seed=9).restore()


def test_too_few_photos_are_refused(embedder: Embedder, tmp_path: Path) -> None:
    sets = AlikeSets(torch.arange(1))
    image = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(UserInputError, match="Too few"):
        BlockTuning(BlockConfig(), embedder, [image], sets=sets, run=RunFolder(tmp_path / "run"))
