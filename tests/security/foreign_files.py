"""Small weights files in the layouts of published models, made with tiny networks."""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from desktop_app.engine.networks.restyle_encoders import EncoderShape, create_encoder
from desktop_app.engine.networks.stylegan2 import Generator
from desktop_app.engine.weights.convert_encoder import resnet50_shapes

SIZE, STYLE_DIM, ROWS = 16, 32, 6
CHANNELS = {4: 6, 8: 5, 16: 4}
ENCODER = EncoderShape(
    n_styles=ROWS, input_nc=6, style_dim=STYLE_DIM, widths=(4, 6, 8, 10), units=(1, 2, 1, 1), input_px=32
)


def tiny_generator(*, n_mlp: int = 2, seed: int = 0) -> Generator:
    """A generator of 16 px whose every number is random."""
    torch.manual_seed(seed)
    network = Generator(SIZE, style_dim=STYLE_DIM, n_mlp=n_mlp, channels=CHANNELS)
    for name, value in network.state_dict().items():
        if not name.endswith("kernel"):
            value.copy_(value + 0.3 * torch.randn(value.shape))
    return network.eval()


def restyle_checkpoint(
    encoder_type: str = "BackboneEncoder", shape: EncoderShape = ENCODER, **opts: Any
) -> dict[str, Any]:
    """A checkpoint as the official training code saves it."""
    torch.manual_seed(1)
    encoder = create_encoder(encoder_type, shape)
    state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    state.update({f"decoder.{key}": value for key, value in tiny_generator().state_dict().items()})
    options = {
        "encoder_type": encoder_type,
        "output_size": SIZE,
        "dataset_type": "ffhq_encode",
        "input_nc": shape.input_nc,
        "start_from_latent_avg": True,
        "device": "cuda:0",
        "checkpoint_path": None,
        **opts,
    }
    return {
        "state_dict": OrderedDict(state),
        "latent_avg": torch.randn(STYLE_DIM).expand(ROWS, -1).clone(),
        "opts": options,
    }


def save(content: object, file: Path, *, is_legacy: bool = False) -> Path:
    """Write with PyTorch, in the present or in the older layout."""
    torch.save(content, file, _use_new_zipfile_serialization=not is_legacy)
    return file


# --- NVIDIA ---------------------------------------------------------------------------------------


@contextmanager
def stub_modules(*names: str) -> Iterator[dict[str, types.ModuleType]]:
    """Empty modules under names that pickles mention, while one is written."""
    made = {name: types.ModuleType(name) for name in names}
    sys.modules.update(made)
    try:
        yield made
    finally:
        for name in names:
            del sys.modules[name]


class Persistent:
    """Pickles as NVIDIA's classes that carry their source code."""

    def __init__(self, class_name: str, **state: Any) -> None:
        self.class_name = class_name
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('the source code of the file was run')",
            "class_name": self.class_name,
            "state": self.state,
        }
        rebuild = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj  # type: ignore[attr-defined]
        return rebuild, (meta,), None


def nvidia_state(generator: Generator, w_avg: Tensor) -> dict[str, Tensor]:
    """The generator's numbers under the names of NVIDIA's PyTorch networks."""
    own = generator.state_dict()
    state = {"mapping.w_avg": w_avg}
    for k in range(1, len(generator.style)):
        for part in ("weight", "bias"):
            state[f"mapping.fc{k - 1}.{part}"] = own[f"style.{k}.{part}"]
    state["synthesis.b4.const"] = own["input.input"][0]

    def layer(ours: str, theirs: str, noise: str) -> None:
        state[f"{theirs}.weight"] = own[f"{ours}.conv.weight"][0]
        state[f"{theirs}.affine.weight"] = own[f"{ours}.conv.modulation.weight"]
        state[f"{theirs}.affine.bias"] = own[f"{ours}.conv.modulation.bias"]
        state[f"{theirs}.noise_strength"] = own[f"{ours}.noise.weight"].reshape(())
        state[f"{theirs}.noise_const"] = own[f"noises.{noise}"][0, 0]
        state[f"{theirs}.bias"] = own[f"{ours}.activate.bias"]
        state[f"{theirs}.resample_filter"] = torch.ones(4, 4)

    def to_rgb(ours: str, theirs: str) -> None:
        state[f"{theirs}.weight"] = own[f"{ours}.conv.weight"][0]
        state[f"{theirs}.affine.weight"] = own[f"{ours}.conv.modulation.weight"]
        state[f"{theirs}.affine.bias"] = own[f"{ours}.conv.modulation.bias"]
        state[f"{theirs}.bias"] = own[f"{ours}.bias"].reshape(3)

    layer("conv1", "synthesis.b4.conv1", "noise_0")
    to_rgb("to_rgb1", "synthesis.b4.torgb")
    for level in range(len(generator.to_rgbs)):
        block = f"synthesis.b{8 * 2**level}"
        layer(f"convs.{2 * level}", f"{block}.conv0", f"noise_{2 * level + 1}")
        layer(f"convs.{2 * level + 1}", f"{block}.conv1", f"noise_{2 * level + 2}")
        to_rgb(f"to_rgbs.{level}", f"{block}.torgb")
    return state


def nested_modules(state: dict[str, Tensor], class_name: str = "Generator") -> Persistent:
    """Modules in modules, as `torch.nn` keeps them."""
    here = {key: value for key, value in state.items() if "." not in key}
    below: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        head, _, rest = key.partition(".")
        if rest:
            below.setdefault(head, {})[rest] = value
    buffers = ("noise_const", "resample_filter", "w_avg")
    return Persistent(
        class_name,
        training=False,
        _parameters=OrderedDict(
            {k: torch.nn.Parameter(v.clone()) for k, v in here.items() if k not in buffers}
        ),
        _buffers=OrderedDict({k: v.clone() for k, v in here.items() if k in buffers}),
        _non_persistent_buffers_set=set(),
        _backward_hooks=OrderedDict(),
        _modules=OrderedDict({k: nested_modules(v, f"{k}Layer") for k, v in below.items()}),
    )


def nvidia_pickle(state: dict[str, Tensor], file: Path, *, protocol: int = 4) -> Path:
    """A pickle as StyleGAN2-ADA writes it."""
    with stub_modules("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util") as modules:

        class EasyDict(dict[str, Any]):
            pass

        def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
            raise SystemExit("the class of the file was rebuilt")

        _named(EasyDict, "EasyDict", "dnnlib.util", modules)
        _named(_reconstruct_persistent_obj, "_reconstruct_persistent_obj", "torch_utils.persistence", modules)
        network = nested_modules(state)
        content = {
            "G": None,
            "D": None,
            "G_ema": network,
            "training_set_kwargs": EasyDict(path="x", use_labels=False),
        }
        file.write_bytes(pickle.dumps(content, protocol=protocol))
    return file


def tensorflow_pickle(state: dict[str, Tensor], file: Path) -> Path:
    """A pickle of StyleGAN2's first release, from the names of the PyTorch networks."""
    own = dict(state)
    variables: dict[str, list[tuple[str, Any]]] = {"": [], "mapping": [], "synthesis": []}
    variables[""].append(("dlatent_avg", own.pop("mapping.w_avg").numpy()))
    for key, tensor in own.items():
        value = tensor.numpy()
        parts = key.split(".")
        if parts[0] == "mapping":
            name = f"Dense{parts[1][2:]}/{parts[2]}"
            variables["mapping"].append((name, value.T.copy() if parts[2] == "weight" else value))
            continue
        if parts[-1] == "resample_filter":
            continue
        side = int(parts[1][1:])
        if parts[-1] == "const":
            variables["synthesis"].append(("4x4/Const/const", value[None]))
            continue
        if parts[-1] == "noise_const":
            level = side.bit_length() - 1
            index = 2 * level - (5 if parts[2] == "conv0" else 4)
            variables["synthesis"].append((f"noise{index}", value[None, None]))
            continue
        layers = {"conv0": "Conv0_up", "conv1": "Conv" if side == 4 else "Conv1", "torgb": "ToRGB"}
        part = ".".join(parts[3:])
        names = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}
        if part == "weight":
            value = value.transpose(2, 3, 1, 0)
            value = value[::-1, ::-1].copy() if parts[2] == "conv0" else value.copy()
        elif part == "affine.weight":
            value = value.T.copy()
        elif part == "affine.bias":
            value = value - 1
        variables["synthesis"].append((f"{side}x{side}/{layers[parts[2]]}/{names.get(part, part)}", value))
    with stub_modules("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network") as modules:

        class Network:
            def __init__(self, listed: list[tuple[str, Any]], **components: Any) -> None:
                self.listed, self.components = listed, components

            def __getstate__(self) -> dict[str, Any]:
                return {
                    "version": 4,
                    "name": "G",
                    "static_kwargs": {"num_channels": 3},
                    "components": self.components,
                    "build_module_src": "raise SystemExit('the source code of the file was run')",
                    "build_func_name": "G_main",
                    "variables": self.listed,
                }

        _named(Network, "Network", "dnnlib.tflib.network", modules)
        parts = {name: Network(variables[name]) for name in ("mapping", "synthesis")}
        averaged = Network(variables[""], **parts)
        file.write_bytes(pickle.dumps((Network([]), Network([]), averaged), protocol=pickle.HIGHEST_PROTOCOL))
    return file


def _named(thing: Any, name: str, module: str, modules: dict[str, types.ModuleType]) -> None:
    thing.__name__ = thing.__qualname__ = name
    thing.__module__ = module
    setattr(modules[module], name, thing)


# --- image encoders -------------------------------------------------------------------------------


def resnet50_state(prefix: str = "", *, width: int = 8, first_kernel: int = 7) -> dict[str, Tensor]:
    """Numbers of a narrow ResNet-50 in torchvision's layout, and a projection head."""
    torch.manual_seed(2)
    state = {}
    for key, shape in resnet50_shapes(width, first_kernel=first_kernel).items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(3)
        elif key.endswith("running_var"):
            state[key] = torch.rand(shape) + 0.5
        else:
            state[key] = 0.1 * torch.randn(shape)
    state["fc.0.weight"] = torch.randn(16, 32 * width)
    return {prefix + key: value for key, value in state.items()}
