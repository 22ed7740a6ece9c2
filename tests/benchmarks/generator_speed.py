"""Seconds and peak memory of one generator or encoder pass, by size and precision."""

from __future__ import annotations

from tests.benchmarks.network_cases import THREADS, beside_official, in_own_process

SIZES = (256, 1024)
ENCODERS = (
    "BackboneEncoder",
    "ProgressiveBackboneEncoder",
    "ResNetBackboneEncoder",
    "ResNetProgressiveBackboneEncoder",
    "GradualStyleEncoder",
    "ResNetGradualStyleEncoder",
    "Encoder4Editing",
    "SingleStyleCodeEncoder",
)
# Seconds of the official code, measured on two cores of the kind of machine that built this. For the
# encoders alone there is no figure.
OFFICIAL_S = {256: 1.29, 1024: 4.69}


def run() -> dict[str, object]:
    """Generator at 256 and 1024 px, every kind of encoder with 18 rows, in both precisions."""
    figures: dict[str, object] = {"threads": THREADS}
    for dtype in ("float32", "bfloat16"):
        for size in SIZES:
            ours = in_own_process("generator", size=size, dtype=dtype)
            figures[f"generator_{size}_{dtype}"] = beside_official(ours, seconds=OFFICIAL_S[size])
        for encoder in ENCODERS:
            figures[f"{encoder}_{dtype}"] = in_own_process("encoder", size=1024, dtype=dtype, encoder=encoder)
    return figures
