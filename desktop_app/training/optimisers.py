"""Optimisers of a contrastive training, by choice; several of them may share the weights of one network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from desktop_app.training.config import ContrastiveConfig, OptimiserKind
from desktop_app.training.muon import Muon, suits_muon


def make_optimisers(network: nn.Module, config: ContrastiveConfig) -> list[torch.optim.Optimizer]:
    """AdamW for all weights, or Muon for kernels and matrices and AdamW for the rest."""
    named = list(network.named_parameters())
    by_muon = []
    if config.optimiser is OptimiserKind.MUON:
        by_muon = [p for name, p in named if suits_muon(name, p) and "prototypes" not in name]
    taken = {id(p) for p in by_muon}
    rest = [p for _, p in named if id(p) not in taken]
    adam = torch.optim.AdamW(_groups(rest, config.weight_decay), lr=config.rate, fused=True)
    return [adam, Muon([{"params": by_muon}], lr=config.rate)] if by_muon else [adam]


def _groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for norms and biases."""
    wide = [p for p in parameters if p.ndim > 1]
    narrow = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": wide, "weight_decay": weight_decay}, {"params": narrow, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
