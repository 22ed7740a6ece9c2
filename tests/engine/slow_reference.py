"""The networks once more, as slow plain formulas in float64 over a state dict, and a fixture folder of them.

Written from the reference (sections 1, 2 and 5) without looking at the engine's code: weights are built
per sample, nothing is reordered or fused. `write_folder` makes a folder in the format of the parity
fixtures, of any tag and size, so that the parity test itself can be tested.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

State = dict[str, Tensor]
Spec = dict[str, Any]
WIDTHS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
GROUPS = (64, 128, 256, 512)


# --- generator ----------------------------------------------------------------------------------


def _linear(s: State, key: str, x: Tensor, *, lr: float = 1.0) -> Tensor:
    weight = s[f"{key}.weight"]
    return x @ (weight * lr / math.sqrt(weight.shape[1])).T + s[f"{key}.bias"] * lr


def map_z(s: State, z: Tensor) -> Tensor:
    w = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for k in range(1, 9):
        w = math.sqrt(2) * F.leaky_relu(_linear(s, f"style.{k}", w, lr=0.01), 0.2)
    return w


def _modulated(s: State, key: str, x: Tensor, w: Tensor, *, up: bool, demodulate: bool) -> Tensor:
    weight = s[f"{key}.weight"][0]
    style = _linear(s, f"{key}.modulation", w[None])[0]
    own = weight * style[None, :, None, None] / math.sqrt(weight[0].numel())
    if demodulate:
        own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if not up:
        return F.conv2d(x, own, padding=weight.shape[-1] // 2)
    y = F.conv_transpose2d(x, own.transpose(0, 1), stride=2)
    return _blurred(F.pad(y, (1, 1, 1, 1)), s[f"{key}.blur.kernel"])


def _blurred(x: Tensor, kernel: Tensor) -> Tensor:
    channels = x.shape[1]
    return F.conv2d(x.reshape(channels, 1, *x.shape[2:]), kernel[None, None]).transpose(0, 1)


def _styled(s: State, key: str, x: Tensor, *, w: Tensor, noise: int, up: bool = False) -> Tensor:
    x = _modulated(s, f"{key}.conv", x, w, up=up, demodulate=True)
    x = x + s[f"{key}.noise.weight"] * s[f"noises.noise_{noise}"]
    return math.sqrt(2) * F.leaky_relu(x + s[f"{key}.activate.bias"][:, None, None], 0.2)


def _rgb(s: State, key: str, x: Tensor, *, w: Tensor, skip: Tensor | None) -> Tensor:
    y = _modulated(s, f"{key}.conv", x, w, up=False, demodulate=False) + s[f"{key}.bias"]
    if skip is None:
        return y
    large = torch.zeros(1, 3, 2 * skip.shape[2], 2 * skip.shape[3], dtype=skip.dtype)
    large[:, :, ::2, ::2] = skip
    return y + _blurred(F.pad(large, (2, 1, 2, 1)), s[f"{key}.upsample.kernel"])


def synthesize(s: State, w_plus: Tensor) -> Tensor:
    """(B, L, 512) -> (B, 3, H, H)."""
    pictures = []
    for rows in w_plus:
        x = _styled(s, "conv1", s["input.input"], w=rows[0], noise=0)
        rgb = _rgb(s, "to_rgb1", x, w=rows[1], skip=None)
        for j in range((len(rows) - 2) // 2):
            i = 2 * j + 1
            x = _styled(s, f"convs.{2 * j}", x, w=rows[i], noise=i, up=True)
            x = _styled(s, f"convs.{2 * j + 1}", x, w=rows[i + 1], noise=i + 1)
            rgb = _rgb(s, f"to_rgbs.{j}", x, w=rows[i + 2], skip=rgb)
        pictures.append(rgb)
    return torch.cat(pictures)


# --- encoders -----------------------------------------------------------------------------------


def _norm(s: State, key: str, x: Tensor) -> Tensor:
    scale = s[f"{key}.weight"] / (s[f"{key}.running_var"] + 1e-5).sqrt()
    shift = s[f"{key}.bias"] - s[f"{key}.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def _prelu(s: State, key: str, x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * s[f"{key}.weight"][:, None, None])


def ir_se50(s: State, x: Tensor) -> Tensor:
    x = F.conv2d(x, s["input_layer.0.weight"], padding=1)
    x = _prelu(s, "input_layer.2", _norm(s, "input_layer.1", x))
    number = 0
    for group, count in enumerate((3, 4, 14, 3)):
        for k in range(count):
            stride, key = 2 if k == 0 else 1, f"body.{number}"
            y = F.conv2d(_norm(s, f"{key}.res_layer.0", x), s[f"{key}.res_layer.1.weight"], padding=1)
            y = F.conv2d(
                _prelu(s, f"{key}.res_layer.2", y), s[f"{key}.res_layer.3.weight"], stride=stride, padding=1
            )
            y = _norm(s, f"{key}.res_layer.4", y)
            gate = F.conv2d(y.mean(dim=(2, 3), keepdim=True), s[f"{key}.res_layer.5.fc1.weight"]).relu()
            y = y * F.conv2d(gate, s[f"{key}.res_layer.5.fc2.weight"]).sigmoid()
            if k == 0 and group > 0:
                short = F.conv2d(x, s[f"{key}.shortcut_layer.0.weight"], stride=stride)
                x = y + _norm(s, f"{key}.shortcut_layer.1", short)
            else:
                x = y + x[:, :, ::stride, ::stride]
            number += 1
    return x


def resnet34(s: State, x: Tensor) -> Tensor:
    x = _prelu(s, "relu", _norm(s, "bn1", F.conv2d(x, s["conv1.weight"], stride=2, padding=3)))
    number = 0
    for group, count in enumerate((3, 4, 6, 3)):
        for k in range(count):
            stride, key = 2 if k == 0 and group > 0 else 1, f"body.{number}"
            y = F.conv2d(x, s[f"{key}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(_norm(s, f"{key}.bn1", y).relu(), s[f"{key}.conv2.weight"], padding=1)
            y = _norm(s, f"{key}.bn2", y)
            if stride == 2:
                x = F.conv2d(x, s[f"{key}.downsample.0.weight"], stride=2)
                x = _norm(s, f"{key}.downsample.1", x)
            x = (x + y).relu()
            number += 1
    return x


def _row(s: State, key: str, x: Tensor) -> Tensor:
    for k in range(0, 8, 2):
        x = F.conv2d(x, s[f"{key}.convs.{k}.weight"], s[f"{key}.convs.{k}.bias"], stride=2, padding=1)
        x = F.leaky_relu(x, 0.01)
    return _linear(s, f"{key}.linear", x.flatten(1))


def encode(s: State, x: Tensor, *, encoder_type: str, n_styles: int) -> Tensor:
    """Codes of the four encoder types on the last feature map, and of the single style code."""
    features = resnet34(s, x) if encoder_type.startswith("ResNet") else ir_se50(s, x)
    if encoder_type == "SingleStyleCodeEncoder":
        w = _linear(s, "linear", features.mean(dim=(2, 3)))
        return torch.stack([w] * n_styles, dim=1)
    rows = [_row(s, f"styles.{k}", features) for k in range(n_styles)]
    if "Progressive" in encoder_type:
        rows = [rows[0], *(rows[0] + row for row in rows[1:])]
    return torch.stack(rows, dim=1)


# --- key lists ------------------------------------------------------------------------------------


def generator_spec(size: int) -> Spec:
    """The key list of a generator of a size that the stored specs lack."""
    levels, tensors = int(math.log2(size)), []
    rows = 2 * levels - 2

    def modulated(key: str, shape: list[int], *, gain: float) -> None:
        tensors.append([f"{key}.weight", [1, *shape], "float32", ["affine", gain, 0]])
        tensors.append([f"{key}.modulation.weight", [shape[1], 512], "float32", ["affine", 1, 0]])
        tensors.append([f"{key}.modulation.bias", [shape[1]], "float32", ["affine", 0.1, 1]])

    def styled(key: str, before: int, width: int, *, up: bool) -> None:
        modulated(f"{key}.conv", [width, before, 3, 3], gain=1)
        tensors.append([f"{key}.noise.weight", [1], "float32", ["affine", 0.1, 0]])
        tensors.append([f"{key}.activate.bias", [width], "float32", ["affine", 0.1, 0]])
        if up:
            tensors.append([f"{key}.conv.blur.kernel", [4, 4], "float32", ["blur", 4]])

    def rgb(key: str, width: int, *, up: bool) -> None:
        modulated(f"{key}.conv", [3, width, 1, 1], gain=0.15)
        tensors.append([f"{key}.bias", [1, 3, 1, 1], "float32", ["affine", 0.1, 0]])
        if up:
            tensors.append([f"{key}.upsample.kernel", [4, 4], "float32", ["blur", 4]])

    tensors.append(["input.input", [1, 512, 4, 4], "float32", ["affine", 1, 0]])
    for k in range(1, 9):
        tensors.append([f"style.{k}.weight", [512, 512], "float32", ["affine", 100, 0]])
        tensors.append([f"style.{k}.bias", [512], "float32", ["affine", 10, 0]])
    styled("conv1", 512, 512, up=False)
    rgb("to_rgb1", 512, up=False)
    for j in range(levels - 2):
        before, width = WIDTHS[4 * 2**j], WIDTHS[8 * 2**j]
        styled(f"convs.{2 * j}", before, width, up=True)
        styled(f"convs.{2 * j + 1}", width, width, up=False)
        rgb(f"to_rgbs.{j}", width, up=True)
    for k in range(rows - 1):
        side = 2 ** ((k + 5) // 2)
        tensors.append([f"noises.noise_{k}", [1, 1, side, side], "float32", ["affine", 1, 0]])
    return _spec(f"generator_{size}", "decoder.", rows, tensors=tensors, size=size)


def encoder_spec(encoder_type: str, n_styles: int, input_nc: int) -> Spec:
    """The key list of an encoder."""
    tensors: list[list[Any]] = []

    def weight(key: str, shape: list[int]) -> None:
        fan_in = math.prod(shape[1:])
        tensors.append([f"{key}.weight", shape, "float32", ["affine", 1 / math.sqrt(fan_in), 0]])

    def norm(key: str, width: int) -> None:
        for name, rule in (
            ("weight", ["affine", 0.1, 1]), ("bias", ["affine", 0.1, 0]),
            ("running_mean", ["affine", 0.1, 0]), ("running_var", ["abs", 0.3, 0.8]),
        ):  # fmt: skip
            tensors.append([f"{key}.{name}", [width], "float32", rule])
        tensors.append([f"{key}.num_batches_tracked", [], "int64", ["const", 0]])

    is_resnet = encoder_type.startswith("ResNet")
    weight("conv1" if is_resnet else "input_layer.0", [64, input_nc, *([7, 7] if is_resnet else [3, 3])])
    norm("bn1" if is_resnet else "input_layer.1", 64)
    slope = "relu" if is_resnet else "input_layer.2"
    tensors.append([f"{slope}.weight", [64], "float32", ["affine", 0.05, 0.25]])
    before, number = 64, 0
    for group, count in enumerate((3, 4, 6, 3) if is_resnet else (3, 4, 14, 3)):
        for k in range(count):
            width, key = GROUPS[group], f"body.{number}"
            if is_resnet:
                weight(f"{key}.conv1", [width, before, 3, 3])
                weight(f"{key}.conv2", [width, width, 3, 3])
                norm(f"{key}.bn1", width)
                norm(f"{key}.bn2", width)
            else:
                norm(f"{key}.res_layer.0", before)
                weight(f"{key}.res_layer.1", [width, before, 3, 3])
                tensors.append([f"{key}.res_layer.2.weight", [width], "float32", ["affine", 0.05, 0.25]])
                weight(f"{key}.res_layer.3", [width, width, 3, 3])
                norm(f"{key}.res_layer.4", width)
                weight(f"{key}.res_layer.5.fc1", [width // 16, width, 1, 1])
                weight(f"{key}.res_layer.5.fc2", [width, width // 16, 1, 1])
            if k == 0 and group > 0:
                short = "downsample" if is_resnet else "shortcut_layer"
                weight(f"{key}.{short}.0", [width, before, 1, 1])
                norm(f"{key}.{short}.1", width)
            before, number = width, number + 1
    linears = ["linear"] if encoder_type == "SingleStyleCodeEncoder" else []
    for row in range(0 if linears else n_styles):
        for k in range(0, 8, 2):
            weight(f"styles.{row}.convs.{k}", [512, 512, 3, 3])
            tensors.append([f"styles.{row}.convs.{k}.bias", [512], "float32", ["affine", 0.1, 0]])
        linears.append(f"styles.{row}.linear")
    for key in linears:
        tensors.append([f"{key}.weight", [512, 512], "float32", ["affine", 0.1, 0]])
        tensors.append([f"{key}.bias", [512], "float32", ["affine", 0.1, 0]])
    name = f"{encoder_type}_{n_styles}_{input_nc}ch"
    return _spec(name, "encoder.", n_styles, tensors=tensors, encoder_type=encoder_type, input_nc=input_nc)


def _spec(name: str, prefix: str, n_styles: int, *, tensors: list[list[Any]], **more: Any) -> Spec:
    count = sum(math.prod(shape) for _, shape, *_ in tensors)
    return {
        "network": name, "prefix": prefix, "n_styles": n_styles, "parameter_count": count,
        "tensors": sorted(tensors), **more,
    }  # fmt: skip


# --- a folder -------------------------------------------------------------------------------------


class Folder:
    """Writes cases in the format of the fixtures, with outputs of the slow formulas.

    Args:
        folder: Where to.
        recipe: The functions of make_weights.py.
        tag: Names all weights and inputs.
    """

    def __init__(self, folder: Path, recipe: ModuleType, tag: str) -> None:
        self._folder = folder
        self._recipe = recipe
        self._tag = tag
        self._cases: list[Spec] = []
        (folder / "specs").mkdir(parents=True, exist_ok=True)

    def generator(self, size: int, *, batch: int) -> None:
        """A case of kind `generator`."""
        spec, name, tag = generator_spec(size), f"generator_{size}", self._tag
        state, rows = self._state(spec), spec["n_styles"]
        w_plus = torch.from_numpy(self._recipe.wplus(f"{tag}/{name}/w", tag, rows, batch=batch)).double()
        w = map_z(state, self._normal(f"{tag}/{name}/z", [4, 512]))
        mean = map_z(state, self._normal(f"{tag}/{name}/zmean", [4096, 512])).mean(dim=0, keepdim=True)
        truncated = (mean + 0.7 * (w[:1] - mean)).repeat(rows, 1)[None]
        crossover = rows // 2
        mixed = torch.cat([w[:1].repeat(crossover, 1), w[1:2].repeat(rows - crossover, 1)])[None]
        out = {"mapping": w, "mean_latent": mean, "latent_truncated": truncated[0]}
        for b, picture in enumerate(synthesize(state, w_plus)):
            out |= stored_picture(f"image{b}", picture)
        out |= stored_picture("image_truncated", synthesize(state, truncated)[0])
        out |= stored_picture("image_mixed", synthesize(state, mixed)[0])
        about = {"size": size, "batch": batch, "truncation": 0.7, "inject_index": crossover}
        self._write(name, "generator", out, spec=name, tag=tag, **about)

    def encoder(self, encoder_type: str, n_styles: int, *, input_nc: int) -> None:
        """A case of kind `encoder`, one picture of 256 px."""
        spec, tag = encoder_spec(encoder_type, n_styles, input_nc), self._tag
        name, state = f"{encoder_type}_{n_styles}", self._state(spec)
        x = torch.cat([self._picture(f"{tag}/{name}/x0_{j}") for j in range(input_nc // 3)], dim=1)
        codes = encode(state, x, encoder_type=encoder_type, n_styles=n_styles)
        self._write(
            name, "encoder", {"codes": codes}, spec=spec["network"], tag=tag, encoder_type=encoder_type,
            n_styles=n_styles, input_nc=input_nc, batch=1, height=256, width=256, stages=None,
        )  # fmt: skip

    def loop(self, encoder_type: str, size: int, *, steps: int) -> None:
        """A case of kind `restyle_loop` at an output size."""
        tag, name, rows = self._tag, f"loop_{encoder_type}_{size}", 2 * int(math.log2(size)) - 2
        e_spec, g_spec = encoder_spec(encoder_type, rows, 6), generator_spec(size)
        encoder, generator = self._state(e_spec), self._state(g_spec)
        x = self._picture(f"{tag}/{name}/x0")
        w = torch.from_numpy(self._recipe.latent_avg(tag, rows)).double()[None]
        small = F.adaptive_avg_pool2d(synthesize(generator, w), 256)
        out = stored_picture("average_image", small[0])
        codes = []
        for t in range(steps):
            stack = torch.cat([x, small], dim=1)
            w = w + encode(encoder, stack, encoder_type=encoder_type, n_styles=rows)
            y = synthesize(generator, w)
            small = F.adaptive_avg_pool2d(y, 256)
            codes.append(w[0])
            out |= stored_picture(f"image0_step{t}", y[0])
        out["latents0"] = torch.stack(codes)
        self._write(
            name, "restyle_loop", out, encoder_spec=e_spec["network"], encoder_type=encoder_type,
            generator_spec=g_spec["network"], output_size=size, tag=tag, dataset_type="horse_encode",
            steps=steps, batch=1, resize_outputs=False,
        )  # fmt: skip

    def finish(self) -> None:
        """Write the manifest."""
        text = json.dumps({"cases": self._cases}, indent=1)
        (self._folder / "manifest.json").write_text(text, encoding="utf-8")

    def _state(self, spec: Spec) -> State:
        file = self._folder / "specs" / f"{spec['network']}.json"
        file.write_text(json.dumps(spec), encoding="utf-8")
        arrays = self._recipe.arrays(spec, self._tag)
        return {key: torch.from_numpy(value).double() for key, value in arrays.items()}

    def _normal(self, name: str, shape: list[int]) -> Tensor:
        return torch.from_numpy(self._recipe.normal(name, shape).astype(np.float32)).double()

    def _picture(self, name: str) -> Tensor:
        return torch.from_numpy(self._recipe.image(name)).double()[None]

    def _write(self, name: str, kind: str, outputs: dict[str, Tensor], **about: Any) -> None:
        arrays = {key: np.asarray(value.numpy(), _kind_of(key)) for key, value in outputs.items()}
        np.savez(self._folder / f"{name}.npz", **arrays)
        shapes = {key: list(value.shape) for key, value in arrays.items()}
        self._cases.append({"case": name, "kind": kind, **about, "outputs": shapes})


def _kind_of(key: str) -> type:
    return np.int64 if key.endswith(".shape") else np.float32


def stored_picture(name: str, y: Tensor) -> dict[str, Tensor]:
    """What is stored of a picture (3, H, W): samples, a window, statistics."""
    s = max(1, y.shape[2] // 64)
    top, left = (y.shape[1] - 64) // 2, (y.shape[2] - 64) // 2
    flat = y.reshape(3, -1)
    statistics = [flat.mean(1), flat.std(1, unbiased=False), flat.amin(1), flat.amax(1)]
    return {
        f"{name}.shape": torch.tensor(y.shape),
        f"{name}.sub": y[:, s // 2 :: s, s // 2 :: s],
        f"{name}.crop": y[:, top : top + 64, left : left + 64],
        f"{name}.stats": torch.stack(statistics),
    }
