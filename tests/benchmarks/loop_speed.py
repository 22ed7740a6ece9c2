"""Seconds and peak memory of the ReStyle loop of five steps, and which precision is chosen here."""

from __future__ import annotations

from tests.benchmarks.network_cases import THREADS, beside_official, in_own_process

# Seconds and MB of the official code, measured on two cores of the kind of machine that built this.
OFFICIAL = {256: (8.9, 1700), 1024: (26.5, 3900)}


def run() -> dict[str, object]:
    """Five steps at 256 and 1024 px with the face encoder, in both precisions."""
    import torch

    from desktop_app.engine.precision import fastest_precision

    figures: dict[str, object] = {
        "threads": THREADS,
        "precision_chosen": str(fastest_precision(torch.device("cpu"))),
    }
    for size, (official_s, official_mb) in OFFICIAL.items():
        for dtype in ("float32", "bfloat16"):
            ours = in_own_process("loop", size=size, dtype=dtype, encoder="BackboneEncoder")
            figures[f"loop_{size}_{dtype}"] = beside_official(ours, seconds=official_s, peak_mb=official_mb)
    return figures
