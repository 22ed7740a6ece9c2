"""Networks of other libraries, trained here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.embed.tower import TowerEncoder
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training.config import ContrastiveConfig, EncoderConfig
from desktop_app.training.contrastive import ContrastiveTraining, ModelWords, write_encoder
from desktop_app.training.datasets import SmallPictures
from desktop_app.training.run_folder import RunFolder

SMALL = ContrastiveConfig(
    images=8,
    batch=4,
    head_hidden=16,
    head_out=8,
    precision="float32",
    encoder=EncoderConfig(network="timm:test_resnet"),
)


def _training(
    folder: Path, start: Path | None = None, network: str = "timm:test_resnet"
) -> ContrastiveTraining:
    config = replace(SMALL, encoder=replace(SMALL.encoder, network=network))
    pictures = np.random.default_rng(0).integers(0, 256, (6, 3, 40, 40), dtype=np.uint8)
    return ContrastiveTraining(config, SmallPictures(pictures, np.ones(6)), RunFolder(folder), start=start)


def test_network_of_timm_is_trained_written_and_loaded(tmp_path: Path) -> None:
    training = _training(tmp_path / "run")
    for _ in training.steps():
        pass
    card = write_encoder(training, ModelWords("mine.tower", tmp_path / "models", "Mine", "MIT", "made up"))
    assert card.config == {"network": "timm:test_resnet"}
    embedder = load_embedder(ModelStore(tmp_path / "models", tmp_path), card.name, device=torch.device("cpu"))
    image = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    row = embedder.embed([image])
    assert row.shape == (1, embedder.embedding_size)
    with torch.no_grad():
        x = torch.from_numpy(embedder.prepare(image).copy()).permute(2, 0, 1)[None] / 127.5 - 1.0
        plain = training.network.encoder.eval()(x)[0]
    assert np.allclose(row[0], (plain / plain.norm()).numpy(), atol=1e-4)


def test_published_weights_in_the_model_folder_are_the_start(tmp_path: Path) -> None:
    published = timm.create_model("test_resnet", pretrained=False)
    safetensors.torch.save_file(published.state_dict(), tmp_path / "test_resnet.safetensors")
    training = _training(tmp_path / "run", tmp_path)
    assert training.has_start
    own = training.network.encoder.network.state_dict()
    assert torch.equal(own["conv1.0.weight"], published.state_dict()["conv1.0.weight"])
    assert not _training(tmp_path / "other", tmp_path / "run").has_start


def test_picture_is_given_to_the_network_as_its_library_says() -> None:
    encoder = TowerEncoder("timm:test_resnet").eval()
    x = torch.rand(1, 3, encoder.input_px, encoder.input_px) * 2.0 - 1.0
    mean = torch.tensor(encoder.network.pretrained_cfg["mean"]).view(1, 3, 1, 1)
    std = torch.tensor(encoder.network.pretrained_cfg["std"]).view(1, 3, 1, 1)
    with torch.no_grad():
        wanted = encoder.network(((x + 1.0) / 2.0 - mean) / std)
        assert torch.allclose(encoder(x), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["timm:no_such", "open_clip:no_such", "resnet18", "timm:"])
def test_unknown_network_is_refused(name: str) -> None:
    with pytest.raises(WeightsError):
        TowerEncoder(name)


def test_image_tower_of_open_clip_is_built_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from desktop_app.engine.embed import tower

    small = {"embed_dim": 12, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}}
    monkeypatch.setattr(tower.open_clip, "get_model_config", lambda name: small if name == "small" else None)
    encoder = TowerEncoder("open_clip:small")
    assert (encoder.input_px, encoder.size) == (32, 12)
