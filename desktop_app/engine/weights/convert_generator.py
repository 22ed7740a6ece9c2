"""StyleGAN2 generators of the rosinality layout: their sizes from their tensors, and what may be missing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from desktop_app.engine.networks.stylegan2 import Generator, standard_channels
from desktop_app.engine.ops.stylegan2_ops import blur_kernel
from desktop_app.engine.weights.converted import Converted, check_fit, shapes_of
from desktop_app.engine.weights.import_values import ImportRefused, LazyTensor, Made, reshaped
from desktop_app.engine.weights.recognise import Recognised

ARCHITECTURE = "stylegan2"
MIN_SIZE, MAX_SIZE = 8, 1024
MAX_MAPPING_LAYERS = 16

# The average code is the mean of this many mapped samples, from a fixed seed (the official training
# code takes 100,000 as well, but unseeded).
AVERAGE_SAMPLES = 100_000
AVERAGE_SEED = 0
_AVERAGE_CHUNK = 10_000
NOISE_SEED = 0


@dataclass(frozen=True, slots=True)
class GeneratorShape:
    """Sizes of a generator.

    Attributes:
        size: Output pixels.
        style_dim: Size of a style row.
        n_mlp: Layers of the mapping network.
        channels: Feature maps by resolution, or None for the published ones.
    """

    size: int
    style_dim: int
    n_mlp: int
    channels: dict[int, int] | None

    @property
    def n_styles(self) -> int:
        """Rows of a W+ code."""
        return 2 * int(math.log2(self.size)) - 2

    def config(self) -> dict[str, object]:
        """The entry of a card."""
        channels = None if self.channels is None else {str(k): v for k, v in self.channels.items()}
        return {
            "size": self.size,
            "style_dim": self.style_dim,
            "n_mlp": self.n_mlp,
            "channels": channels,
        }

    def build(self) -> Generator:
        """The network."""
        return Generator(self.size, style_dim=self.style_dim, n_mlp=self.n_mlp, channels=self.channels)


def generator_shape(tensors: Mapping[str, LazyTensor]) -> GeneratorShape:
    """Sizes of a generator, from its tensors.

    Raises:
        ImportRefused: They do not describe one.
    """
    upsampling = [int(m[1]) for m in (re.fullmatch(r"to_rgbs\.(\d+)\.bias", key) for key in tensors) if m]
    levels = max(upsampling, default=-1) + 1
    size = 4 * 2 ** min(levels, 20)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ImportRefused(f"holds a generator of {size} px; {MIN_SIZE} to {MAX_SIZE} px can be used")
    mapping = [int(m[1]) for m in (re.fullmatch(r"style\.(\d+)\.weight", key) for key in tensors) if m]
    n_mlp = max(mapping, default=0)
    if not 1 <= n_mlp <= MAX_MAPPING_LAYERS:
        raise ImportRefused("holds a generator without its mapping network")
    widths = {4: _dimension(tensors, "input.input", 1)}
    for level in range(levels):
        widths[8 * 2**level] = _dimension(tensors, f"convs.{2 * level + 1}.conv.weight", 1)
    standard = standard_channels()
    is_standard = all(standard[side] == width for side, width in widths.items())
    style_dim = _dimension(tensors, f"style.{n_mlp}.weight", 0)
    return GeneratorShape(size, style_dim, n_mlp, None if is_standard else widths)


def _dimension(tensors: Mapping[str, LazyTensor], key: str, index: int) -> int:
    tensor = tensors.get(key)
    if tensor is None or len(tensor.shape) <= index:
        raise ImportRefused(f"holds an incomplete generator ('{key}' is missing)")
    return tensor.shape[index]


def complete_generator(
    tensors: Mapping[str, LazyTensor], shape: GeneratorShape
) -> tuple[dict[str, LazyTensor], tuple[str, ...]]:
    """Check a generator and add what its layout may leave out: noise maps and blur kernels.

    Returns:
        All tensors of the network, and what the user should know.

    Raises:
        ImportRefused: Its tensors do not fit.
    """
    own = shapes_of(shape.build)
    complete: dict[str, LazyTensor] = dict(tensors)
    notes: list[str] = []
    absent = [key for key in own if key.startswith("noises.") and key not in complete]
    for number, key in enumerate(absent):
        complete[key] = Made(own[key], partial(_noise, own[key], number))
    if absent:
        notes.append(f"{len(absent)} noise maps were not in the file and were drawn from a fixed seed.")
    for key in own:
        if key.endswith(".kernel") and key not in complete:
            complete[key] = Made(own[key], partial(blur_kernel, 4.0))
    for key, wanted in own.items():
        # Some versions store the noise strength as a number instead of a row of one.
        if key.endswith("noise.weight") and key in complete:
            complete[key] = reshaped(complete[key], wanted)
    check_fit(own, complete, what=f"a StyleGAN2 generator of {shape.size} px")
    return complete, tuple(notes)


def average_code(
    tensors: Mapping[str, LazyTensor], shape: GeneratorShape, given: LazyTensor | None
) -> tuple[LazyTensor, tuple[str, ...]]:
    """The average code, (D,) or (L, D): the file's, or estimated from its mapping network.

    Raises:
        ImportRefused: The file's has another size.
    """
    if given is not None:
        for fitting in ((shape.style_dim,), (shape.n_styles, shape.style_dim)):
            if given.shape == fitting:
                return given, ()
        if math.prod(given.shape) == shape.style_dim:
            return reshaped(given, (shape.style_dim,)), ()
        raise ImportRefused(f"has an average code of {given.shape}, not ({shape.style_dim},)")
    mapping = {
        key.removeprefix("style."): tensor for key, tensor in tensors.items() if key.startswith("style.")
    }
    note = f"The file has no average code; it was estimated from {AVERAGE_SAMPLES:,} samples of a fixed seed."
    return Made((shape.style_dim,), partial(_estimate_average, mapping, shape)), (note,)


def convert_generator(found: Recognised) -> Converted:
    """A bare generator.

    Raises:
        ImportRefused: Its tensors do not fit.
    """
    tensors: dict[str, LazyTensor] = dict(found.tensors)
    return generator_model(tensors, (found.extra or {}).get("latent_avg"), origin="StyleGAN2 (PyTorch)")


def generator_model(
    tensors: Mapping[str, LazyTensor], average: LazyTensor | None, *, origin: str
) -> Converted:
    """A generator of the rosinality layout as a model of its own.

    Raises:
        ImportRefused: Its tensors do not fit.
    """
    shape = generator_shape(tensors)
    complete, notes = complete_generator(tensors, shape)
    w_avg, more = average_code(complete, shape, average)
    written: dict[str, LazyTensor] = {f"decoder.{key}": tensor for key, tensor in complete.items()}
    written["latent_avg"] = w_avg
    return Converted(
        role="generator",
        architecture=ARCHITECTURE,
        stem="stylegan2",
        tag="",
        title=f"StyleGAN2 generator, {shape.size} px",
        config={"generator": shape.config(), "domain": ""},
        tensors=written,
        facts={"method": origin, "output": f"{shape.size} px"},
        notes=(*notes, *more),
    )


def _noise(shape: tuple[int, ...], number: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(NOISE_SEED + number))


def _estimate_average(mapping: Mapping[str, LazyTensor], shape: GeneratorShape) -> Tensor:
    network = Generator(MIN_SIZE, style_dim=shape.style_dim, n_mlp=shape.n_mlp, channels={4: 1, 8: 1}).style
    network.load_state_dict({key: tensor.load().float() for key, tensor in mapping.items()})
    randomness = torch.Generator().manual_seed(AVERAGE_SEED)
    total = torch.zeros(shape.style_dim, dtype=torch.float64)
    with torch.inference_mode():
        for _ in range(AVERAGE_SAMPLES // _AVERAGE_CHUNK):
            z = torch.randn(_AVERAGE_CHUNK, shape.style_dim, generator=randomness)
            total += network(z).double().sum(dim=0)
    return (total / AVERAGE_SAMPLES).float()
