"""Published layouts become models that compute what the originals computed."""

from __future__ import annotations

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.embed.resnet50_encoder import build_resnet50
from desktop_app.engine.invert.model import build_inversion_model
from desktop_app.engine.invert.restyle import invert
from desktop_app.engine.metrics import identity
from desktop_app.engine.networks.arcface import ArcFace
from desktop_app.engine.weights import convert_recognition
from desktop_app.engine.weights.child import WEIGHTS_NAME, ImportOrder, convert_content
from desktop_app.engine.weights.convert_generator import average_code, generator_shape
from desktop_app.engine.weights.converted import shapes_of
from desktop_app.engine.weights.generators import load_generator
from desktop_app.engine.weights.import_container import read_content
from desktop_app.engine.weights.import_values import ImportRefused
from desktop_app.engine.weights.store import ModelCard, ModelStore
from tests.security import foreign_files as made

CPU = torch.device("cpu")


def imported(file: Path, folder: Path) -> tuple[ModelCard, dict[str, Tensor], dict[str, Any]]:
    """Convert in this process: the card, the written tensors, and the whole message."""
    folder.mkdir(exist_ok=True)
    order = ImportOrder(file, folder, label=file.stem)
    message = convert_content(read_content(file), order, lambda _message: None, digest="0" * 64)
    done = json.loads(json.dumps(message))["done"]
    card = ModelCard(
        name="m",
        role=done["role"],
        architecture=done["architecture"],
        config=done["config"],
        title=done["title"],
        licence="",
        sources="",
        sha256=done["sha256"],
        bytes=done["bytes"],
        facts=done["facts"],
        folder=folder,
    )
    (folder / WEIGHTS_NAME).rename(card.weights_file)
    (folder / "m.json").write_text(
        json.dumps(
            {
                **{key: getattr(card, key) for key in ("name", "role", "architecture", "config", "title")},
                **{key: getattr(card, key) for key in ("licence", "sources", "sha256", "bytes", "facts")},
            }
        )
    )
    return card, ModelStore(folder / "none", folder).tensors(card), done


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="told by Linux alone")
def test_what_was_written_does_not_stay_in_memory(tmp_path: Path) -> None:
    values = torch.randn(1 << 24)  # 64 MB
    torch.save({"a": values}, tmp_path / "x.pt")

    def resident_mb() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("RssFile:")[2].split()[0]) // 1024

    content = read_content(tmp_path / "x.pt")
    assert isinstance(content.root, dict)
    loaded = content.root["a"].load()
    before = resident_mb()
    assert torch.equal(loaded, values)
    read = resident_mb()
    content.release()
    assert read - before >= 60 and read - resident_mb() >= 60
    assert torch.equal(loaded, values)


# --- face recognition ---------------------------------------------------------------------------


@pytest.mark.parametrize(("is_curricular", "architecture"), [(False, "ir_se50_112"), (True, "ir_101_112")])
def test_recognition_networks_are_told_by_their_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_curricular: bool, architecture: str
) -> None:
    small = {"units": (1, 1, 1, 1), "widths": (4, 4, 4, 4), "embedding_size": 8}
    networks = {
        "ir_101_112": (lambda: ArcFace(**small, is_curricular=True), "CurricularFace"),
        "ir_se50_112": (lambda: ArcFace(**small), "ArcFace"),
    }
    monkeypatch.setattr(identity, "NETWORKS", networks)
    monkeypatch.setattr(convert_recognition, "NETWORKS", networks)
    network = ArcFace(**small, is_curricular=is_curricular).eval()
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "any name.pth")
    card, _, _ = imported(tmp_path / "any name.pth", tmp_path / "out")
    assert (card.role, card.architecture) == ("metric", architecture)
    meter = identity.load_recognition(ModelStore(tmp_path / "none", tmp_path / "out"), device=CPU)
    assert meter is not None and meter.is_recognition
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(meter.embed(faces), network.embed_aligned(faces), atol=1e-6)
    state.pop("output_layer.3.bias")
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(ImportRefused, match=r"output_layer\.3\.bias"):
        imported(tmp_path / "part.pth", tmp_path / "out2")


# --- inversion models -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_legacy", [False, True])
def test_restyle_checkpoint_loads_with_equal_numbers(tmp_path: Path, is_legacy: bool) -> None:
    content = made.restyle_checkpoint()
    card, tensors, done = imported(
        made.save(content, tmp_path / "x.pt", is_legacy=is_legacy), tmp_path / "out"
    )
    assert (card.role, card.architecture) == ("inversion", "restyle")
    for key, value in content["state_dict"].items():
        assert torch.equal(tensors[key], value), key
    assert torch.equal(tensors["latent_avg"], content["latent_avg"])
    assert card.config["domain"] == "faces"
    assert card.config["dataset_type"] == "ffhq_encode"
    assert (done["stem"], done["tag"]) == ("restyle_psp", "ffhq")
    model = build_inversion_model(card, tensors, device=CPU)
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    steps = list(invert(model, image, steps=2))
    assert [step.w_plus.shape for step in steps] == [(made.ROWS, made.STYLE_DIM)] * 2


def test_the_file_is_what_safetensors_writes(tmp_path: Path) -> None:
    card, tensors, _ = imported(made.save(made.restyle_checkpoint(), tmp_path / "x.pt"), tmp_path / "out")
    assert card.bytes == card.weights_file.stat().st_size
    again = tmp_path / "again.safetensors"
    safetensors.torch.save_file(tensors, again)
    assert safetensors.torch.load_file(again).keys() == tensors.keys()


@pytest.mark.parametrize(
    ("encoder_type", "input_nc", "stem"),
    [
        ("ResNetBackboneEncoder", 6, "restyle_psp"),
        ("ProgressiveBackboneEncoder", 6, "restyle_e4e"),
        ("ResNetProgressiveBackboneEncoder", 6, "restyle_e4e"),
    ],
)
def test_encoder_types(tmp_path: Path, encoder_type: str, input_nc: int, stem: str) -> None:
    shape = dataclasses.replace(made.ENCODER, input_nc=input_nc)
    content = made.restyle_checkpoint(encoder_type, shape)
    card, tensors, done = imported(made.save(content, tmp_path / "x.pt"), tmp_path / "out")
    assert done["stem"] == stem
    build_inversion_model(card, tensors, device=CPU)


def test_pyramid_encoder_of_original_psp(tmp_path: Path) -> None:
    """Standard block counts, since the pyramid taps fixed places; 3 channels; average not added."""
    shape = dataclasses.replace(made.ENCODER, input_nc=3, units=None, input_px=64, widths=(4, 6, 8, 10))
    content = made.restyle_checkpoint("GradualStyleEncoder", shape, start_from_latent_avg=False)
    del content["opts"]["input_nc"]
    card, tensors, done = imported(made.save(content, tmp_path / "x.pt"), tmp_path / "out")
    assert done["stem"] == "psp"
    assert card.config["adds_average"] is False
    assert card.config["encoder"]["input_px"] == 64
    assert build_inversion_model(card, tensors, device=CPU).input_nc == 3


@pytest.mark.parametrize(
    ("dataset_type", "domain", "tag"),
    [
        ("ffhq_encode", "faces", "ffhq"),
        ("toonify", "toonify", "toonify"),
        ("cars_encode", "cars", "cars"),
        ("church_encode", "church", "church"),
        ("horse_encode", "horse", "horse"),
        ("afhq_wild_encode", "wild", "afhq_wild"),
        ("my_mugs", "my_mugs", "my_mugs"),
    ],
)
def test_domain_comes_from_the_options(tmp_path: Path, dataset_type: str, domain: str, tag: str) -> None:
    content = made.restyle_checkpoint(dataset_type=dataset_type)
    card, _, done = imported(made.save(content, tmp_path / "restyle_cars.pt"), tmp_path / "out")
    assert (card.config["domain"], done["tag"]) == (domain, tag)


def test_e4e_files_name_the_size_otherwise_and_hold_more(tmp_path: Path) -> None:
    """Optimiser, discriminators, NumPy scalars and a namespace for options, as training leaves them."""
    content = made.restyle_checkpoint("ProgressiveBackboneEncoder", stylegan_size=made.SIZE)
    del content["opts"]["output_size"]
    content["opts"] = Namespace(**content["opts"], exp_dir=Path("a/b"))
    content["latent_avg"] = content["latent_avg"][0].clone()
    content |= {
        "global_step": 7,
        "best_val_loss": np.float64(0.25),
        "optimizer": {
            "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)}},
            "param_groups": [{"lr": 1e-4, "betas": (0.95, 0.999), "params": [0]}],
        },
        "discriminator_state_dict": torch.nn.Linear(4, 4).state_dict(),
        "history": np.arange(6.0).reshape(2, 3),
    }
    card, tensors, _ = imported(made.save(content, tmp_path / "x.pt"), tmp_path / "out")
    assert tensors["latent_avg"].shape == (made.STYLE_DIM,)
    assert not any("discriminator" in key for key in tensors)
    build_inversion_model(card, tensors, device=CPU)


def test_half_precision_and_parameters_become_float32(tmp_path: Path) -> None:
    content = made.restyle_checkpoint()
    state = content["state_dict"]
    key = "decoder.conv1.conv.weight"
    state[key] = torch.nn.Parameter(state[key].half())
    _, tensors, _ = imported(made.save(content, tmp_path / "x.pt"), tmp_path / "out")
    assert tensors[key].dtype == torch.float32
    assert torch.equal(tensors[key], state[key].detach().float())


def test_a_transposed_tensor_keeps_its_values(tmp_path: Path) -> None:
    content = made.restyle_checkpoint()
    key = "decoder.style.1.weight"
    content["state_dict"][key] = content["state_dict"][key].t()
    _, tensors, _ = imported(made.save(content, tmp_path / "x.pt"), tmp_path / "out")
    assert torch.equal(tensors[key], content["state_dict"][key].contiguous())


def test_missing_average_is_estimated_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.engine.weights.convert_generator.AVERAGE_SAMPLES", 20_000)
    content = made.restyle_checkpoint()
    content["latent_avg"] = None
    file = made.save(content, tmp_path / "x.pt")
    (_, first, done), (_, second, _) = imported(file, tmp_path / "a"), imported(file, tmp_path / "b")
    assert torch.equal(first["latent_avg"], second["latent_avg"])
    assert "estimated" in done["notes"][0]
    generator = made.tiny_generator()
    with torch.inference_mode():
        other = generator.mean_latent(20_000, torch.Generator().manual_seed(99))[0]
    assert (first["latent_avg"] - other).abs().max() < 0.05 * other.std() + 0.02


# --- generators -----------------------------------------------------------------------------------


@pytest.mark.parametrize("has_average", [True, False])
def test_bare_generator(tmp_path: Path, has_average: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_app.engine.weights.convert_generator.AVERAGE_SAMPLES", 10_000)
    generator = made.tiny_generator(n_mlp=8)
    content: dict[str, Any] = {"g_ema": generator.state_dict(), "args": Namespace(size=16)}
    if has_average:
        content["latent_avg"] = torch.arange(float(made.STYLE_DIM))
    card, tensors, _ = imported(made.save(content, tmp_path / "own.pt"), tmp_path / "out")
    assert (card.role, card.architecture) == ("generator", "stylegan2")
    loaded, w_avg = load_generator(ModelStore(tmp_path / "none", tmp_path / "out"), "m", device=CPU)
    assert w_avg.shape == (made.STYLE_DIM,)
    if has_average:
        assert torch.equal(w_avg, content["latent_avg"])
    codes = torch.randn(1, made.ROWS, made.STYLE_DIM)
    with torch.inference_mode():
        assert torch.equal(loaded.synthesize(codes), generator.synthesize(codes))
    assert tensors["latent_avg"].isfinite().all()


def test_generator_without_noise_maps_gets_fixed_ones(tmp_path: Path) -> None:
    state = {k: v for k, v in made.tiny_generator().state_dict().items() if not k.startswith("noises.")}
    content = {"g_ema": state, "latent_avg": torch.zeros(made.STYLE_DIM)}
    file = made.save(content, tmp_path / "old.pt")
    (_, first, done), (_, second, _) = imported(file, tmp_path / "a"), imported(file, tmp_path / "b")
    assert torch.equal(first["decoder.noises.noise_3"], second["decoder.noises.noise_3"])
    assert "noise maps" in done["notes"][0]


def test_published_sizes_are_recognised_without_memory() -> None:
    """The names of a 1024-px generator tell its sizes; its channel table is the published one."""
    from desktop_app.engine.networks.stylegan2 import Generator
    from desktop_app.engine.weights.import_values import Made

    names = shapes_of(lambda: Generator(1024))
    shape = generator_shape({key: Made(size, lambda: torch.zeros(())) for key, size in names.items()})
    assert (shape.size, shape.style_dim, shape.n_mlp, shape.channels) == (1024, 512, 8, None)
    with pytest.raises(ImportRefused):
        average_code({}, shape, Made((7,), lambda: torch.zeros(7)))


# --- NVIDIA ---------------------------------------------------------------------------------------


def slow_nvidia(state: dict[str, Tensor], w: Tensor, size: int) -> Tensor:
    """NVIDIA's synthesis written plainly: zeros between pixels, filter, convolution (w turned)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = (torch.outer(taps, taps) / 64 * 4)[None, None]

    def filtered(x: Tensor, before: int, after: int) -> Tensor:
        n, c, h, width = x.shape
        zeros = x.new_zeros(n, c, 2 * h, 2 * width)
        zeros[:, :, ::2, ::2] = x
        padded = F.pad(zeros, (before, after, before, after))
        return F.conv2d(padded.reshape(n * c, 1, *padded.shape[2:]), kernel).reshape(
            n, c, padded.shape[2] - 3, padded.shape[3] - 3
        )

    def layer(x: Tensor, name: str, *, up: bool) -> Tensor:
        weight = state[f"{name}.weight"]
        scale = w.shape[1] ** -0.5
        style = F.linear(w, state[f"{name}.affine.weight"] * scale, state[f"{name}.affine.bias"])
        own = weight[None] * style[:, None, :, None, None]
        own = own * (own.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        if up:
            x = F.conv2d(filtered(x, 3, 2), own[0].flip((2, 3)))
        else:
            x = F.conv2d(x, own[0], padding=1)
        x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
        return F.leaky_relu(x + state[f"{name}.bias"][None, :, None, None], 0.2) * 2**0.5

    def to_rgb(x: Tensor, name: str) -> Tensor:
        weight = state[f"{name}.weight"]
        scale = w.shape[1] ** -0.5
        style = F.linear(w, state[f"{name}.affine.weight"] * scale, state[f"{name}.affine.bias"])
        style = style * weight.shape[1] ** -0.5
        return F.conv2d(x * style[:, :, None, None], weight) + state[f"{name}.bias"][None, :, None, None]

    x = layer(state["synthesis.b4.const"][None], "synthesis.b4.conv1", up=False)
    rgb = to_rgb(x, "synthesis.b4.torgb")
    side = 8
    while side <= size:
        x = layer(x, f"synthesis.b{side}.conv0", up=True)
        x = layer(x, f"synthesis.b{side}.conv1", up=False)
        rgb = filtered(rgb, 2, 1) + to_rgb(x, f"synthesis.b{side}.torgb")
        side *= 2
    return rgb


@pytest.mark.parametrize("kind", ["pytorch", "pytorch_protocol_2", "tensorflow"])
@pytest.mark.parametrize("n_mlp", [2, 8])
def test_nvidia_pickle_makes_the_same_picture(tmp_path: Path, kind: str, n_mlp: int) -> None:
    w_avg = torch.randn(made.STYLE_DIM)
    state = made.nvidia_state(made.tiny_generator(n_mlp=n_mlp, seed=5), w_avg)
    file = tmp_path / "network.pkl"
    if kind == "tensorflow":
        made.tensorflow_pickle(state, file)
    else:
        made.nvidia_pickle(state, file, protocol=2 if kind.endswith("2") else 4)
    card, _, _ = imported(file, tmp_path / "out")
    assert card.config["generator"]["n_mlp"] == n_mlp
    generator, average = load_generator(ModelStore(tmp_path / "none", tmp_path / "out"), "m", device=CPU)
    assert torch.equal(average, w_avg)
    w = torch.randn(1, made.STYLE_DIM, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        picture = generator.synthesize(generator.repeat_w(w))
    expected = slow_nvidia({k: v.detach() for k, v in state.items()}, w, made.SIZE)
    assert picture.shape == (1, 3, made.SIZE, made.SIZE)
    assert (picture - expected).abs().max() < 2e-4 * expected.abs().max()


def test_nvidia_network_saved_with_torch(tmp_path: Path) -> None:
    """Tuned generators are often saved whole with `torch.save`: the same records in a zip."""
    state = made.nvidia_state(made.tiny_generator(), torch.zeros(made.STYLE_DIM))
    with made.stub_modules("torch_utils", "torch_utils.persistence") as modules:

        def _reconstruct_persistent_obj(meta: object) -> None:
            raise SystemExit

        made._named(
            _reconstruct_persistent_obj, "_reconstruct_persistent_obj", "torch_utils.persistence", modules
        )
        file = made.save(made.nested_modules(state), tmp_path / "G.pt")
    card, _, _ = imported(file, tmp_path / "out")
    assert card.role == "generator"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"synthesis.input.weight": torch.zeros(3)}, "StyleGAN3"),
        ({"mapping.embed.weight": torch.zeros(3, 3)}, "class label"),
        ({"synthesis.b8.skip.weight": torch.zeros(3)}, "residual"),
        ({"synthesis.b4.torgb.bias": torch.zeros(1)}, "colour channels"),
        ({"synthesis.b8.extra.weight": torch.zeros(1)}, "1 unexpected"),
    ],
)
def test_other_nvidia_networks_are_refused(tmp_path: Path, change: dict[str, Tensor], expected: str) -> None:
    state = made.nvidia_state(made.tiny_generator(), torch.zeros(made.STYLE_DIM))
    file = made.nvidia_pickle({**state, **change}, tmp_path / "n.pkl")
    with pytest.raises(ImportRefused, match=expected):
        imported(file, tmp_path / "out")


# --- directions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 18])
def test_interfacegan_tensor_and_npy(tmp_path: Path, rows: int) -> None:
    direction = torch.randn(1, rows, 512) if rows > 1 else torch.randn(1, 512)
    made.save(direction, tmp_path / "age.pt")
    np.save(tmp_path / "smile.npy", direction.numpy())
    for name, label in (("age.pt", "age"), ("smile.npy", "smile")):
        card, tensors, done = imported(tmp_path / name, tmp_path / f"out_{label}")
        assert (card.role, card.architecture) == ("directions", "directions")
        assert card.config == {
            "kind": "interfacegan", "labels": [label], "rows": rows, "style_dim": 512
        }  # fmt: skip
        assert torch.equal(tensors["directions"], direction.reshape(1, rows, 512))
        assert done["stem"] == "directions"


def test_several_named_directions(tmp_path: Path) -> None:
    content = {name: torch.randn(1, 512) for name in ("age", "pose")}
    card, tensors, _ = imported(made.save(content, tmp_path / "all.pt"), tmp_path / "out")
    assert card.config["labels"] == ["age", "pose"]
    assert torch.equal(tensors["directions"][1], content["pose"])


@pytest.mark.parametrize("form", ["pt", "npz", "npz_of_ganspace"])
def test_ganspace_components(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    comp = rng.standard_normal((80, 1, 512)).astype(np.float32)
    mean, std = rng.standard_normal((1, 512)).astype(np.float32), rng.random(80).astype(np.float32)
    if form == "pt":
        parts = {"comp": comp, "mean": mean, "std": std}
        file = made.save({k: torch.from_numpy(v) for k, v in parts.items()}, tmp_path / "ffhq_pca.pt")
    elif form == "npz":
        file = tmp_path / "pca.npz"
        np.savez_compressed(file, comp=comp, mean=mean, std=std)
    else:
        file = tmp_path / "pca.npz"
        np.savez(
            file, act_comp=comp, act_mean=mean, act_stdev=std, lat_comp=comp, lat_mean=mean, lat_stdev=std
        )
    card, tensors, _ = imported(file, tmp_path / "out")
    assert (card.config["kind"], card.config["count"]) == ("ganspace", 80)
    assert np.array_equal(tensors["comp"].numpy(), comp[:, 0])
    assert np.array_equal(tensors["mean"].numpy(), mean[0])
    assert np.array_equal(tensors["std"].numpy(), std)


def test_fortran_order_npy(tmp_path: Path) -> None:
    values = np.asfortranarray(np.random.default_rng(1).standard_normal((14, 512)))
    np.save(tmp_path / "d.npy", values)
    _, tensors, _ = imported(tmp_path / "d.npy", tmp_path / "out")
    assert np.array_equal(tensors["directions"].numpy()[0], values.astype(np.float32))


def test_direction_of_zero_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="length zero"):
        imported(made.save(torch.zeros(1, 512), tmp_path / "x.pt"), tmp_path / "out")


# --- image encoders -------------------------------------------------------------------------------

LAYOUTS: dict[str, Any] = {
    "moco": lambda: {
        "epoch": 800,
        "state_dict": {
            **made.resnet50_state("module.encoder_q."),
            **{k: v + 1 for k, v in made.resnet50_state("module.encoder_k.").items()},
            "module.queue": torch.zeros(4, 8),
        },
    },
    "moco_v3": lambda: {
        "state_dict": {
            **{k: v + 1 for k, v in made.resnet50_state("module.momentum_encoder.").items()},
            **made.resnet50_state("module.base_encoder."),
        }
    },
    "simclr_backbone": lambda: {"state_dict": made.resnet50_state("backbone.")},
    "simclr_encoder": lambda: made.resnet50_state("encoder."),
    "dino_backbone": lambda: made.resnet50_state(),
    "dino_full": lambda: {
        "student": {k: v + 1 for k, v in made.resnet50_state("module.backbone.").items()},
        "teacher": made.resnet50_state("backbone."),
    },
    "lightning": lambda: {"state_dict": made.resnet50_state("model.online.net.")},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_resnet50_layouts(tmp_path: Path, layout: str) -> None:
    card, tensors, _ = imported(made.save(LAYOUTS[layout](), tmp_path / "x.pth"), tmp_path / "out")
    assert (card.role, card.architecture) == ("encoder", "resnet50")
    expected = made.resnet50_state()
    assert torch.equal(tensors["layer4.2.conv3.weight"], expected["layer4.2.conv3.weight"])
    assert not any(key.startswith("fc") for key in tensors)
    assert card.config["embedding_size"] == 256
    build_resnet50(card.config, tensors, what="x")


def test_supcon_layout_for_small_pictures(tmp_path: Path) -> None:
    state = {
        k.replace(".downsample.", ".shortcut."): v
        for k, v in made.resnet50_state("module.encoder.", first_kernel=3).items()
    }
    state["module.head.0.weight"] = torch.zeros(4, 4)
    card, tensors, done = imported(made.save({"model": state}, tmp_path / "x.pth"), tmp_path / "out")
    assert (card.config["stem"], card.config["input_px"]) == ("small", 32)
    assert any("left out" in note for note in done["notes"])
    build_resnet50(card.config, tensors, what="x")


def test_an_imported_encoder_embeds_photos(tmp_path: Path) -> None:
    imported(made.save(LAYOUTS["moco"](), tmp_path / "x.pth"), tmp_path / "out")
    embedder = load_embedder(ModelStore(tmp_path / "none", tmp_path / "out"), "m", device=CPU)
    photos = [np.random.default_rng(k).integers(0, 255, (300, 400, 3), dtype=np.uint8) for k in range(2)]
    assert embedder.prepare(photos[0]).shape == (224, 224, 3)
    embedding = embedder.embed(photos)
    assert embedding.shape == (2, embedder.embedding_size) == (2, 256)
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=1e-5)


def test_resnet50_computes_what_torchvision_computes() -> None:
    from torchvision.models.resnet import Bottleneck, ResNet

    network = ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=64)
    network.fc = torch.nn.Identity()
    torch.manual_seed(0)
    state = {
        k: torch.rand_like(v) + 0.5 if v.is_floating_point() and v.dim() == 1 else v
        for k, v in network.state_dict().items()
    }
    network.load_state_dict(state)
    config = {
        "width": 64, "units": [3, 4, 6, 3], "stem": "large", "input_px": 64, "resize_px": 72,
        "mean": [0.5] * 3, "std": [0.5] * 3,
    }  # fmt: skip
    own, _ = build_resnet50(config, state, what="x")
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected, answer = network.eval()(x), own.eval()(x)
    assert (answer - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_smaller_resnets_are_refused_by_name(tmp_path: Path) -> None:
    state = {"conv1.weight": torch.zeros(64, 3, 7, 7), "layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}
    with pytest.raises(ImportRefused, match="smaller ResNet") as told:
        imported(made.save(state, tmp_path / "x.pth"), tmp_path / "out")
    assert "timm:resnet18" in told.value.hint


@pytest.mark.parametrize(
    ("keys", "whose"),
    [
        (("cls_token", "patch_embed.proj.weight"), "timm"),
        (("logit_scale", "visual.conv1.weight", "visual.layer1.0.conv1.weight"), "open_clip"),
    ],
)
def test_encoders_that_need_no_import_are_named(tmp_path: Path, keys: tuple[str, ...], whose: str) -> None:
    state = {key: torch.zeros(2, 3, 4, 4) for key in keys}
    with pytest.raises(ImportRefused, match=f"encoder of {whose}") as told:
        imported(made.save(state, tmp_path / "x.pth"), tmp_path / "out")
    assert f"{whose}:" in told.value.hint
