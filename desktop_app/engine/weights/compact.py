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
KERNEL_DIMS = (4, 5)  # (out, in, k, k), and modulated ones with a leading axis of one
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
        elif key.startswith(prefix) and value.dim() in KERNEL_DIMS and value.numel() >= SMALLEST:
            kernel = value.detach().float()
            axes = [axis for axis in range(value.dim()) if axis != value.dim() - KERNEL_DIMS[0]]
            scale = (kernel.abs().amax(dim=axes) / LEVELS).clamp_min(1e-7).half()
            levels = (kernel / _along(scale, kernel)).round().clamp(-LEVELS, LEVELS)
            packed[key] = levels.to(torch.int8)
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
        is_packed = levels is not None and levels.dtype is torch.int8 and levels.dim() in KERNEL_DIMS
        if levels is None or not is_packed or scale.shape != levels.shape[levels.dim() - 4 :][:1]:
            raise WeightsError(f"The weights of {what} hold a scale that does not fit: {name}.")
        whole[key] = levels.float() * _along(scale, levels)
    return whole


def _along(scale: Tensor, kernel: Tensor) -> Tensor:
    """A scale in the shape that multiplies the output channels of a kernel."""
    return scale.float().view(*[1] * (kernel.dim() - KERNEL_DIMS[0]), -1, 1, 1, 1)
