"""Which precision a training computes in."""

from __future__ import annotations

import torch

from desktop_app.core.errors import UserInputError


def wants_bfloat16(precision: str) -> bool:
    """Whether to compute in bfloat16: as asked, or where the processor does it natively."""
    if precision not in ("auto", "bfloat16", "float32"):
        raise UserInputError(f"Unknown precision '{precision}'.", "Choose auto, bfloat16 or float32.")
    if precision != "auto":
        return precision == "bfloat16"
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def training_dtype(precision: str, device: torch.device | None = None) -> torch.dtype:
    """The precision of feature maps: on CUDA, `auto` is bfloat16 where the card computes it."""
    if precision == "auto" and device is not None and device.type != "cpu":
        able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if able else torch.float32
    return torch.bfloat16 if wants_bfloat16(precision) else torch.float32
