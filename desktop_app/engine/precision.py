"""Which precision is fastest on a device: measured, not assumed.

A CPU may list bfloat16 instructions and still be slower with them: without matrix units (AMX) one
was measured at 44 GFLOP/s in bfloat16 against 165 in float32.
"""

from __future__ import annotations

import time
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812

PROBE_CHANNELS = 256
PROBE_PX = 32
PROBE_RUNS = 3
WORTH_IT = 1.3  # gain from which on less exact pictures are worth having


@lru_cache(maxsize=4)
def fastest_precision(device: torch.device) -> torch.dtype:
    """float32, or a shorter type that is faster by `WORTH_IT` or more.

    Takes some 50 ms once a run on a CPU. CUDA devices with bfloat16 get it without a probe: tensor
    cores have it from the same generation on.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type != "cpu":
        return torch.float32
    return torch.bfloat16 if probe(torch.bfloat16) * WORTH_IT <= probe(torch.float32) else torch.float32


def probe(dtype: torch.dtype) -> float:
    """Best of some runs of one 3x3 convolution on the CPU, in seconds."""
    x = torch.ones(1, PROBE_CHANNELS, PROBE_PX, PROBE_PX, dtype=dtype)
    x = x.to(memory_format=torch.channels_last)
    weight = torch.ones(PROBE_CHANNELS, PROBE_CHANNELS, 3, 3, dtype=dtype)
    weight = weight.to(memory_format=torch.channels_last)
    best = float("inf")
    with torch.inference_mode():
        F.conv2d(x, weight, padding=1)
        for _ in range(PROBE_RUNS):
            began = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            best = min(best, time.perf_counter() - began)
    return best
