"""The face encoder: what it looks at, what it does not, and its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.errors import WeightsError
from desktop_app.core.paths import default_paths
from desktop_app.engine.embed.face_encoder import (
    ALIGNED_PX,
    BUILTIN_FACES,
    FaceEncoder,
    FaceShape,
    build_face_encoder,
    calibrate_faces,
)
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.metrics.identity import identity_meter, load_builtin_faces
from desktop_app.engine.networks.gradient_histogram import DIRECTIONS, gradient_histogram, histogram_size
from desktop_app.engine.networks.resnet_small import ResNetShape
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model

CPU = torch.device("cpu")
SHAPE = ResNetShape((8, 16), (1, 1))
FACE = FaceShape(6, 10, 2.0)


def _faces(count: int = 24, *, seed: int = 0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 12, 12, generator=chance) * 1.2 - 0.6
    return torch.nn.functional.interpolate(coarse, (ALIGNED_PX, ALIGNED_PX), mode="bicubic").clamp(-1, 1)


@pytest.fixture(scope="module")
def encoder() -> FaceEncoder:
    torch.manual_seed(0)
    made = FaceEncoder(SHAPE, FACE)
    calibrate_faces(made, [_faces()], whiten_power=0.4)
    return made.requires_grad_(False)


def test_embeddings_have_unit_length_and_do_not_care_for_the_mirror(encoder: FaceEncoder) -> None:
    x = _faces(5, seed=1)
    rows = encoder(x)
    assert rows.shape == (5, 16)
    assert torch.allclose(rows.norm(dim=1), torch.ones(5), atol=1e-5)
    assert torch.allclose(rows, encoder(x.flip(3)), atol=1e-3)


def test_what_lies_outside_the_oval_does_not_count(encoder: FaceEncoder) -> None:
    x = _faces(4, seed=2)
    other = x.clone()
    other[:, :, :19] = 1.0
    other[:, :, :, :15] = -1.0
    other[:, :, 85:] = 0.3
    assert torch.equal(encoder(x), encoder(other))


def test_light_contrast_and_white_balance_count_little(encoder: FaceEncoder) -> None:
    x = _faces(6, seed=3) * 0.5
    brighter = x * 1.4 + 0.1
    rows, others = encoder(x), encoder(brighter)
    assert ((rows * others).sum(dim=1) > 0.97).all()
    assert ((rows * others.roll(1, 0)).sum(dim=1) < 0.9).all()


def test_sizes_other_than_its_own_are_brought_to_it(encoder: FaceEncoder) -> None:
    x = _faces(3, seed=4)
    large = torch.nn.functional.interpolate(x, (256, 256), mode="bicubic").clamp(-1, 1)
    assert ((encoder(x) * encoder(large)).sum(dim=1) > 0.9).all()


def test_histogram_knows_the_direction_of_an_edge() -> None:
    weight = torch.ones(1, 1, 64, 64)
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    sides = DIRECTIONS // 4  # a quarter turn
    for turn, picture in enumerate((ramp, ramp.transpose(2, 3), ramp.flip(3), ramp.transpose(2, 3).flip(2))):
        found = gradient_histogram(picture.contiguous(), weight)
        assert found.shape == (1, histogram_size(64))
        strongest = found.view(DIRECTIONS, -1).mean(dim=1).argmax().item()
        assert strongest == (turn * sides) % DIRECTIONS


def test_a_flat_picture_has_a_histogram_without_nan() -> None:
    found = gradient_histogram(torch.zeros(2, 1, 64, 64), torch.ones(1, 1, 64, 64))
    assert torch.isfinite(found).all()


def _written(folder: Path, encoder: FaceEncoder, **changes: object) -> ModelStore:
    config = {"widths": [8, 16], "blocks": [1, 1], "input_px": 96, "learned_size": 6, "edge_size": 10}
    card = ModelCard(
        name=BUILTIN_FACES,
        role="face_encoder",
        architecture="contrastive_face",
        config={**config, "edge_weight": 2.0, **changes},
        title="",
        licence="",
        sources="",
        sha256="",
        bytes=0,
        facts={},
        folder=folder,
    )
    write_model(card, encoder.state_dict())
    return ModelStore(folder, folder / "none")


def test_a_written_encoder_embeds_the_same(encoder: FaceEncoder, tmp_path: Path) -> None:
    embedder = load_embedder(_written(tmp_path, encoder), BUILTIN_FACES, device=CPU)
    assert embedder.embedding_size == 16
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert np.allclose(embedder.embed([image]), encoder(x).numpy(), atol=1e-4)


@pytest.mark.parametrize("changes", [{"learned_size": 0, "edge_size": 0}, {"edge_weight": "much"}])
def test_a_card_that_makes_no_encoder_is_refused(
    encoder: FaceEncoder, tmp_path: Path, changes: dict[str, object]
) -> None:
    store = _written(tmp_path, encoder, **changes)
    card = store.card(BUILTIN_FACES)
    with pytest.raises(WeightsError, match="not usable"):
        build_face_encoder(card.config, store.tensors(card), what=card.name)
    assert load_builtin_faces(store, device=CPU) is None  # identity is then measured by another encoder


def test_either_part_can_stand_alone() -> None:
    for face in (replace(FACE, learned_size=0), replace(FACE, edge_size=0)):
        made = FaceEncoder(SHAPE, face)
        calibrate_faces(made, [_faces()], whiten_power=0.4)
        assert made(_faces(2)).shape == (2, face.size)


def test_the_builtin_encoder_measures_identity_and_is_named_as_such() -> None:
    store = ModelStore(default_paths().builtin_models, Path("nowhere"))
    meter = identity_meter(store, device=CPU, embedder=None)
    assert meter is not None and meter.is_recognition and meter.is_builtin
    assert "built-in face encoder" in meter.name and "ArcFace" not in meter.name
    x = _faces(2, seed=5)
    assert meter.similarity_each(x, x).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    card = store.card(BUILTIN_FACES)
    assert card.bytes < 4_000_000 and 0.1 < card.config["same_person"] < 0.9


def test_hints_name_models_of_the_wanted_kind_only() -> None:
    store = ModelStore(default_paths().builtin_models, Path("nowhere"))
    with pytest.raises(WeightsError) as refused:
        load_embedder(store, "no.such", device=CPU)
    assert "contrastive_photo.builtin" in refused.value.hint
    assert "restyle_psp.builtin" not in refused.value.hint
