"""Small random inversion models for tests: real networks, no weights files."""

from __future__ import annotations

import numpy as np
import torch

from desktop_app.core.types import Image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.networks.restyle_encoders import EncoderShape, create_encoder
from desktop_app.engine.networks.stylegan2 import Generator

CHANNELS = {4: 12, 8: 10, 16: 8, 32: 8}
STYLE_DIM = 16
SIZE = 32


def tiny_model(
    encoder_type: str = "BackboneEncoder", *, input_nc: int = 6, seed: int = 0, domain: str = "faces"
) -> InversionModel:
    """A 32-px model whose encoder answers with small, sensible residuals."""
    torch.manual_seed(seed)
    generator = Generator(SIZE, style_dim=STYLE_DIM, n_mlp=2, channels=CHANNELS)
    shape = EncoderShape(
        n_styles=generator.n_latent,
        input_nc=input_nc,
        style_dim=STYLE_DIM,
        widths=(8, 8, 12, 12),
        units=(1, 1, 1, 1),
        input_px=SIZE,
    )
    encoder = create_encoder(encoder_type, shape)
    for network in (generator, encoder):
        network.eval().requires_grad_(False)
    encoder.to(memory_format=torch.channels_last)
    with torch.no_grad():
        w_avg = generator.mean_latent(256)[0]
    return InversionModel(
        name=f"tiny.{encoder_type}",
        generator=generator,
        encoder=encoder,
        w_avg=w_avg,
        input_px=SIZE,
        input_nc=input_nc,
        device=torch.device("cpu"),
        domain=domain,
    )


def tiny_picture(model: InversionModel, *, seed: int = 5) -> Image:
    """A picture that the model can reach: rendered from a code near its average."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        w = model.generator.map_z(torch.randn(1, STYLE_DIM, generator=random))
        y = model.decode(model.generator.repeat_w(w))[0].clamp(-1, 1)
    return ((y + 1) * 127.5).round().permute(1, 2, 0).numpy().astype(np.uint8).copy()
