"""Hyperplanes that separate faces with much from faces with little of a property.

Source: InterFaceGAN (Shen et al., 2020): a linear support vector machine on codes, its normal as the
edit direction, and conditional directions by taking the normal of another property out of it. The
codes are standardised first: each coordinate of W+ by its mean and deviation over real faces, so that
rows with small numbers count as much as others, and a move stays where faces are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.svm import LinearSVC

from desktop_app.core.types import FloatArray

# Penalty of the machine, chosen on held-out people among 1e-4, 1e-3 and 1e-2.
PENALTY = 1e-3
# Only faces above or below these shares of a measured property teach; those in between are unclear.
CLEAR_SHARES = (0.35, 0.65)
# Least faces for teaching and for measuring.
LEAST_TAUGHT, LEAST_MEASURED = 40, 16
MOST_ROUNDS = 4_000


@dataclass(frozen=True, slots=True)
class CodeSpace:
    """Mean and deviation of real faces' codes.

    Attributes:
        mean: (L, D).
        std: (L, D), above 0.
    """

    mean: FloatArray
    std: FloatArray

    @classmethod
    def of(cls, codes: FloatArray) -> CodeSpace:
        """Of codes (N, L, D)."""
        std = codes.std(axis=0)
        return cls(codes.mean(axis=0), np.maximum(std, 1e-3 * max(float(std.max()), 1e-6)))

    def standardised(self, codes: FloatArray) -> np.ndarray:
        """Codes (N, L, D) as rows (N, L * D) of mean 0 and deviation 1."""
        return ((codes - self.mean) / self.std).reshape(len(codes), -1).astype(np.float64)

    def move(self, normal: np.ndarray) -> FloatArray:
        """The move of a code along a normal of the standardised space, (L, D)."""
        return (normal.reshape(self.mean.shape) * self.std).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Boundary:
    """A hyperplane of the standardised space.

    Attributes:
        normal: (L * D,) unit length; more of the property on its side.
        accuracy: Of held-out people, both sides weighing alike; 0.5 is chance.
        faces: How many of them were asked.
    """

    normal: np.ndarray
    accuracy: float
    faces: int


def fit_boundary(rows: np.ndarray, values: np.ndarray, *, measured: np.ndarray, seed: int) -> Boundary | None:
    """Separate faces by a property.

    Args:
        rows: Standardised codes, (N, L * D).
        values: The property, NaN where unknown. Two values are taken as they are; more are divided at
            the median of the faces that teach.
        measured: Faces of people who are kept for measuring, (N,) bool.
        seed: Of the solver.

    Returns:
        The boundary; None when too few faces know the property, or all have the same.
    """
    known = np.isfinite(values)
    teach, test = known & ~measured, known & measured
    if teach.sum() < LEAST_TAUGHT or test.sum() < LEAST_MEASURED:
        return None
    if len(np.unique(values[known])) == 2:
        middle = low = high = float((values[known].min() + values[known].max()) / 2)
    else:
        middle = float(np.median(values[teach]))
        low, high = np.quantile(values[teach], CLEAR_SHARES)
    taught = teach & ((values <= low) | (values >= high))
    sides = values > middle
    if len(np.unique(sides[taught])) < 2 or len(np.unique(sides[test])) < 2:
        return None
    machine = LinearSVC(
        C=PENALTY, class_weight="balanced", dual=True, max_iter=MOST_ROUNDS, random_state=seed, tol=1e-3
    )
    machine.fit(rows[taught], sides[taught])
    normal = machine.coef_[0]
    length = float(np.linalg.norm(normal))
    if length < 1e-12:
        return None
    guessed = machine.predict(rows[test])
    hits = [float((guessed[sides[test] == side] == side).mean()) for side in (False, True)]
    return Boundary(normal / length, sum(hits) / 2, int(test.sum()))


def conditional_normal(normal: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A unit normal without its part along another's: moving along it stays at that one's distance."""
    rest = normal - float(normal @ other) * other
    length = float(np.linalg.norm(rest))
    return rest / length if length > 1e-6 else normal
