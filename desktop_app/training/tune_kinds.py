"""The kinds that a user marked, as a part of the embedding: a classifier behind the linear head.

A linear change can only say which directions matter. Which photos are of a marked kind needs a decision, so
a softmax classifier is fitted on the marked photos, and its probabilities become numbers of the embedding
(see `engine.embed.tuned_head`). On the label sets of the benchmark `tuning_gain` a penalty of 10 to 100 and
a share of 0.5 to 1 differ by one percent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from desktop_app.engine.embed.tuned_head import Kinds
from desktop_app.training.tune_start import Grouping

PENALTY_C = 30.0
KIND_SHARE = 0.8
# The stretch that the user's own groups have; sets that say less about each other have a smaller share.
FULL_STRETCH = 3.0
# More kinds than this were not tried, and would make the embeddings long.
MOST_KINDS = 64
# A kind counts as this many photos at most, however many there are.
_COUNTED = 5
_MOST_MEMBERS = 50
_MOST_STEPS = 1000


def fit_kinds(placed: Tensor, groupings: Sequence[Grouping], *, share: float) -> Kinds | None:
    """What tells the kinds of the grouping whose sets say most about each other.

    Args:
        placed: (N, D) embeddings changed by the head, unit length.
        groupings: What belongs together.
        share: How much of what the sets say is taken, 0 to 1.

    Returns:
        The classifier, or None where there are not at least two kinds that differ, or too many.
    """
    leading = max(groupings, key=lambda one: one.stretch, default=None)
    if leading is None or leading.stretch <= 0.0 or share <= 0.0:
        return None
    names = leading.kinds.unique()
    if not 2 <= len(names) <= MOST_KINDS:
        return None
    chosen = torch.cat([leading.rows[leading.kinds == name][:_MOST_MEMBERS] for name in names])
    counts = [min(int((leading.kinds == name).sum()), _MOST_MEMBERS) for name in names]
    kinds = np.repeat(np.arange(len(names)), counts)
    weights = np.repeat([min(1.0, _COUNTED / count) for count in counts], counts)
    model = LogisticRegression(C=PENALTY_C, max_iter=_MOST_STEPS)
    model.fit(placed[chosen].double().numpy(), kinds, sample_weight=weights)
    weight, bias = (torch.from_numpy(np.asarray(x)).float() for x in (model.coef_, model.intercept_))
    if len(names) == 2:  # one row stands for both
        weight, bias = torch.cat([-weight, weight]) / 2.0, torch.cat([-bias, bias]) / 2.0
    strength = KIND_SHARE * share * min(1.0, leading.stretch / FULL_STRETCH)
    return Kinds(weight, bias, strength)
