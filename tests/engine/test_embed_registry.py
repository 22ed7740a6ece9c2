"""Encoders by name: own cards, timm and open_clip from files; never from the network."""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import safetensors.torch
import timm
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import Image
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts
from desktop_app.engine.embed.photo_encoder import ARCHITECTURE, EmbeddingShape, PhotoEncoder, calibrate
from desktop_app.engine.embed.preprocessing import Fit, Preprocessing
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.networks.resnet_small import ResNetShape
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model

CPU = torch.device("cpu")
TIMM_MODEL = "test_resnet.r160_in1k"
CLIP_MODEL = "test-tiny-clip"
CLIP_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    (tmp_path / "user").mkdir()
    return ModelStore(tmp_path / "builtin", tmp_path / "user")


@pytest.fixture
def images() -> list[Image]:
    chance = np.random.default_rng(1)
    return [chance.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((90, 160), (200, 120), (64, 64))]


def _write_own(folder: Path, name: str = "contrastive_photo.test", **changes: object) -> ModelCard:
    torch.manual_seed(0)
    encoder = PhotoEncoder(ResNetShape((8, 16), (1, 1)), EmbeddingShape(size=12, pool_power=3.0))
    calibrate(encoder, [torch.rand(8, 3, 32, 32) * 2 - 1], whiten_power=0.25)
    config = {"widths": [8, 16], "blocks": [1, 1], "embedding_size": 12, "pool_power": 3.0, "input_px": 32}
    card = ModelCard(
        name=name,
        role=str(changes.pop("role", "encoder")),
        architecture=str(changes.pop("architecture", ARCHITECTURE)),
        config={**config, **changes},
        title="Test",
        licence="MIT",
        sources="made up",
        sha256="",
        bytes=0,
        folder=folder,
    )
    return write_model(card, encoder.state_dict())


def _write_timm(folder: Path, *, classes: int = 5) -> torch.nn.Module:
    torch.manual_seed(0)
    model: torch.nn.Module = timm.create_model(TIMM_MODEL, pretrained=False, num_classes=classes)
    safetensors.torch.save_file(model.state_dict(), folder / f"{TIMM_MODEL}.safetensors")
    return model.eval()


@pytest.fixture
def tiny_clip(tmp_path: Path) -> Iterator[None]:
    """A small architecture under a name of its own."""
    file = tmp_path / f"{CLIP_MODEL}.json"
    file.write_text(json.dumps(CLIP_CONFIG), encoding="utf-8")
    open_clip.add_model_config(file)
    yield
    file.unlink()
    from open_clip.factory import _MODEL_CONFIGS

    _MODEL_CONFIGS.pop(CLIP_MODEL, None)


def _assert_embeds(embedder: Embedder, images: list[Image], size: int) -> None:
    embedding = embedder.embed(images)
    assert embedding.shape == (len(images), size) and embedding.dtype == np.float32
    assert embedder.embedding_size == size
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=1e-5)
    prepared = np.stack([embedder.prepare(image) for image in images])
    assert prepared.shape == (len(images), embedder.input_px, embedder.input_px, 3)
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(embedder.embed_prepared(prepared), embedding)
    alone = embedder.embed(images[1:2])
    np.testing.assert_allclose(alone[0], embedding[1], atol=1e-4)  # neighbours in a batch do not matter
    assert abs(embedding[0] @ embedding[1]) < 0.9999


def test_own_model_embeds(store: ModelStore, tmp_path: Path, images: list[Image]) -> None:
    card = _write_own(tmp_path / "user")
    embedder = load_embedder(store, card.name, device=CPU)
    assert (embedder.name, embedder.version, embedder.input_px) == (card.name, card.sha256[:16], 32)
    _assert_embeds(embedder, images, 12)


def test_no_images_give_no_rows(store: ModelStore, tmp_path: Path) -> None:
    embedder = load_embedder(store, _write_own(tmp_path / "user").name, device=CPU)
    assert embedder.embed([]).shape == (0, 12)
    assert embedder.embed_prepared(np.empty((0, 32, 32, 3), np.uint8)).shape == (0, 12)


def test_wrong_input_is_refused(store: ModelStore, tmp_path: Path) -> None:
    embedder = load_embedder(store, _write_own(tmp_path / "user").name, device=CPU)
    with pytest.raises(ValueError, match=r"\(B, 32, 32, 3\)"):
        embedder.embed_prepared(np.zeros((1, 33, 32, 3), np.uint8))


def test_unknown_name_lists_the_known_ones(store: ModelStore, tmp_path: Path) -> None:
    _write_own(tmp_path / "user")
    with pytest.raises(WeightsError, match=r"contrastive_photo\.test"):
        load_embedder(store, "nobody", device=CPU)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("a.face", {"role": "inversion"}),
        ("b.other", {"architecture": "vit"}),
        ("c.huge", {"input_px": 10**6}),
    ],
)
def test_models_that_are_no_photo_encoder_are_refused(
    store: ModelStore, tmp_path: Path, name: str, changes: dict[str, object]
) -> None:
    _write_own(tmp_path / "user", name, **changes)
    with pytest.raises(WeightsError, match=name):
        load_embedder(store, name, device=CPU)


def test_timm_encoder_gives_what_timm_gives(store: ModelStore, images: list[Image]) -> None:
    model = _write_timm(store.user_folder)
    embedder = load_embedder(store, f"timm:{TIMM_MODEL}", device=CPU)
    _assert_embeds(embedder, images, model.num_features)  # type: ignore[arg-type]
    config = timm.data.resolve_model_data_config(model)
    prepared = torch.from_numpy(np.stack([embedder.prepare(image) for image in images]))
    mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
    x = ((prepared / 255.0 - mean) / std).permute(0, 3, 1, 2)
    with torch.inference_mode():
        features = model.forward_head(model.forward_features(x), pre_logits=True)  # type: ignore[operator]
    expected = torch.nn.functional.normalize(features, dim=1).numpy()
    np.testing.assert_allclose(embedder.embed(images), expected, atol=1e-5)


def test_timm_preprocessing_agrees_with_timm(store: ModelStore, images: list[Image]) -> None:
    from PIL import Image as PillowImage

    model = _write_timm(store.user_folder)
    embedder = load_embedder(store, f"timm:{TIMM_MODEL}", device=CPU)
    config = timm.data.resolve_model_data_config(model)
    theirs = timm.data.create_transform(**config, is_training=False)
    mean, std = (torch.tensor(config[k]).view(3, 1, 1) for k in ("mean", "std"))
    for image in images:
        smooth = np.asarray(PillowImage.fromarray(image).resize((8, 8)).resize((320, 240)))
        wanted = (theirs(PillowImage.fromarray(smooth)) * std + mean).permute(1, 2, 0).numpy() * 255.0
        # timm rounds the scaled size before it crops, we crop and scale at once: less than a pixel apart.
        assert np.abs(embedder.prepare(smooth) - wanted).mean() < 2.0


def test_timm_weights_as_checkpoint_without_classes(store: ModelStore, images: list[Image]) -> None:
    model = timm.create_model(TIMM_MODEL, pretrained=False, num_classes=0)
    wrapped = {"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}
    torch.save(wrapped, store.user_folder / f"{TIMM_MODEL}.pth")
    _assert_embeds(load_embedder(store, f"timm:{TIMM_MODEL}", device=CPU), images, model.num_features)


def test_timm_weights_in_a_folder_of_their_own(store: ModelStore, images: list[Image]) -> None:
    _write_timm(store.user_folder)
    inner = store.user_folder / TIMM_MODEL
    inner.mkdir()
    (store.user_folder / f"{TIMM_MODEL}.safetensors").rename(inner / "model.safetensors")
    assert load_embedder(store, f"timm:{TIMM_MODEL}", device=CPU).embed(images).shape[0] == 3


@pytest.mark.parametrize(
    "name", ["timm:no_such_net", "timm:", "timm:hf_hub:someone/net", "open_clip:no-such"]
)
def test_unknown_architectures_are_told(store: ModelStore, name: str) -> None:
    with pytest.raises(WeightsError, match="has no model named"):
        load_embedder(store, name, device=CPU)


def test_unknown_tag_is_told(store: ModelStore) -> None:
    (store.user_folder / "test_resnet.nobody.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="nobody"):
        load_embedder(store, "timm:test_resnet.nobody", device=CPU)
    with pytest.raises(WeightsError, match="names no weights 'nobody'"):
        load_embedder(store, "open_clip:ViT-B-32/nobody", device=CPU)


@pytest.mark.parametrize("name", [f"timm:{TIMM_MODEL}", "open_clip:ViT-B-32/openai"])
def test_missing_weights_say_where_to_put_them(store: ModelStore, name: str) -> None:
    with pytest.raises(WeightsError, match="model folder") as caught:
        load_embedder(store, name, device=CPU)
    assert str(store.user_folder) in caught.value.hint


def _damaged(file: Path) -> None:
    file.with_suffix(".safetensors").write_bytes(b"\x10\x00\x00\x00nonsense")


def _other_network(file: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, file.with_suffix(".safetensors"))


def _runs_code(file: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return (Path.touch, (file.parent / "was_run",))

    file.with_suffix(".pth").write_bytes(pickle.dumps({"state_dict": Evil()}))


def _no_tensors(file: Path) -> None:
    torch.save([1, 2, 3], file.with_suffix(".pth"))


@pytest.mark.parametrize("write", [_damaged, _other_network, _runs_code, _no_tensors])
def test_bad_weight_files_are_refused(store: ModelStore, write: Callable[[Path], None]) -> None:
    write(store.user_folder / "test_resnet.file")
    (store.user_folder / "test_resnet.pth").touch()
    for file in store.user_folder.glob("test_resnet.*"):
        if file.stat().st_size:
            file.rename(store.user_folder / f"test_resnet{file.suffix}")
    with pytest.raises(WeightsError):
        load_embedder(store, "timm:test_resnet", device=CPU)
    assert not (store.user_folder / "was_run").exists()


@pytest.mark.usefixtures("tiny_clip")
def test_open_clip_tower_gives_what_open_clip_gives(store: ModelStore, images: list[Image]) -> None:
    torch.manual_seed(0)
    whole = open_clip.create_model(CLIP_MODEL, pretrained=None).eval()
    safetensors.torch.save_file(
        {k: v.contiguous() for k, v in whole.state_dict().items()},
        store.user_folder / f"{CLIP_MODEL}.safetensors",
    )
    embedder = load_embedder(store, f"open_clip:{CLIP_MODEL}", device=CPU)
    _assert_embeds(embedder, images, 24)
    prepared = torch.from_numpy(np.stack([embedder.prepare(image) for image in images]))
    mean, std = torch.tensor(open_clip.OPENAI_DATASET_MEAN), torch.tensor(open_clip.OPENAI_DATASET_STD)
    x = ((prepared / 255.0 - mean) / std).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = whole.encode_image(x, normalize=True).numpy()
    np.testing.assert_allclose(embedder.embed(images), expected, atol=1e-5)


@pytest.mark.usefixtures("tiny_clip")
def test_open_clip_file_without_an_image_tower_is_refused(store: ModelStore) -> None:
    tower = _build_vision_tower(24, CLIPVisionCfg(**CLIP_CONFIG["vision_cfg"]))  # type: ignore[arg-type]
    safetensors.torch.save_file(tower.state_dict(), store.user_folder / f"{CLIP_MODEL}.safetensors")
    with pytest.raises(WeightsError, match="another architecture"):
        load_embedder(store, f"open_clip:{CLIP_MODEL}", device=CPU)


def test_squeeze_shows_the_whole_picture_and_crop_its_middle() -> None:
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, :20], image[:, 20:40], image[:, 40:] = 50, 150, 250
    squeezed = Preprocessing(15).prepare(image)[7, :, 0]
    assert (squeezed[1], squeezed[7], squeezed[13]) == (50, 150, 250)
    middle = Preprocessing(10, fit=Fit.CROP).prepare(image)[:, 2:-2]
    assert (middle == 150).all()  # the filter mixes a little at the edges
    half = Preprocessing(10, fit=Fit.CROP, crop_share=0.5)
    spot = np.zeros((40, 40, 3), np.uint8)
    spot[10:30, 10:30] = 200
    assert (half.prepare(spot)[2:-2, 2:-2] == 200).all()


def test_a_reduced_decode_gives_nearly_the_same_input() -> None:
    from PIL import Image as PillowImage

    rough = np.random.default_rng(3).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    large = PillowImage.fromarray(rough).resize((1200, 900), PillowImage.Resampling.BICUBIC)
    reduced = large.reduce(4)
    steps = Preprocessing(64)
    apart = steps.prepare(np.asarray(large)).astype(int) - steps.prepare(np.asarray(reduced))
    assert np.abs(apart).max() <= 6


def test_normalisation_uses_mean_and_std_of_the_card() -> None:
    seen = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x.flatten(1)

    steps = Preprocessing(2, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    embedder = Embedder(network, steps, facts=EmbedderFacts("a", "1", 12), device=CPU)
    embedder.embed_prepared(np.full((1, 2, 2, 3), 51, np.uint8))  # 51 / 255 = 0.2
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([0.2, 0.0, -0.05], abs=1e-6)
