"""Accuracy of proposals against the number of marked photos, on labelled sets.

    python -m tests.benchmarks few_labels

Each class of each set in turn: N photos are marked "is", nothing is marked "is not"; every other photo
of the set is judged. Average precision is over those; "sure" are proposals of at least 50 %, "best" the ten
that come first, each with what was said of them and how many were right.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from desktop_app.core.paths import default_paths
from desktop_app.core.types import FloatArray
from desktop_app.engine.classify.linear_probe import Examples, fit_probe
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.describers import make_describer
from desktop_app.evaluation.retrieval import describe_all, read_labels

ENCODERS = ("contrastive_photo.builtin", "hsv")
COUNTS = (1, 3, 5, 10, 20)
REPEATS = 12
LEFT_AT_LEAST = 5
MOST_CLASSES = 16
BACKGROUND = 600
SURE, BEST = 0.5, 10


@dataclass
class Outcome:
    """What was found for one set and one number of marks."""

    precision: list[float] = field(default_factory=list)
    confidence: list[npt.NDArray[np.float64]] = field(default_factory=list)
    is_member: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def text(self) -> str:
        """One cell: mean AP, calibration error, and the sure ones."""
        said, right = np.concatenate(self.confidence), np.concatenate(self.is_member)
        sure = said >= SURE
        shown = f"{said[sure].mean():.2f} said, {right[sure].mean():.2f} right" if sure.any() else "none"
        order = [np.argsort(-one, kind="stable")[:BEST] for one in self.confidence]
        best = [
            np.mean([one[rows].mean() for one, rows in zip(values, order, strict=True)])
            for values in (self.confidence, self.is_member)
        ]
        return (
            f"AP {np.mean(self.precision):.3f}  calibration error {calibration_error(said, right):.3f}  "
            f"sure: {sure.sum() / len(self.precision):5.1f} a class ({shown})  "
            f"best: {best[0]:.2f} said, {best[1]:.2f} right"
        )


def average_precision(score: npt.NDArray[np.float64], is_member: npt.NDArray[np.bool_]) -> float:
    """Mean precision at each member of a ranking."""
    ranked = is_member[np.argsort(-score, kind="stable")]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def calibration_error(said: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error over ten equal bins of confidence."""
    bins = np.minimum((said * 10).astype(int), 9)
    gaps = [abs(said[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    return float(np.sum(gaps))


def curve(rows: FloatArray, labels: npt.NDArray[np.str_]) -> dict[int, Outcome]:
    """Outcomes by number of marks, for one set."""
    found: dict[int, Outcome] = {}
    names, counts = np.unique(labels, return_counts=True)
    for count in COUNTS:
        usable = names[counts >= count + LEFT_AT_LEAST]
        usable = np.random.default_rng(0).permutation(usable)[:MOST_CLASSES]
        for name in usable:
            for repeat in range(REPEATS):
                _judge(rows, labels == name, count, seed=repeat, into=found.setdefault(count, Outcome()))
    return found


def _judge(
    rows: FloatArray, is_member: npt.NDArray[np.bool_], count: int, *, seed: int, into: Outcome
) -> None:
    rng = np.random.default_rng(seed)
    marked = rng.choice(np.flatnonzero(is_member), count, replace=False)
    rest = np.setdiff1d(np.arange(len(rows)), marked)
    sample = np.sort(rng.permutation(rest)[:BACKGROUND])
    probe = fit_probe(Examples(rows[marked], rows[:0], rows[sample]), seed=seed)
    confidence = probe.confidence(rows[rest])
    confidence[np.searchsorted(rest, sample)] = probe.background_confidence
    into.precision.append(average_precision(confidence, is_member[rest]))
    into.confidence.append(confidence)
    into.is_member.append(is_member[rest])


def run() -> dict[str, object]:
    """Mean average precision by encoder, set and number of marks; details go to standard error."""
    data = Path(os.environ.get("CONTRASTYLE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    paths = default_paths()
    store = ModelStore(paths.builtin_models, paths.models)
    describers = {name: make_describer(name, store, device=torch.device("cpu")) for name in ENCODERS}
    table = describe_all(read_labels(data / "retrieval" / "index.csv", data / "retrieval"), describers)
    labels, sets = (np.array([getattr(p, key) for p in table.kept]) for key in ("label", "set_name"))
    answer: dict[str, object] = {}
    for name in ENCODERS:
        figures: dict[str, dict[int, float]] = {}
        for set_name in dict.fromkeys(sets.tolist()):
            for count, outcome in curve(table.rows[name][sets == set_name], labels[sets == set_name]).items():
                sys.stderr.write(f"{name} {set_name:10s} {count:3d} marked  {outcome.text()}\n")
                figures.setdefault(set_name, {})[count] = round(float(np.mean(outcome.precision)), 3)
        answer[name] = figures
    return answer
