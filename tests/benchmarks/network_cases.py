"""Times one network or loop in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

THREADS = min(2, os.cpu_count() or 1)
RUNS = 3


def run() -> dict[str, object]:
    """No benchmark of its own: the cases are those of `generator_speed` and `loop_speed`."""
    return {"threads": THREADS}


def in_own_process(
    what: str, *, size: int = 256, dtype: str = "float32", encoder: str = ""
) -> dict[str, float]:
    """Best seconds of some runs, seconds of the first, and peak memory in MB."""
    case = json.dumps({"what": what, "size": size, "dtype": dtype, "encoder": encoder})
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.network_cases", case],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def beside_official(ours: dict[str, float], *, seconds: float, peak_mb: float = 0.0) -> dict[str, float]:
    """Our figures with those of the official code, and how many times faster ours are."""
    official = {"official_s": seconds, "times_faster": round(seconds / ours["best_s"], 2)}
    return {**ours, **official, **({"official_peak_mb": peak_mb} if peak_mb else {})}


def _generator(size: int, dtype: str) -> Callable[[], object]:
    import torch

    from desktop_app.engine.networks.stylegan2 import Generator

    generator = Generator(size).eval().requires_grad_(False)
    for name, values in generator.named_parameters():
        if name.endswith("noise.weight"):  # a trained one adds noise
            values.fill_(0.1)
    generator.arrange()
    codes = torch.randn(1, generator.n_latent, generator.style_dim)
    return lambda: generator.synthesize(codes, dtype=getattr(torch, dtype))


def _model(size: int, dtype: str, encoder_type: str) -> object:
    import torch

    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.engine.networks.restyle_encoders import EncoderShape, create_encoder
    from desktop_app.engine.networks.stylegan2 import Generator

    generator = Generator(size).eval().requires_grad_(False)
    is_one_pass = encoder_type.endswith(("GradualStyleEncoder", "Editing", "SingleStyleCodeEncoder"))
    input_nc = 3 if is_one_pass else 6
    shape = EncoderShape(n_styles=generator.n_latent, input_nc=input_nc)
    encoder = create_encoder(encoder_type, shape).eval().requires_grad_(False)
    encoder.to(memory_format=torch.channels_last)
    generator.arrange()
    model = InversionModel(
        name="benchmark",
        generator=generator,
        encoder=encoder,
        w_avg=torch.zeros(512),
        input_px=256,
        input_nc=input_nc,
        device=torch.device("cpu"),
    )
    if dtype != "float32":
        model.use_precision(getattr(torch, dtype))
    return model


def _encoder(size: int, dtype: str, encoder_type: str) -> Callable[[], object]:
    import torch

    model = _model(size, dtype, encoder_type)
    x = torch.rand(1, 3, 256, 256) * 2 - 1
    return lambda: model.encode(x)  # type: ignore[attr-defined]


def _loop(size: int, dtype: str, encoder_type: str) -> Callable[[], object]:
    import numpy as np

    from desktop_app.engine.invert.restyle import invert

    model = _model(size, dtype, encoder_type)
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return lambda: list(invert(model, picture, steps=5))  # type: ignore[arg-type]


def main(case_text: str) -> None:
    """Run one case and print its figures."""
    import torch

    torch.set_num_threads(THREADS)
    case = json.loads(case_text)
    build: dict[str, Callable[[], Callable[[], object]]] = {
        "generator": lambda: _generator(case["size"], case["dtype"]),
        "encoder": lambda: _encoder(case["size"], case["dtype"], case["encoder"]),
        "loop": lambda: _loop(case["size"], case["dtype"], case["encoder"]),
    }
    action = build[case["what"]]()
    seconds = []
    with torch.inference_mode():
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"best_s": round(min(seconds), 3), "first_s": round(seconds[0], 3), "peak_mb": round(peak)}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
