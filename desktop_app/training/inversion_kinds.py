"""Kinds of inversion encoder started from a trained autoencoder: ReStyle-pSp, ReStyle-e4e, one-pass pSp."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import torch
from torch import Tensor

from desktop_app.training.generator import FaceAutoencoder, GeneratorConfig
from desktop_app.training.inversion_losses import per_image_l2

PROGRESSIVE = {
    "ResNetBackboneEncoder": "ResNetProgressiveBackboneEncoder",
    "BackboneEncoder": "ProgressiveBackboneEncoder",
}


class Kind(StrEnum):
    """What an encoder answers with.

    Attributes:
        PSP: A residual of all rows, again and again (ReStyle-pSp).
        E4E: A residual of one w and small differences of the rows to it (ReStyle-e4e).
        ONE_PASS: The whole code at once, from the photo alone (pSp).
    """

    PSP = "psp"
    E4E = "e4e"
    ONE_PASS = "one_pass"


@torch.no_grad()
def of_kind(
    config: GeneratorConfig, model: FaceAutoencoder, kind: Kind, pictures: Tensor
) -> tuple[GeneratorConfig, FaceAutoencoder]:
    """The autoencoder with an encoder of a kind, started from the encoder that is there.

    e4e: w comes from the block of the row that alone, repeated, comes nearest to the pictures; the
    differences start at zero. One-pass: the first layer forgets its half for the reconstruction.

    Args:
        config: Of the autoencoder.
        model: The autoencoder; left as it is.
        kind: What is wanted.
        pictures: A few training pictures to choose by, (N, 3, S, S).
    """
    if kind is Kind.E4E and config.encoder_type in PROGRESSIVE:
        config = replace(config, encoder_type=PROGRESSIVE[config.encoder_type])
    elif kind is Kind.ONE_PASS and config.encoder_inputs == 6:
        config = replace(config, encoder_inputs=3)
    else:
        return config, model
    started = FaceAutoencoder(config)
    started.dtype = model.dtype
    state = model.state_dict()
    if kind is Kind.ONE_PASS:
        first = next(name for name in state if name.startswith("encoder.") and state[name].dim() == 4)
        state[first] = state[first][:, :3].clone()
    started.load_state_dict(state)
    if kind is Kind.E4E:
        row = best_single_row(model, pictures)
        started.style_blocks[0].load_state_dict(model.style_blocks[row].state_dict())
        for style in started.style_blocks[1:]:
            style.linear.weight.zero_()
            style.linear.bias.zero_()
    return config, started


@torch.no_grad()
def best_single_row(model: FaceAutoencoder, pictures: Tensor) -> int:
    """The row whose answer, given to all rows, makes the best pictures after one pass."""
    model.eval()
    y_hat, w_plus = model.start(len(pictures))
    codes = model.refine(pictures, y_hat, w_plus)
    rows = codes.shape[1]
    errors = [
        float(per_image_l2(model.decode(codes[:, i : i + 1].expand(-1, rows, -1)), pictures).mean())
        for i in range(rows)
    ]
    return min(range(rows), key=errors.__getitem__)
