"""A linear probe on frozen embeddings: a few marked photos of a class, and how sure it is of the rest.

Photos without a mark stand in as negatives, since most of them are not of the class (Elkan and Noto,
2008). All scores the confidence is made from are out of fold: no photo is judged by a probe that was
fitted on it.

The confidence. Unmarked photos contain members, so a sigmoid fitted between marked and unmarked ones
would be far too low. Instead the scores of both are described by two bell curves of one width, which
gives a sigmoid; the share of the class is found by expectation-maximisation (Saerens, Latinne and
Decaestecker, 2002); the sigmoid is then flattened by a temperature (Guo et al., 2017), since the tails
of real scores are heavier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from desktop_app.core.types import FloatArray

# The next four are chosen on the four sets of tests/benchmarks/few_labels.py.
PENALTY_C = 50.0
MARKED_WEIGHT = 30.0  # a photo marked "is not" counts as much as this many unmarked ones
TEMPERATURE = 2.0  # 3.3 was too modest with the present built-in encoder, 1.2 too sure of garments
USUAL_SHARE = 0.1  # what the share of a class is drawn to, by so much of the weight of the photos
SHARE_PULL = 0.3
# Fewest marked members from which on the confidence is more than a guess.
LEAST_CALIBRATED = 3
# Below this chance of ranking a member before another photo the probe has learnt nothing.
LEAST_RANKING = 0.6
_MOST_FOLDS = 10
_BACKGROUND_FOLDS = 4
# Spread of few members' scores is drawn to that of the background as if this many more had it.
_SPREAD_PULL = 3.0
# Few marks tend to be of one occasion and lie nearer to each other than the class does: their slope is taken
# as far as members / (members + this). A lone member, judged by probes that were fitted on it, gets a third.
_TRUST_PULL = 2.0
_LOWER_SIGMA = 0.159  # quantile one standard deviation below the middle of a bell curve
_TIE = 1e-9
_STEPS = 60

DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a probe learns from; all rows are unit-length embeddings.

    Attributes:
        positives: (P, D) of photos marked as members; P at least 1.
        negatives: (N, D) of photos marked as none; may be empty.
        background: (U, D) of unmarked photos, drawn at random; may be empty when N is not.
    """

    positives: FloatArray
    negatives: FloatArray
    background: FloatArray


@dataclass(frozen=True, slots=True)
class FittedProbe:
    """What a fit found.

    Attributes:
        weights: (K, D), one row for each fold.
        intercepts: (K,).
        slope: Of the confidence's log odds over the score.
        offset: Of the confidence's log odds.
        share: Estimated share of the class among the unmarked photos.
        ranking: Chance that a marked member scores higher than an unmarked photo, out of fold; 0.5 is luck.
        is_calibrated: Enough members were marked to tell how sure the probe is.
        background_confidence: (U,) of the unmarked photos given to the fit, out of fold.
    """

    weights: DoubleArray
    intercepts: DoubleArray
    slope: float
    offset: float
    share: float
    ranking: float
    is_calibrated: bool
    background_confidence: DoubleArray

    def confidence(self, rows: FloatArray) -> DoubleArray:
        """Chance that photos belong to the class: (N, D) -> (N,), 0 to 1."""
        scores = (rows @ self.weights.T + self.intercepts).mean(axis=1)
        return _chance(self.slope * scores + self.offset)


def fit_probe(examples: Examples, *, seed: int = 0) -> FittedProbe:
    """Fit a probe and its confidence.

    Args:
        examples: Marked and unmarked photos.
        seed: Of the division into folds.

    Raises:
        ValueError: There is no member, or nothing to tell it from.
    """
    if not len(examples.positives) or len(examples.negatives) + len(examples.background) == 0:
        raise ValueError("a probe needs members and others")
    scores = _cross_fit(examples, np.random.default_rng(seed))
    others = scores.background if len(scores.background) else scores.negatives
    slope, offset, share = _bell_curves(scores.positives, others)
    slope, offset = _flattened(slope * _trust(len(scores.positives)), others, share)
    return FittedProbe(
        scores.weights,
        scores.intercepts,
        slope,
        offset,
        share,
        ranking=_ranking(scores.positives, others),
        is_calibrated=len(examples.positives) >= LEAST_CALIBRATED,
        background_confidence=_chance(slope * scores.background + offset),
    )


@dataclass(frozen=True, slots=True)
class _Scores:
    """Out-of-fold scores of each kind of example, and the probes that give the background's."""

    positives: DoubleArray
    negatives: DoubleArray
    background: DoubleArray
    weights: DoubleArray
    intercepts: DoubleArray


def _cross_fit(examples: Examples, rng: np.random.Generator) -> _Scores:
    """Leave out members in turn (all others stay), then the others in turn (all members stay)."""
    members, marked, back = (
        rows.astype(np.float64) for rows in (examples.positives, examples.negatives, examples.background)
    )
    folds = min(_BACKGROUND_FOLDS, max(1, len(marked) + len(back)))
    marked_fold, back_fold = (rng.permutation(len(rows)) % folds for rows in (marked, back))
    marked_scores, back_scores = np.zeros(len(marked)), np.zeros(len(back))
    probes = []
    for fold in range(folds):
        out_marked, out_back = marked_fold == fold, back_fold == fold
        if out_marked.all() and out_back.all():  # nothing would be left to tell members from
            probe = _fit(members, marked, back)
        else:
            probe = _fit(members, marked[~out_marked], back[~out_back])
        probes.append(probe)
        marked_scores[out_marked] = marked[out_marked] @ probe[0] + probe[1]
        back_scores[out_back] = back[out_back] @ probe[0] + probe[1]
    weights, intercepts = np.stack([p[0] for p in probes]), np.array([p[1] for p in probes])
    member_scores = (members @ weights.T + intercepts).mean(axis=1)
    if len(members) > 1:
        parts = min(len(members), _MOST_FOLDS)
        part = rng.permutation(len(members)) % parts
        for number in range(parts):
            weight, intercept = _fit(members[part != number], marked, back)
            member_scores[part == number] = members[part == number] @ weight + intercept
    return _Scores(member_scores, marked_scores, back_scores, weights, intercepts)


def _fit(members: DoubleArray, marked: DoubleArray, back: DoubleArray) -> tuple[DoubleArray, float]:
    """Weights and intercept of one logistic regression; members count as much as all others together."""
    rows = np.concatenate([members, marked, back])
    is_member = np.arange(len(rows)) < len(members)
    weight = np.repeat([1.0, MARKED_WEIGHT, 1.0], [len(members), len(marked), len(back)])
    for side in (is_member, ~is_member):
        weight[side] *= 0.5 / weight[side].sum()
    probe = LogisticRegression(C=PENALTY_C, max_iter=300)
    probe.fit(rows, is_member, sample_weight=weight)
    return probe.coef_[0], float(probe.intercept_[0])


def _bell_curves(members: DoubleArray, others: DoubleArray) -> tuple[float, float, float]:
    """Slope and offset of the log likelihood ratio of two bell curves, and the share of the members.

    The middle and the lower half of the others are hardly touched by the members among them.
    """
    middle = float(np.median(others))
    spread = middle - float(np.quantile(others, _LOWER_SIGMA))
    own = float(members.mean())
    squares = float(((members - own) ** 2).sum())
    own_spread = np.sqrt((squares + _SPREAD_PULL * spread**2) / (len(members) - 1 + _SPREAD_PULL))
    variance = float(spread * own_spread)
    if variance < _TIE or own <= middle:
        return 0.0, 0.0, USUAL_SHARE
    slope = (own - middle) / variance
    offset = -slope * (own + middle) / 2
    share = USUAL_SHARE
    for _ in range(_STEPS):
        found = float(_chance(slope * others + offset + np.log(share / (1 - share))).mean())
        share = (found + SHARE_PULL * USUAL_SHARE) / (1 + SHARE_PULL)
    return slope, offset, share


def _trust(members: int) -> float:
    """How far the slope that a number of members shows is believed, 0 to 1."""
    return members / (members + _TRUST_PULL)


def _flattened(slope: float, others: DoubleArray, share: float) -> tuple[float, float]:
    """The sigmoid at the temperature, its offset such that the mean confidence is the share."""
    slope /= TEMPERATURE
    low, high = -60.0 - slope * float(others.max()), 60.0 - slope * float(others.min())
    for _ in range(_STEPS):
        offset = (low + high) / 2
        if _chance(slope * others + offset).mean() < share:
            low = offset
        else:
            high = offset
    return slope, offset


def _ranking(members: DoubleArray, others: DoubleArray) -> float:
    """Chance that a member scores higher than another photo; equal scores count half."""
    if not len(others):
        return 1.0
    ranked = np.sort(others)
    below = np.searchsorted(ranked, members - _TIE, side="left")
    upto = np.searchsorted(ranked, members + _TIE, side="right")
    return float(((below + upto) / 2 / len(ranked)).mean())


def _chance(logit: DoubleArray) -> DoubleArray:
    result: DoubleArray = 1.0 / (1.0 + np.exp(-np.clip(logit, -50, 50)))
    return result
