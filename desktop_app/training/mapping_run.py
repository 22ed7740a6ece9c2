"""From a trained autoencoder to one whose latent space draws faces: a run that encoders can start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Progress
from desktop_app.engine.networks.stylegan2 import Generator
from desktop_app.training.faces import AlignedPictures
from desktop_app.training.generator import step_errors
from desktop_app.training.latent_space import MappingTraining, collect_codes, rebase, single_codes
from desktop_app.training.restyle import load_autoencoder
from desktop_app.training.run_folder import Pace, RunFolder
from desktop_app.training.samples import closest_pair, nearest_pictures, random_faces

SAMPLES = 64
PSI = 0.7
COLUMNS = 16
PAIRS = 16
MIRRORED = 2_000  # pictures whose mirror image is used too


def train_mapping_run(
    source: RunFolder,
    data: Path,
    out: RunFolder,
    *,
    iterations: int,
    keeps_axes: bool = False,
    seed: int = 1,
) -> Iterator[Progress | dict[str, float]]:
    """Rebase the codes of a run, fit its mapping network, write the result and pictures of it.

    Only pictures of the `train` split are used, but for the figures that compare distances.

    Args:
        source: A generator or ReStyle run.
        data: Folder of aligned pictures.
        out: Gets the checkpoint, `samples.png` (64 random faces at psi 0.7), `nearest.png` (random faces
            and the training pictures nearest to them) and the figures.
        iterations: Of the mapping network's training.
        keeps_axes: Leave the latent space as it is, because it was rebased before.
        seed: Of everything random.

    Yields:
        Progress, and at the end the figures.
    """
    if out.folder.resolve() == source.folder.resolve():
        raise UserInputError("The result needs a folder of its own.", "Choose another --out.")
    config, model = load_autoencoder(source)
    model.requires_grad_(False)
    train_set = AlignedPictures(data, "train", size=config.size, filter_name=config.filter)
    pictures = train_set.everything()[:, :3]
    shown = torch.cat([pictures, pictures[:MIRRORED].flip(3)])
    codes: list[Tensor] = []
    pace = Pace(0, len(shown))
    for part in collect_codes(model, shown):
        codes.append(part)
        yield pace.progress(sum(map(len, codes)), "looking at pictures")
    find = single_codes if keeps_axes else rebase
    result = find(model, torch.cat(codes))
    training = MappingTraining(model.generator, result.codes, result.spread, iterations=iterations, seed=seed)
    yield from training.steps()
    out.describe({"mapping_of": str(source.folder.name), "iterations": iterations, **asdict(config)})
    out.save({"config": asdict(config), "average": model.state_dict()})
    held_out = AlignedPictures(data, "val", size=config.size, filter_name=config.filter).fixed_pairs(300)
    figures = {"explained by single codes": round(result.explained, 4)}
    errors, _ = step_errors(model, held_out[0], 3, targets=held_out[1])
    figures["val_l2_step3"] = round(float(errors[:, 2].mean()), 5)
    training_domain = train_set.everything()[:, -3:]
    figures.update(_look_at(model.generator, training_domain, held_out[1], out, seed))
    out.note(dict(figures))
    yield figures


def _look_at(
    generator: Generator, training: Tensor, held_out: Tensor, out: RunFolder, seed: int
) -> dict[str, float]:
    """Sheets of random faces, and how near they are to training pictures."""
    faces = random_faces(generator, SAMPLES, psi=PSI, seed=seed)
    out.sheet("samples.png", list(torch.split(faces, COLUMNS)), zoom=1)
    near = nearest_pictures(faces, training)
    order = near.distance.argsort()[:PAIRS]
    out.sheet("nearest.png", [faces[order], training[near.index[order]]], zoom=1)
    expected = nearest_pictures(held_out, training)
    return {
        "distance of random faces to the nearest training picture, median": _round(near.distance.median()),
        "the same, least": _round(near.distance.min()),
        "distance of held-out people to the nearest training picture, median": _round(
            expected.distance.median()
        ),
        "distance of the two most alike random faces": round(closest_pair(faces), 4),
    }


def _round(value: Tensor) -> float:
    return round(float(value), 4)
