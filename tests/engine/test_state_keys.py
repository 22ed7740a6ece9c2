"""State-dict keys, shapes and types equal those of the official files: strict loading works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from desktop_app.engine.networks.arcface import ArcFace
from desktop_app.engine.networks.idinvert_encoder import IdInvertEncoder, IdInvertShape
from desktop_app.engine.networks.latent_discriminator import LatentDiscriminator
from desktop_app.engine.networks.lpips_net import Lpips
from desktop_app.engine.networks.restyle_encoders import ENCODERS, EncoderShape, create_encoder
from desktop_app.engine.networks.stylegan2 import Generator
from tests.engine.parity_recipe import FIXTURES, has_fixtures

SPECS = sorted((FIXTURES / "specs").glob("*.json")) if has_fixtures() else []

pytestmark = pytest.mark.skipif(not SPECS, reason="no parity fixtures here")


def build(name: str, n_styles: int | None) -> nn.Module:
    kind, *rest = name.split("_")
    with torch.device("meta"):
        if kind == "generator":
            return Generator(int(rest[0]))
        if kind in ENCODERS:
            input_nc = int(rest[-1].removesuffix("ch"))
            return create_encoder(kind, EncoderShape(n_styles=n_styles or 18, input_nc=input_nc))
        if kind == "idinvert":
            return IdInvertEncoder(IdInvertShape(n_styles=n_styles or 14, input_px=int(rest[-1])))
        if name == "latent_discriminator":
            return LatentDiscriminator()
        if name == "lpips_alex":
            return Lpips()
        if name == "ir_se50_112":
            return ArcFace()
    raise AssertionError(f"no network for the key list {name}")


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.stem)
def test_keys_and_shapes_are_the_official_ones(file: Path) -> None:
    spec = json.loads(file.read_text(encoding="utf-8"))
    state = build(file.stem, spec["n_styles"]).state_dict()
    ours = {key: (list(value.shape), str(value.dtype)) for key, value in state.items()}
    official = {key: (list(shape), f"torch.{dtype}") for key, shape, dtype, _ in spec["tensors"]}
    assert ours == official
    assert sum(value.numel() for value in state.values()) == spec["parameter_count"]


@pytest.mark.parametrize(
    ("size", "styles", "count"),
    [(64, 10, 27_043_624), (128, 12, 29_372_493), (256, 14, 30_209_266), (512, 16, 30_975_831)],
)
def test_generator_sizes_of_the_reference_table(size: int, styles: int, count: int) -> None:
    with torch.device("meta"):
        generator = Generator(size)
    assert generator.n_latent == styles
    assert sum(value.numel() for value in generator.state_dict().values()) == count
