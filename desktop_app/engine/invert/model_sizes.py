"""What a model's card tells without its weights: sizes, fitting methods, pairs, expected time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from desktop_app.core.errors import WeightsError
from desktop_app.engine.invert.domains import DomainPreset, preset_named
from desktop_app.engine.invert.model import COMPARED_PX, GENERATOR_ALONE, networks_of
from desktop_app.engine.networks.stylegan2 import style_count
from desktop_app.engine.weights.store import ModelCard

# An iteration of an optimiser renders, goes back through the generator (twice the work) and steps.
BACKWARD_FACTOR = 3.2
# A network reaches this share of what one large convolution reaches.
NETWORK_SHARE = 0.3
_PROBE = (1, 64, 64, 64)  # batch, channels, height, width
_PROBE_RUNS = 3


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Sizes of an inversion model.

    Attributes:
        name: Model name.
        preset: Its domain.
        encoder_type: Official name of the encoder's architecture; empty without an encoder.
        n_styles: Rows of a code.
        style_dim: Size of a row.
        input_px: Side of the encoder's input.
        input_nc: Channels of it; 0 without an encoder.
        output_px: Side of the generated picture.
    """

    name: str
    preset: DomainPreset
    encoder_type: str
    n_styles: int
    style_dim: int
    input_px: int
    input_nc: int
    output_px: int


@dataclass(frozen=True, slots=True)
class Work:
    """Floating-point operations of one pass: encoder and generator."""

    encoder: float
    generator: float


def sizes_of(card: ModelCard) -> ModelSizes:
    """The sizes that a card states.

    Raises:
        WeightsError: The card does not describe an inversion model.
    """
    try:
        generator = card.config["generator"]
        size = int(generator["size"])
        encoder = _no_encoder(size) if card.architecture == GENERATOR_ALONE else card.config["encoder"]
        return ModelSizes(
            name=card.name,
            preset=preset_named(str(card.config.get("domain", "faces"))),
            encoder_type=str(encoder["type"]),
            n_styles=int(encoder["n_styles"]),
            style_dim=int(generator["style_dim"]),
            input_px=int(encoder["input_px"]),
            input_nc=int(encoder.get("input_nc", 6)),
            output_px=size,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The card of '{card.name}' does not describe a model: {error!r}.") from error


def _no_encoder(size: int) -> dict[str, Any]:
    """What a card would say of the encoder of a generator alone."""
    return {"type": "", "n_styles": style_count(size), "input_px": min(size, COMPARED_PX), "input_nc": 0}


def can_start(first: ModelSizes, second: ModelSizes) -> bool:
    """Whether a model can start a bootstrapping that the other one ends."""
    return (
        first.name != second.name
        and first.preset.name in second.preset.starts_from
        and min(first.input_nc, second.input_nc) > 3
        and (first.n_styles, first.style_dim) == (second.n_styles, second.style_dim)
        and first.preset.input_size(first.input_px) == second.preset.input_size(second.input_px)
    )


def work_of(card: ModelCard) -> Work:
    """Operations of one pass, counted on networks without memory.

    Raises:
        WeightsError: The card does not describe an inversion model.
    """
    sizes = sizes_of(card)
    with torch.device("meta"), torch.no_grad():
        generator, encoder, _ = networks_of(card)
        for network in (generator, encoder):
            network.eval().requires_grad_(False)  # the counter looks for gradients otherwise
        with FlopCounterMode(display=False) as rendering:
            generator.synthesize(torch.empty(1, sizes.n_styles, sizes.style_dim))
        height, width = sizes.preset.input_size(sizes.input_px)
        with FlopCounterMode(display=False) as encoding:
            if sizes.input_nc:
                encoder(torch.empty(1, sizes.input_nc, height, width))
    return Work(float(encoding.get_total_flops()), float(rendering.get_total_flops()))


def machine_speed(device: torch.device) -> float:
    """Floating-point operations a second that a network can expect here, from a short trial."""
    batch, channels, height, width = _PROBE
    x = torch.zeros(_PROBE, device=device)
    weight = torch.zeros(channels, channels, 3, 3, device=device)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(_PROBE_RUNS):
            start = time.perf_counter()
            float(F.conv2d(x, weight, padding=1)[0, 0, 0, 0])  # reading a value waits for the device
            best = min(best, time.perf_counter() - start)
    operations = 2.0 * batch * channels * channels * 9 * height * width
    return NETWORK_SHARE * operations / best
