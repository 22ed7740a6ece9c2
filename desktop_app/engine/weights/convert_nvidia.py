"""NVIDIA's StyleGAN2 pickles as generators of the rosinality layout.

Two kinds are read: the PyTorch pickles (StyleGAN2-ADA, and StyleGAN3's repository for StyleGAN2), whose
classes carry their source code, and the TensorFlow pickles of the first release. Both are brought to
the names of the PyTorch networks first. Their arithmetic is that of the rosinality layout: weights are
stored before equalisation, upsampling convolutions are unflipped transposed ones, and demodulation makes
the missing scale of NVIDIA's convolutions irrelevant (up to its epsilon, 1e-8 of the sum).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import cast

from desktop_app.engine.weights.convert_generator import generator_model
from desktop_app.engine.weights.converted import Converted
from desktop_app.engine.weights.import_names import PERSISTENT, as_tensor
from desktop_app.engine.weights.import_values import Derived, ImportRefused, LazyTensor, Record, reshaped
from desktop_app.engine.weights.recognise import FileKind, Recognised

MAX_DEPTH = 12
MAX_TENSORS = 10_000
RGB = 3

Tensors = dict[str, LazyTensor]


def convert_nvidia(found: Recognised) -> Converted:
    """The averaged generator of an NVIDIA pickle.

    Raises:
        ImportRefused: It is another network, or one that the layout cannot hold.
    """
    network = cast(Record, found.network)
    if found.kind is FileKind.NVIDIA_TF:
        tensors, origin = _from_tensorflow(network), "StyleGAN2 (NVIDIA, TensorFlow)"
    else:
        tensors, origin = _from_persistent(network), "StyleGAN2 (NVIDIA, PyTorch)"
    _check_kind(tensors)
    written = _renamed(tensors)
    average = tensors.get("mapping.w_avg")
    return generator_model(written, average, origin=origin)


# --- reading the networks -----------------------------------------------------------------------


def _from_persistent(network: Record) -> Tensors:
    class_name = network.kind.partition(":")[2]
    tensors: Tensors = {}
    _collect(network, "", tensors, 0)
    if not any(key.startswith("synthesis.") for key in tensors):
        raise ImportRefused(f"holds a network '{class_name[:40]}', which is no StyleGAN2 generator")
    return tensors


def _collect(module: Record, prefix: str, tensors: Tensors, depth: int) -> None:
    """Parameters and buffers of a module and of those below it."""
    if depth > MAX_DEPTH or len(tensors) > MAX_TENSORS:
        raise ImportRefused("is damaged: its network has no end")
    for kind in ("_parameters", "_buffers"):
        for key, value in _fields(module, kind).items():
            tensor = as_tensor(value)
            if tensor is not None:
                tensors[f"{prefix}{key}"] = tensor
    for key, child in _fields(module, "_modules").items():
        if isinstance(child, Record) and child.kind.startswith(PERSISTENT):
            _collect(child, f"{prefix}{key}.", tensors, depth + 1)


def _fields(record: Record, name: str) -> dict[object, object]:
    value = record.fields.get(name)
    return value if isinstance(value, dict) else {}


def _from_tensorflow(network: Record) -> Tensors:
    variables: Tensors = {}
    _collect_variables(network, "", variables, 0)
    tensors: Tensors = {}
    for name, value in variables.items():
        for pattern, rename, change in _TF_RULES:
            match = re.fullmatch(pattern, name)
            if match:
                tensors[rename(match)] = change(value)
                break
    if not tensors:
        raise ImportRefused("holds a TensorFlow network that is no StyleGAN2 generator")
    return tensors


def _collect_variables(network: Record, prefix: str, variables: Tensors, depth: int) -> None:
    """Variables of a TensorFlow network and of its components, by their full names."""
    if depth > MAX_DEPTH or len(variables) > MAX_TENSORS:
        raise ImportRefused("is damaged: its network has no end")
    listed = network.fields.get("variables")
    for pair in listed if isinstance(listed, list) else []:
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            tensor = as_tensor(pair[1])
            if tensor is not None:
                variables[f"{prefix}{pair[0]}"] = tensor
    for name, component in _fields(network, "components").items():
        if isinstance(component, Record):
            _collect_variables(component, f"{prefix}{name}/", variables, depth + 1)


# --- TensorFlow names -----------------------------------------------------------------------------


def _transposed(value: LazyTensor) -> LazyTensor:
    """[in, out] -> [out, in]."""
    if len(value.shape) != 2:
        raise ImportRefused("is damaged: a weight of its mapping network is no matrix")
    return Derived(value, value.shape[::-1], lambda w: w.t())


def _convolution(value: LazyTensor) -> LazyTensor:
    """[kh, kw, in, out] -> [out, in, kh, kw]."""
    if len(value.shape) != 4:
        raise ImportRefused("is damaged: a weight of a convolution has another rank")
    height, width, inputs, outputs = value.shape
    return Derived(value, (outputs, inputs, height, width), lambda w: w.permute(3, 2, 0, 1))


def _turned_convolution(value: LazyTensor) -> LazyTensor:
    """Upsampling layers are stored turned by half a circle."""
    straight = _convolution(value)
    return Derived(straight, straight.shape, lambda w: w.flip((2, 3)))


def _plus_one(value: LazyTensor) -> LazyTensor:
    """TensorFlow adds the one of a style's bias when it runs."""
    return Derived(value, value.shape, lambda b: b + 1)


def _as_is(value: LazyTensor) -> LazyTensor:
    return value


def _block(layer: str, part: str) -> Callable[[re.Match[str]], str]:
    return lambda m: f"synthesis.b{m[1]}.{layer}.{part}"


def _noise_name(match: re.Match[str]) -> str:
    """Noise map k belongs to resolution 2^((k + 5) // 2): its second half to the second layer."""
    k = int(match[1])
    return f"synthesis.b{2 ** min((k + 5) // 2, 20)}.conv{'1' if k % 2 == 0 else '0'}.noise_const"


_Rule = tuple[str, Callable[[re.Match[str]], str], Callable[[LazyTensor], LazyTensor]]


def _layer_rules(tf_layer: str, layer: str, convolution: Callable[[LazyTensor], LazyTensor]) -> list[_Rule]:
    base = rf"synthesis/(\d+)x\1/{tf_layer}/"
    return [
        (base + "weight", _block(layer, "weight"), convolution),
        (base + "bias", _block(layer, "bias"), _as_is),
        (base + "noise_strength", _block(layer, "noise_strength"), _as_is),
        (base + "mod_weight", _block(layer, "affine.weight"), _transposed),
        (base + "mod_bias", _block(layer, "affine.bias"), _plus_one),
    ]


_TF_RULES: list[_Rule] = [
    ("dlatent_avg", lambda m: "mapping.w_avg", _as_is),
    (r"mapping/Dense(\d+)/weight", lambda m: f"mapping.fc{m[1]}.weight", _transposed),
    (r"mapping/Dense(\d+)/bias", lambda m: f"mapping.fc{m[1]}.bias", _as_is),
    (r"mapping/LabelEmbed/weight", lambda m: "mapping.embed.weight", _as_is),
    (r"synthesis/4x4/Const/const", lambda m: "synthesis.b4.const", _as_is),
    (r"synthesis/noise(\d+)", _noise_name, _as_is),
    *_layer_rules("Conv", "conv1", _convolution),
    *_layer_rules("Conv0_up", "conv0", _turned_convolution),
    *_layer_rules("Conv1", "conv1", _convolution),
    *_layer_rules("ToRGB", "torgb", _convolution),
]


# --- names of the PyTorch networks -> rosinality ------------------------------------------------


def _check_kind(tensors: Mapping[str, LazyTensor]) -> None:
    """Refuse networks that share the file format and are something else."""
    if any(key.startswith("synthesis.input.") for key in tensors):
        raise ImportRefused(
            "holds a StyleGAN3 generator, which is another architecture", "StyleGAN2 files can be used."
        )
    if "mapping.embed.weight" in tensors:
        raise ImportRefused(
            "holds a generator that needs a class label", "Only generators without labels can be used."
        )
    if any(key.endswith(".skip.weight") for key in tensors):
        raise ImportRefused(
            "holds a StyleGAN2 generator of the residual kind; only the skip kind can be used"
        )
    rgb = tensors.get("synthesis.b4.torgb.bias")
    if rgb is None:
        raise ImportRefused("holds no StyleGAN2 generator of the skip kind")
    if rgb.shape != (RGB,):
        raise ImportRefused(f"holds a generator of {math.prod(rgb.shape)} colour channels instead of three")


def _renamed(tensors: Tensors) -> Tensors:
    written: Tensors = {}
    for key, value in tensors.items():
        for pattern, rename in _RULES:
            match = re.fullmatch(pattern, key)
            if match:
                name = rename(match)
                written[name] = _shaped(name, value)
                break
        else:
            if not key.endswith(("resample_filter", "w_avg")):
                written[key] = value  # left under its own name: the comparison will report it
    return written


def _level(match: re.Match[str]) -> int:
    side = int(match[1])
    level = side.bit_length() - 4
    if level < 0 or side != 8 << level:
        raise ImportRefused(f"is damaged: it has a layer of {side} px")
    return level


def _conv0(part: str) -> Callable[[re.Match[str]], str]:
    return lambda m: f"convs.{2 * _level(m)}.{part}"


def _conv1(part: str) -> Callable[[re.Match[str]], str]:
    return lambda m: f"conv1.{part}" if m[1] == "4" else f"convs.{2 * _level(m) + 1}.{part}"


def _to_rgb(part: str) -> Callable[[re.Match[str]], str]:
    return lambda m: f"to_rgb1.{part}" if m[1] == "4" else f"to_rgbs.{_level(m)}.{part}"


def _noise(match: re.Match[str]) -> str:
    if match[1] == "4":
        return "noises.noise_0"
    return f"noises.noise_{2 * _level(match) + (1 if match[2] == '0' else 2)}"


_LAYER_PARTS = (
    ("weight", "conv.weight"),
    ("affine.weight", "conv.modulation.weight"),
    ("affine.bias", "conv.modulation.bias"),
    ("noise_strength", "noise.weight"),
    ("bias", "activate.bias"),
)
_RGB_PARTS = (
    ("weight", "conv.weight"),
    ("affine.weight", "conv.modulation.weight"),
    ("affine.bias", "conv.modulation.bias"),
    ("bias", "bias"),
)
_RULES: list[tuple[str, Callable[[re.Match[str]], str]]] = [
    (r"mapping\.fc(\d+)\.(weight|bias)", lambda m: f"style.{int(m[1]) + 1}.{m[2]}"),
    (r"synthesis\.b4\.const", lambda m: "input.input"),
    (r"synthesis\.b(\d+)\.conv([01])\.noise_const", _noise),
    *((rf"synthesis\.b(\d+)\.conv0\.{re.escape(a)}", _conv0(b)) for a, b in _LAYER_PARTS),
    *((rf"synthesis\.b(\d+)\.conv1\.{re.escape(a)}", _conv1(b)) for a, b in _LAYER_PARTS),
    *((rf"synthesis\.b(\d+)\.torgb\.{re.escape(a)}", _to_rgb(b)) for a, b in _RGB_PARTS),
]


def _shaped(name: str, value: LazyTensor) -> LazyTensor:
    """Add the dimensions of size one that the rosinality layout has."""
    shape = value.shape
    if name.endswith(".noise.weight"):
        return reshaped(value, (1,))
    if name.startswith("noises."):
        return reshaped(value, (1, 1, *shape[-2:]))
    if name.endswith("conv.weight") or name == "input.input":
        return value if len(shape) == (4 if name == "input.input" else 5) else reshaped(value, (1, *shape))
    if name.startswith("to_rgb") and name.count(".") <= 2 and name.endswith(".bias") and len(shape) == 1:
        return value if "modulation" in name else reshaped(value, (1, *shape, 1, 1))
    return value
