"""A tuned encoder on its base: what it computes, and when it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torch.nn.functional as F  # noqa: N812

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.embed.tuned_head import head_of
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model

BASE = "timm:test_resnet"
CPU = torch.device("cpu")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "test_resnet.safetensors")
    return ModelStore(tmp_path / "builtin", tmp_path)


def _write(store: ModelStore, tensors: dict[str, torch.Tensor], **config: object) -> str:
    base = load_embedder(store, BASE, device=CPU)
    stated = {"base": BASE, "base_version": base.version, "embedding_size": base.embedding_size, **config}
    words = {"title": "Mine", "licence": "MIT", "sources": "test", "sha256": "", "bytes": 0}
    card = ModelCard("mine.1", "encoder", "contrastive_tuned", stated, folder=store.user_folder, **words)
    return write_model(card, tensors).name


def _head(store: ModelStore) -> dict[str, torch.Tensor]:
    size = load_embedder(store, BASE, device=CPU).embedding_size
    chance = torch.Generator().manual_seed(1)
    return {
        "head.matrix": torch.randn(size, size, generator=chance),
        "head.mean": 0.1 * torch.randn(size, generator=chance),
    }


def test_tuned_encoder_is_its_base_and_a_head(store: ModelStore) -> None:
    head = _head(store)
    name = _write(store, head)
    image = np.random.default_rng(0).integers(0, 256, (200, 180, 3), dtype=np.uint8)
    before = torch.from_numpy(load_embedder(store, BASE, device=CPU).embed([image]).copy())
    wanted = F.normalize((before - head["head.mean"]) @ head["head.matrix"], dim=1)
    tuned = load_embedder(store, name, device=CPU)
    assert np.allclose(tuned.embed([image]), wanted.numpy(), atol=1e-4)
    assert tuned.version == store.card(name).sha256[:16]


def _kinds(store: ModelStore) -> dict[str, torch.Tensor]:
    size = load_embedder(store, BASE, device=CPU).embedding_size
    chance = torch.Generator().manual_seed(2)
    return {
        "head.kinds.weight": 3.0 * torch.randn(4, size, generator=chance),
        "head.kinds.bias": torch.randn(4, generator=chance),
        "head.kinds.share": torch.tensor(0.8),
        "head.kinds.count": torch.tensor(3),
    }


def test_marked_kinds_are_joined_as_roots_of_their_probabilities(store: ModelStore) -> None:
    head, kinds = _head(store), _kinds(store)
    images = [np.random.default_rng(n).integers(0, 256, (90, 80, 3), dtype=np.uint8) for n in range(3)]
    plain = load_embedder(store, _write(store, head), device=CPU).embed(images).astype(np.float64)
    scores = plain @ kinds["head.kinds.weight"].double().numpy().T + kinds["head.kinds.bias"].double().numpy()
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wanted = np.concatenate([plain, 0.8 * np.sqrt(chances[:, :3])], axis=1)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    tuned = load_embedder(store, _write(store, head | kinds), device=CPU)
    found = tuned.embed(images)
    assert found.shape == (3, tuned.embedding_size) and tuned.embedding_size == plain.shape[1] + 3
    assert np.allclose(found, wanted, atol=1e-4)
    module = head_of(head | kinds)
    assert module is not None and set(module.tensors()) == set(head | kinds)
    base = load_embedder(store, BASE, device=CPU).embed(images)
    assert np.allclose(module.applied(base), found, atol=1e-5)


def test_changed_layers_take_the_place_of_those_of_the_base(store: ModelStore) -> None:
    head = _head(store)
    key = next(
        k for k, v in load_embedder(store, BASE, device=CPU).network.state_dict().items() if v.ndim == 4
    )
    plain = load_embedder(store, _write(store, head), device=CPU)
    weight = plain.network.base.state_dict()[key]
    changed = load_embedder(store, _write(store, {**head, f"network.{key}": weight * 1.5}), device=CPU)
    assert torch.equal(changed.network.base.state_dict()[key], weight * 1.5)


def test_another_base_or_another_length_is_refused(store: ModelStore) -> None:
    with pytest.raises(WeightsError, match="another version of 'timm:test_resnet'"):
        load_embedder(store, _write(store, _head(store), base_version="of yesterday"), device=CPU)
    with pytest.raises(WeightsError, match="expects embeddings of 7 numbers"):
        load_embedder(store, _write(store, _head(store), embedding_size=7), device=CPU)


def test_base_that_is_gone_tuned_or_unnamed_is_refused(store: ModelStore) -> None:
    for base, words in (
        ("", "names no base"),
        ("mine.1", "a tuned encoder itself"),
        ("timm:gone", "no model"),
    ):
        with pytest.raises(WeightsError, match=words):
            load_embedder(store, _write(store, _head(store), base=base), device=CPU)


@pytest.mark.parametrize(
    "damage", ["missing", "shape", "nan", "stranger", "kinds", "part of kinds", "nan kind", "kind count"]
)
def test_damaged_head_is_refused(store: ModelStore, damage: str) -> None:
    head = _head(store)
    if damage == "missing":
        del head["head.mean"]
    elif damage == "shape":
        head["head.matrix"] = head["head.matrix"][:, :3]
    elif damage == "nan":
        head["head.matrix"][0, 0] = float("nan")
    elif "kind" in damage:
        head |= _kinds(store)
        if damage == "kinds":
            head["head.kinds.weight"] = head["head.kinds.weight"][:, 1:]
        elif damage == "kind count":
            head["head.kinds.count"] = torch.tensor(7)
        elif damage == "part of kinds":
            del head["head.kinds.share"]
        else:
            head["head.kinds.bias"][1] = float("inf")
    else:
        head["network.nothing"] = torch.zeros(1)
    with pytest.raises(WeightsError):
        load_embedder(store, _write(store, head), device=CPU)
