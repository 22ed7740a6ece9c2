"""The kinds that a user marked, as a part of the embedding: a classifier behind the linear head.

A linear change can only say which directions matter. Which photos are of a marked kind needs a decision, so
a softmax classifier is fitted on the marked photos, and its probabilities become numbers of the embedding
(see `engine.embed.tuned_head`). Where the marked kinds are not all that a library holds, photos drawn from
it stand for none of them, so that a photo of another kind is not taken for the one that it is least unlike.

On the label sets of the benchmark `tuning_gain` a penalty of 10 to 100 and a share of 0.5 to 1 differ by one
percent. With all four sets as one library, two groups of four: photos of the marked kinds gain 10 % in mean
average precision and the others lose 0.5 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from desktop_app.engine.embed.tuned_head import Kinds
from desktop_app.training.tune_start import Grouping, leading_grouping

PENALTY_C = 30.0
KIND_SHARE = 0.8
# The stretch that the user's own groups have; sets that say less about each other have a smaller share.
FULL_STRETCH = 3.0
# More kinds than this were not tried, and would make the embeddings long.
MOST_KINDS = 64
# A kind counts as this many photos at most, however many there are.
_COUNTED = 5
_MOST_MEMBERS = 50
_MOST_OTHERS = 300
_MOST_STEPS = 1000


def fit_kinds(placed: Tensor, groupings: Sequence[Grouping], *, covered: float) -> Kinds | None:
    """What tells the kinds of the grouping whose sets say most about each other.

    Args:
        placed: (N, D) embeddings changed by the head, unit length.
        groupings: What belongs together.
        covered: Share of the library that looks like the marked kinds, 0 to 1; the rest is of none of them.

    Returns:
        The classifier, or None where there are too many kinds, or nothing to tell them from.
    """
    leading = leading_grouping(groupings)
    if leading is None:
        return None
    names = leading.kinds.unique()
    counts = [min(int((leading.kinds == name).sum()), _MOST_MEMBERS) for name in names]
    chosen = torch.cat([leading.rows[leading.kinds == name][:_MOST_MEMBERS] for name in names])
    kinds = np.repeat(np.arange(len(names)), counts)
    weights = np.repeat([min(1.0, _COUNTED / count) for count in counts], counts)
    others = _others(len(placed), leading.rows) if covered < 1.0 else chosen[:0]
    if len(names) + bool(len(others)) < 2 or len(names) > MOST_KINDS:
        return None
    if len(others):
        each = (1.0 - covered) * float(weights.sum()) / len(others)
        kinds = np.concatenate([kinds, np.full(len(others), len(names))])
        weights = np.concatenate([weights, np.full(len(others), each)])
    model = LogisticRegression(C=PENALTY_C, max_iter=_MOST_STEPS)
    rows = torch.cat([chosen, others])
    model.fit(placed[rows].double().numpy(), kinds, sample_weight=weights)
    weight, bias = (torch.from_numpy(np.asarray(x)).float() for x in (model.coef_, model.intercept_))
    if len(model.classes_) == 2:  # one row stands for both
        weight, bias = torch.cat([-weight, weight]) / 2.0, torch.cat([-bias, bias]) / 2.0
    strength = KIND_SHARE * min(1.0, leading.stretch / FULL_STRETCH)
    return Kinds(weight, bias, strength, len(names))


def _others(count: int, marked: Tensor) -> Tensor:
    """Rows of photos that are not marked, some drawn by chance."""
    chance = torch.Generator().manual_seed(0)
    is_other = torch.ones(count, dtype=torch.bool)
    is_other[marked] = False
    rows = is_other.nonzero().flatten()
    return rows[torch.randperm(len(rows), generator=chance)[:_MOST_OTHERS]]
