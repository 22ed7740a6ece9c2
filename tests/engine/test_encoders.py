"""Encoders: every official type on narrow widths, heads, stages, and the fast path."""

from __future__ import annotations

import pytest
import torch

from desktop_app.engine.networks.restyle_encoders import (
    ENCODERS,
    Encoder4Editing,
    EncoderShape,
    ProgressiveBackboneEncoder,
    create_encoder,
)

SHAPE = EncoderShape(n_styles=10, style_dim=24, widths=(8, 12, 16, 20), input_px=64)
RESNET = "ResNet"


def tiny(encoder_type: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    encoder = create_encoder(encoder_type, SHAPE).eval().requires_grad_(False)
    for module in encoder.modules():  # freshly built batch norms would hide a wrong one
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.2)
    return encoder


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_answers_one_code_a_picture(encoder_type: str) -> None:
    codes = tiny(encoder_type)(torch.randn(2, 6, 64, 64))
    expected = (2, 24) if encoder_type.endswith("IntoW") else (2, 10, 24)
    assert codes.shape == expected
    assert codes.isfinite().all()


@pytest.mark.parametrize("encoder_type", ENCODERS)
def test_pictures_of_a_batch_do_not_mix(encoder_type: str) -> None:
    encoder, x = tiny(encoder_type), torch.randn(3, 6, 64, 64)
    alone = torch.cat([encoder(x[k : k + 1]) for k in range(3)])
    assert torch.allclose(encoder(x), alone, atol=1e-4)


def test_single_style_code_repeats_its_row() -> None:
    codes = tiny("SingleStyleCodeEncoder")(torch.randn(1, 6, 64, 64))
    assert torch.equal(codes, codes[:, :1].expand_as(codes))


@pytest.mark.parametrize("kind", [ProgressiveBackboneEncoder, Encoder4Editing])
def test_stage_limits_the_deltas(kind: type[torch.nn.Module]) -> None:
    encoder, x = tiny(kind.__name__), torch.randn(1, 6, 64, 64)
    full = encoder(x)
    encoder.stage = 3
    limited = encoder(x)
    assert torch.allclose(limited[:, :4], full[:, :4], atol=1e-5)
    assert torch.equal(limited[:, 4:], limited[:, :1].expand(-1, 6, -1))
    encoder.stage = 0
    assert torch.equal(encoder(x), limited[:, :1].expand(-1, 10, -1))


def test_shortcut_takes_every_second_pixel_from_the_first() -> None:
    from desktop_app.engine.networks.backbones import Subsample

    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert Subsample(2)(x).flatten().tolist() == [0.0, 2.0, 8.0, 10.0]


def test_unknown_encoder_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="NoSuchEncoder"):
        create_encoder("NoSuchEncoder", SHAPE)
