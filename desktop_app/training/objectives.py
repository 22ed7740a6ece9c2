"""From two views of a batch to a loss: heads, teachers, queues and prototypes of every named method."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.training import losses
from desktop_app.training.config import ContrastiveConfig, Dissimilarity, HeadKind, Loss

# DINO, Caron et al. (2021), section 3.1: how slowly the centre follows.
_CENTRE_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class PairBatch:
    """What the network made of a batch.

    Attributes:
        query: (B, P) raw projections of the first views.
        key: (B, P) raw projections of the second views; without gradient when a teacher made them.
        kinds: (B,) whole numbers; equal ones are alike. Where two heads learn: (V,), of every view.
        kind_projections: (V, P) unit length, of every view by the head for what is alike; None where one head
            learns both.
    """

    query: Tensor
    key: Tensor
    kinds: Tensor
    kind_projections: Tensor | None = None


class Objective(nn.Module):
    """The loss of a configuration with all that it needs beside the network; a checkpoint holds it whole.

    Args:
        config: All choices.
    """

    queue: Tensor
    centre: Tensor

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self._config = config
        out = config.head_out
        if config.dissimilarity is Dissimilarity.QUEUE:
            self.register_buffer("queue", F.normalize(torch.randn(out, config.queue), dim=0))
        if config.loss is Loss.BYOL:
            self.predictor = nn.Sequential(
                nn.Linear(out, config.head_hidden, bias=False),
                nn.BatchNorm1d(config.head_hidden),
                nn.ReLU(inplace=True),
                nn.Linear(config.head_hidden, out),
            )
        if config.head is HeadKind.PROTOTYPES:
            self.prototypes = nn.Parameter(F.normalize(torch.randn(config.prototypes, out), dim=1))
            self.register_buffer("slow_prototypes", self.prototypes.detach().clone())
            self.register_buffer("centre", torch.zeros(config.prototypes))

    slow_prototypes: Tensor

    def forward(self, batch: PairBatch) -> Tensor:
        """The loss of a batch, a scalar."""
        config = self._config
        if config.loss is Loss.VICREG:
            return losses.vicreg(batch.query, batch.key)
        query, key = F.normalize(batch.query, dim=1), F.normalize(batch.key, dim=1)
        if config.loss is Loss.BYOL:
            prediction = F.normalize(self.predictor(batch.query), dim=1)
            return losses.byol(prediction, key)
        if config.loss is Loss.DINO:
            return self._dino(query, key)
        if config.loss is Loss.SOFTMAX:
            return self._softmax(query, key)
        if batch.kind_projections is not None:
            return self._two_heads(query, key, batch.kinds, both=batch.kind_projections)
        return self._with_kinds(query, key, batch.kinds)

    @torch.no_grad()
    def follow(self, key: Tensor) -> None:
        """After a step: the newest keys replace the oldest, centre and slow prototypes move along."""
        config = self._config
        if config.dissimilarity is Dissimilarity.QUEUE:
            newest = F.normalize(key, dim=1).T
            self.queue = torch.cat([newest, self.queue], dim=1)[:, : config.queue].contiguous()
        if config.head is HeadKind.PROTOTYPES:
            scores = F.normalize(key, dim=1) @ F.normalize(self.slow_prototypes, dim=1).T
            self.centre.lerp_(scores.mean(dim=0), 1.0 - _CENTRE_MOMENTUM)
            self.slow_prototypes.lerp_(self.prototypes, 1.0 - config.momentum)

    def _softmax(self, query: Tensor, key: Tensor) -> Tensor:
        config = self._config
        if config.dissimilarity is Dissimilarity.QUEUE:
            return losses.info_nce(query, key, self.queue, temperature=config.temperature)
        hardest = config.hardest if config.dissimilarity is Dissimilarity.HARD else 1.0
        return losses.nt_xent(query, key, temperature=config.temperature, hardest=hardest)

    def _dino(self, query: Tensor, key: Tensor) -> Tensor:
        config = self._config
        student = query @ F.normalize(self.prototypes, dim=1).T
        with torch.no_grad():
            teacher = key @ F.normalize(self.slow_prototypes, dim=1).T - self.centre
        return losses.dino(
            student,
            teacher,
            temperature=config.temperature,
            teacher_temperature=config.teacher_temperature,
        )

    def _two_heads(self, query: Tensor, key: Tensor, kinds: Tensor, *, both: Tensor) -> Tensor:
        """Each head its own loss: to the head for views every other picture is unlike, of its kind or not."""
        config = self._config
        alike = losses.sup_con(both, kinds, temperature=config.temperature)
        return alike + config.view_weight * losses.nt_xent(query, key, temperature=config.temperature)

    def _with_kinds(self, query: Tensor, key: Tensor, kinds: Tensor) -> Tensor:
        config = self._config
        if config.loss is Loss.N_PAIR:
            return losses.n_pair(query, key, kinds, temperature=config.temperature)
        both, twice = torch.cat([query, key]), kinds.repeat(2)
        if config.loss is Loss.SUPCON:
            loss = losses.sup_con(both, twice, temperature=config.temperature)
            if config.view_weight:
                views = losses.nt_xent(query, key, temperature=config.temperature, kinds=kinds)
                loss = loss + config.view_weight * views
            return loss
        if config.loss is Loss.TRIPLET:
            semi_hard = config.dissimilarity is Dissimilarity.HARD
            return losses.triplet_margin(both, twice, margin=config.margin, semi_hard=semi_hard)
        return losses.pair_margin(both, twice, margin=config.margin)
