"""Kernels in one byte a weight: integers of 8 bits and one scale for every output channel.

Symmetric rounding to nearest (Jacob et al., 2018, without their activation part): networks are expanded
when they are read and compute as before. Measured on the built-in face encoder the pictures move by less
than the last digit that its card shows. Matrices stay in half precision: those that end an encoder's rows
take differences of large numbers, and rounding them to 127 levels made the error six times as large.
"""

from __future__ import annotations

import torch
from torch import Tensor

from desktop_app.core.errors import WeightsError

SCALE_ENDING = ".scale8"
LEVELS = 127
SMALLEST = 2_048  # numbers; smaller tensors stay in half precision


def pack(tensors: dict[str, Tensor], *, prefix: str = "") -> dict[str, Tensor]:
    """Kernels below a prefix as 8-bit integers, other floats in half precision.

    Args:
        tensors: A state dict.
        prefix: Which keys are packed; empty: all.
    """
    packed: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if not value.is_floating_point():
            packed[key] = value
        elif key.startswith(prefix) and value.dim() == 4 and value.numel() >= SMALLEST:
            flat = value.detach().float().flatten(1)
            scale = (flat.abs().amax(dim=1) / LEVELS).clamp_min(1e-7).half()
            levels = (flat / scale.float()[:, None]).round().clamp(-LEVELS, LEVELS)
            packed[key] = levels.to(torch.int8).view(value.shape)
            packed[key + SCALE_ENDING] = scale
        else:
            packed[key] = value.detach().half()
    return packed


def unpack(tensors: dict[str, Tensor], *, what: str) -> dict[str, Tensor]:
    """The tensors with packed ones expanded to float32; without any they come back as they are.

    Raises:
        WeightsError: A scale belongs to nothing, or does not fit.
    """
    names = [key for key in tensors if key.endswith(SCALE_ENDING)]
    if not names:
        return tensors
    whole = {key: value for key, value in tensors.items() if not key.endswith(SCALE_ENDING)}
    for name in names:
        key = name.removesuffix(SCALE_ENDING)
        levels, scale = whole.get(key), tensors[name]
        if levels is None or levels.dtype is not torch.int8 or scale.shape != levels.shape[:1]:
            raise WeightsError(f"The weights of {what} hold a scale that does not fit: {name}.")
        whole[key] = levels.float() * scale.float().view(-1, *[1] * (levels.dim() - 1))
    return whole
