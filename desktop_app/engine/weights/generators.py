"""Loads the StyleGAN2 generator of a model: a bare one, or that inside of an inversion model."""

from __future__ import annotations

import torch
from torch import Tensor

from desktop_app.core.errors import WeightsError
from desktop_app.engine.networks.stylegan2 import Generator
from desktop_app.engine.weights.store import ModelStore, load_strict

GENERATOR_ROLES = ("generator", "inversion")
_PREFIX = "decoder."


def load_generator(store: ModelStore, name: str, *, device: torch.device) -> tuple[Generator, Tensor]:
    """A generator and its average code, (D,).

    Raises:
        WeightsError: There is no such model, it holds no generator, or its weights do not fit.
    """
    card = store.card(name)
    if card.role not in GENERATOR_ROLES:
        raise WeightsError(f"The model '{name}' holds no generator (it is '{card.role}').")
    tensors = store.tensors(card)
    try:
        g = card.config["generator"]
        channels = {int(k): int(v) for k, v in g["channels"].items()} if g.get("channels") else None
        generator = Generator(
            int(g["size"]), style_dim=int(g["style_dim"]), n_mlp=int(g["n_mlp"]), channels=channels
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The card of '{name}' does not describe a generator: {error!r}.") from error
    average = tensors.get("latent_avg")
    if average is None:
        raise WeightsError(f"The weights of '{name}' hold no 'latent_avg'.")
    own = {key.removeprefix(_PREFIX): t.float() for key, t in tensors.items() if key.startswith(_PREFIX)}
    load_strict(generator, own, what=f"the generator of '{name}'")
    w_avg = (average if average.dim() == 1 else average[0]).float()
    return generator.eval().requires_grad_(False).to(device), w_avg.to(device)
