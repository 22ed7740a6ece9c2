"""A tiny real inversion model with fixed random weights, on disk, and services that use it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.paths import AppPaths, paths_below
from desktop_app.core.settings import InversionSettings, Settings
from desktop_app.engine.edit.directions import Direction, make_direction, save_directions
from desktop_app.engine.invert.model import ARCHITECTURE, GENERATOR_ALONE, model_tensors
from desktop_app.engine.networks.restyle_encoders import EncoderShape, create_encoder
from desktop_app.engine.networks.stylegan2 import Generator, style_count
from desktop_app.engine.weights.store import ModelCard, write_model
from desktop_app.jobs.services import Services

MODEL = "restyle_psp.tiny"
SIZE = 32
STYLE_DIM = 16
N_STYLES = style_count(SIZE)

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CONTRASTYLE_DATA", REPOSITORY.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "portraits" / "eyes.csv").is_file(), reason="no sample portraits here"
)


def write_tiny_model(
    folder: Path,
    *,
    name: str = MODEL,
    domain: str = "faces",
    encoder_type: str = "BackboneEncoder",
    input_nc: int = 6,
) -> ModelCard:
    """Write the model; the same weights every time."""
    torch.manual_seed(7)
    channels = {4: 8, 8: 8, 16: 8, 32: 8}
    generator = Generator(SIZE, style_dim=STYLE_DIM, n_mlp=2, channels=channels)
    shape = EncoderShape(
        n_styles=N_STYLES,
        input_nc=input_nc,
        style_dim=STYLE_DIM,
        widths=(4, 8, 8, 16),
        units=(1, 1, 1, 1),
        input_px=SIZE,
    )
    encoder = create_encoder(encoder_type, shape)
    card = ModelCard(
        name=name,
        role="inversion",
        architecture=ARCHITECTURE,
        config={
            "generator": {
                "size": SIZE,
                "style_dim": STYLE_DIM,
                "n_mlp": 2,
                "channels": {str(k): v for k, v in channels.items()},
            },
            "encoder": {"type": encoder_type, **asdict(shape)},
            "domain": domain,
        },
        title="Random weights",
        licence="MIT",
        sources="none",
        sha256="",
        bytes=0,
        folder=folder,
    )
    return write_model(card, model_tensors(encoder, generator, 0.3 * torch.randn(STYLE_DIM)))


def write_tiny_generator(folder: Path, *, name: str = "stylegan2.tiny") -> ModelCard:
    """Write a generator alone, as the import of one does."""
    torch.manual_seed(8)
    channels = {4: 8, 8: 8, 16: 8, 32: 8}
    generator = Generator(SIZE, style_dim=STYLE_DIM, n_mlp=2, channels=channels)
    sizes = {"size": SIZE, "style_dim": STYLE_DIM, "n_mlp": 2, "channels": channels}
    config = {"generator": sizes, "domain": ""}
    title = f"StyleGAN2 generator, {SIZE} px"
    card = ModelCard(name, "generator", GENERATOR_ALONE, config, title, "MIT", "none", "", 0, folder=folder)
    tensors = {f"decoder.{key}": value for key, value in generator.state_dict().items()}
    return write_model(card, {**tensors, "latent_avg": 0.3 * torch.randn(STYLE_DIM)})


def face_settings() -> Settings:
    """Settings that name the tiny model."""
    return Settings(inversion=InversionSettings(model=MODEL, steps=3))


def face_paths(folder: Path) -> AppPaths:
    """Folders below `folder`, with the shipped resources."""
    return paths_below(folder)


def write_tiny_directions(card: ModelCard) -> Direction:
    """Give the tiny model one stored direction, so that none has to be found."""
    vector = np.random.default_rng(3).normal(size=(N_STYLES, STYLE_DIM))
    direction = make_direction("pca.1", "First", "pca", vector=vector, reach=(-2.0, 3.0))
    save_directions(card.folder, card.name, directions=(direction,), sha256=card.sha256)
    return direction


def face_services(folder: Path, *, has_directions: bool = False) -> Services:
    """Services whose inversion model is the tiny one."""
    paths = face_paths(folder)
    card = write_tiny_model(paths.models)
    if has_directions:
        write_tiny_directions(card)
    return Services(paths, face_settings(), folder / "library")
