"""Losses over unit-length projections, by family: probabilistic, margins, without negatives.

Pairs, triplets, their miner and SupCon are those of pytorch-metric-learning, which is imported with
the first of them; the rest is a few lines each. The tests compare every one with a slow plain formula.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_NEVER = -1e9
# VICReg, Bardes et al. (2022), section 4.2: weights of invariance and variance; covariance has weight 1.
_INVARIANCE, _VARIANCE = 25.0, 25.0
_VARIANCE_FLOOR = 1e-4

# --- probabilistic ------------------------------------------------------------------------------------


def nt_xent(
    first: Tensor,
    second: Tensor,
    *,
    temperature: float,
    hardest: float = 1.0,
    kinds: Tensor | None = None,
) -> Tensor:
    """Normalised temperature-scaled cross entropy of two views; the rest of the batch is unlike.

    Source: SimCLR (Chen et al., 2020), equation 1, averaged over all 2 B queries.

    Args:
        first: (B, P) unit length.
        second: (B, P) unit length; row i is the other view of row i.
        temperature: Above 0.
        hardest: Share of the unlike ones that counts, the most similar first; 1: all.
        kinds: (B,) whole numbers; rows of one kind are left out as negatives of each other.

    Returns:
        The mean loss, a scalar.
    """
    count = first.shape[0]
    both = torch.cat([first, second])  # (2B, P)
    logits = both @ both.T / temperature
    order = torch.arange(2 * count, device=both.device)
    partner = (order + count) % (2 * count)
    logits = logits.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=both.device), _NEVER)
    if kinds is not None:
        twice = kinds.repeat(2)
        is_kin = (twice[:, None] == twice[None, :]).scatter(1, partner[:, None], False)
        logits = logits.masked_fill(is_kin, _NEVER)
    if hardest < 1.0 and count > 1:
        kept = max(1, round((2 * count - 2) * hardest))
        unlike = logits.detach().scatter(1, partner[:, None], _NEVER)
        least = unlike.topk(kept, dim=1).values[:, -1:]
        is_easy = (unlike < least).scatter(1, partner[:, None], False)
        logits = logits.masked_fill(is_easy, _NEVER)
    return F.cross_entropy(logits, partner)


def info_nce(query: Tensor, key: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """One positive key for each query against a queue of unlike keys.

    Source: MoCo (He et al., 2020), equation 1.

    Args:
        query: (B, P) unit length.
        key: (B, P) unit length, without gradient.
        queue: (P, K) unit-length columns.
        temperature: Above 0.

    Returns:
        The mean loss, a scalar.
    """
    alike = (query * key).sum(dim=1, keepdim=True)
    logits = torch.cat([alike, query @ queue], dim=1) / temperature  # (B, 1 + K)
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


def sup_con(projections: Tensor, kinds: Tensor, *, temperature: float) -> Tensor:
    """Softmax in which everything of the same kind is alike.

    Source: SupCon (Khosla et al., 2020), equation 2; by pytorch-metric-learning.

    Args:
        projections: (N, P) unit length.
        kinds: (N,) whole numbers.
        temperature: Above 0.

    Returns:
        The mean over the rows that have another of their kind; 0 when none has.
    """
    from pytorch_metric_learning.losses import SupConLoss

    loss: Tensor = SupConLoss(temperature=temperature)(projections, kinds)
    return loss


# --- margins ------------------------------------------------------------------------------------------


def pair_margin(projections: Tensor, kinds: Tensor, *, margin: float) -> Tensor:
    """Alike pairs go towards cosine 1, unlike pairs below a cosine; both means are added.

    Source: Hadsell et al. (2006), equation 4, on cosines; by pytorch-metric-learning.

    Args:
        projections: (N, P) unit length.
        kinds: (N,) whole numbers.
        margin: Cosine that unlike pairs may have.
    """
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import ContrastiveLoss

    made = ContrastiveLoss(pos_margin=1.0, neg_margin=margin, distance=CosineSimilarity())
    loss: Tensor = made(projections, kinds)
    return loss


def triplet_margin(projections: Tensor, kinds: Tensor, *, margin: float, semi_hard: bool) -> Tensor:
    """Every alike pair is nearer than an unlike one by a margin of squared distance.

    Source: FaceNet (Schroff et al., 2015), equation 3; semi-hard triplets as in equation 4: the unlike one
    is farther than the alike one, but within the margin. Where a batch has none of these, all that break
    the margin count. By pytorch-metric-learning.

    Args:
        projections: (N, P) unit length.
        kinds: (N,) whole numbers.
        margin: In squared distance, 0 to 4.
        semi_hard: Only semi-hard triplets, else all.

    Returns:
        The mean over the triplets that break the margin; 0 when none does.
    """
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import TripletMarginMiner

    squared = LpDistance(normalize_embeddings=True, p=2, power=2)
    made = TripletMarginLoss(margin=margin, distance=squared)
    mined: Any = None
    if semi_hard:
        mined = TripletMarginMiner(margin=margin, type_of_triplets="semihard", distance=squared)(
            projections, kinds
        )
        if not len(mined[0]):
            mined = None
    loss: Tensor = made(projections, kinds, mined)
    return loss


def n_pair(first: Tensor, second: Tensor, kinds: Tensor, *, temperature: float) -> Tensor:
    """One alike pair of each kind; the partners of the other kinds are unlike.

    Source: Sohn (2016), equation 7, on unit vectors with a temperature in place of free lengths. (The
    library's version draws its pairs by chance that no seed of ours reaches.)

    Args:
        first: (B, P) unit length.
        second: (B, P) unit length; row i is alike to row i.
        kinds: (B,) whole numbers; the first pair of each kind counts.
        temperature: Above 0.
    """
    chosen = _first_of_each(kinds)
    logits = first[chosen] @ second[chosen].T / temperature
    return F.cross_entropy(logits, torch.arange(len(chosen), device=kinds.device))


# --- without negatives --------------------------------------------------------------------------------


def byol(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared distance of a prediction and of the teacher's projection, both unit length.

    Source: BYOL (Grill et al., 2020), equation 2: 2 - 2 cos.
    """
    return 2.0 - 2.0 * (prediction * target).sum(dim=1).mean()


def dino(student: Tensor, teacher: Tensor, *, temperature: float, teacher_temperature: float) -> Tensor:
    """Cross entropy of the student's prototypes to the teacher's.

    Source: DINO (Caron et al., 2021), equation 3; the teacher's scores come centred.

    Args:
        student: (B, K) scores.
        teacher: (B, K) scores less their centre, without gradient.
        temperature: Of the student.
        teacher_temperature: Of the teacher, lower.
    """
    wanted = F.softmax(teacher / teacher_temperature, dim=1)
    return -(wanted * F.log_softmax(student / temperature, dim=1)).sum(dim=1).mean()


def vicreg(first: Tensor, second: Tensor) -> Tensor:
    """Views agree, every number keeps a spread of 1, and no two numbers say the same.

    Source: VICReg (Bardes et al., 2022), equations 1 to 6.

    Args:
        first: (B, P) of any length.
        second: (B, P); row i is the other view of row i.
    """
    invariance = F.mse_loss(first, second)
    spread = torch.zeros((), device=first.device)
    overlap = torch.zeros((), device=first.device)
    for rows in (first, second):
        centred = rows - rows.mean(dim=0)
        deviation = (centred.square().sum(dim=0) / max(len(rows) - 1, 1) + _VARIANCE_FLOOR).sqrt()
        spread = spread + F.relu(1.0 - deviation).mean() / 2.0
        covariance = centred.T @ centred / max(len(rows) - 1, 1)
        off = covariance.square().sum() - covariance.diagonal().square().sum()
        overlap = overlap + off / rows.shape[1]
    return _INVARIANCE * invariance + _VARIANCE * spread + overlap


# --- what is watched ----------------------------------------------------------------------------------


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared distance of two views, 0 to 4 (Wang and Isola, 2020, section 4.1)."""
    return (first - second).square().sum(dim=1).mean()


def uniformity(projections: Tensor) -> Tensor:
    """Logarithm of the mean Gaussian potential, at most 0; near 0 means collapse (ibid., section 4.1)."""
    return torch.pdist(projections).square().mul(-2.0).exp().mean().log()


def _first_of_each(kinds: Tensor) -> Tensor:
    """The first row of each kind, in the order of the rows."""
    seen: dict[int, int] = {}
    for row, kind in enumerate(kinds.tolist()):
        seen.setdefault(kind, row)
    return torch.tensor(sorted(seen.values()), device=kinds.device)
