"""What tuning on a library gains: label sets of the data folder, pictures that no encoder was trained on.

The built-in encoder learned the kinds of these sets by name, in other pictures; `CONTRASTYLE_ENCODER` names
one that did not.

A set is the user's library; its labels serve two purposes only: ten groups of four or five photos are marked
from them, and the ranking of all other photos is scored with them. Needs `CONTRASTYLE_DATA`.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from desktop_app.core.paths import default_paths
from desktop_app.core.types import FloatArray
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.picture_file import read_picture
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.metrics import retrieval_scores
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune import TuneConfig, TuneTraining, make_data
from desktop_app.training.tune_views import draw_view_vectors

ENCODER = "contrastive_photo.builtin"
GROUPS, SIZES = 10, (4, 5)
SEEDS = 5
# Groups in all sets as one library, each of four photos of a kind that has this many.
FEW, LEAST_MARKED = (1, 2, 3, 10), 20
# As `jobs.tune_library` has it for marked groups.
STRETCH = 3.0


def run() -> dict[str, object]:
    """Mean average precision untouched, tuned without labels, and tuned with marked groups, for each set."""
    folder = Path(os.environ.get("CONTRASTYLE_DATA", "../shared/data")) / "retrieval"
    paths = default_paths()
    store = ModelStore(paths.builtin_models, paths.models)
    name = os.environ.get("CONTRASTYLE_ENCODER", ENCODER)
    embedder = load_embedder(store, name, device=torch.device("cpu"))
    figures: dict[str, object] = {"encoder": name, "seeds": SEEDS}
    with (folder / "index.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    for set_name in sorted({row["set"] for row in rows}):
        chosen = [row for row in rows if row["set"] == set_name]
        images = [read_picture(folder.parent / row["file"], at_least_px=144) for row in chosen]
        figures[set_name] = _one_set(embedder, images, [row["label"] for row in chosen])
    images = [read_picture(folder.parent / row["file"], at_least_px=144) for row in rows]
    figures["all as one library"] = _mixed(embedder, images, [f"{row['set']}/{row['label']}" for row in rows])
    return figures


def _mixed(embedder: Embedder, images: Sequence[np.ndarray], labels: list[str]) -> dict[str, object]:
    """A few groups in a library of many kinds: what the marked kinds gain, and the others lose."""
    vectors = np.concatenate([embedder.embed(images[n : n + 64]) for n in range(0, len(images), 64)])
    views = draw_view_vectors(embedder, images, seed=0)
    alone, names = _tuned(vectors, views, []), np.asarray(labels)
    usable = [name for name in np.unique(names) if (names == name).sum() >= LEAST_MARKED]
    figures: dict[str, object] = {}
    for count in FEW:
        found = []
        for seed in range(SEEDS):
            chance = np.random.default_rng(seed)
            chosen = chance.permutation(usable)[:count]
            groups = [chance.permutation(np.flatnonzero(names == name))[:4].tolist() for name in chosen]
            rest = np.setdiff1d(np.arange(len(labels)), np.concatenate(groups))
            tuned = _tuned(vectors, views, [(groups, STRETCH)])
            is_marked = np.isin(names[rest], chosen)
            found.append([_means(rows[rest], names[rest], is_marked) for rows in (vectors, alone, tuned)])
        before, by_views, by_groups = np.mean(found, axis=0).round(4).tolist()
        figures[f"{count} groups, map of marked kinds and of others"] = {
            "untuned": before,
            "views": by_views,
            "groups": by_groups,
        }
    return figures


def _means(rows: FloatArray, names: np.ndarray, is_marked: np.ndarray) -> tuple[float, float]:
    """Mean average precision of photos of the marked kinds, and of the others."""
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -2.0)
    scores = []
    for row, order in enumerate(np.argsort(-similarity, axis=1)[:, :-1]):
        hits = names[order] == names[row]
        share = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        scores.append(float(share[hits].mean()) if hits.any() else np.nan)
    values = np.asarray(scores)
    return float(np.nanmean(values[is_marked])), float(np.nanmean(values[~is_marked]))


def _one_set(embedder: Embedder, images: Sequence[np.ndarray], labels: list[str]) -> dict[str, object]:
    vectors = np.concatenate([embedder.embed(images[n : n + 64]) for n in range(0, len(images), 64)])
    views = draw_view_vectors(embedder, images, seed=0)
    every = np.arange(len(labels))
    before = _score(vectors, labels, every)
    alone = _tuned(vectors, views, [])
    gains, bases = [], []
    for seed in range(SEEDS):
        groups = marked_groups(labels, seed=seed)
        rest = np.setdiff1d(every, np.concatenate(groups))
        tuned = _tuned(vectors, views, [(groups, STRETCH)])
        bases.append(_score(vectors, labels, rest))
        gains.append(_score(tuned, labels, rest) / bases[-1] - 1.0)
    return {
        "photos": len(labels),
        "labels": len(set(labels)),
        "map": round(before, 4),
        "map_tuned_without_labels": round(_score(alone, labels, every), 4),
        "map_of_unmarked": round(float(np.mean(bases)), 4),
        "gain_with_groups_percent": [round(100 * gain, 1) for gain in gains],
        "mean_gain_percent": round(100 * float(np.mean(gains)), 1),
    }


def marked_groups(labels: list[str], *, seed: int) -> list[list[int]]:
    """Ten groups of four or five photos of one label each; of distinct labels as far as there are enough."""
    chance = np.random.default_rng(seed)
    names = np.asarray(labels)
    usable = [name for name in np.unique(names) if (names == name).sum() >= SIZES[0]]
    chance.shuffle(usable)
    left = {name: list(chance.permutation(np.flatnonzero(names == name))) for name in usable}
    groups: list[list[int]] = []
    turn = 0
    while len(groups) < GROUPS and turn < GROUPS * len(usable):
        rows = left[usable[turn % len(usable)]]
        turn += 1
        if len(rows) >= SIZES[0]:
            size = min(int(chance.integers(SIZES[0], SIZES[1] + 1)), len(rows))
            groups.append([int(rows.pop()) for _ in range(size)])
    return groups


def _tuned(
    vectors: FloatArray, views: FloatArray, groupings: list[tuple[list[list[int]], float]]
) -> FloatArray:
    data = make_data(vectors, views=views, view_rows=range(len(vectors)), groupings=groupings)
    with tempfile.TemporaryDirectory() as folder:
        training = TuneTraining(TuneConfig(), data, RunFolder(Path(folder)))
        for _ in training.steps():
            pass
    return training.head().applied(vectors)


def _score(vectors: FloatArray, labels: list[str], rows: np.ndarray) -> float:
    scores = retrieval_scores(vectors[rows], [labels[row] for row in rows])
    assert scores is not None
    return scores.mean_average_precision
