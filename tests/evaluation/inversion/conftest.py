"""A tiny inversion model on disk, a folder of pictures it can half reach, and an evaluation over both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from desktop_app.core.types import DetectedFace, Image, Progress
from desktop_app.engine.metrics.identity import contrastive_meter
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.inversion.evaluation import EvaluationOptions, InversionEvaluation
from desktop_app.evaluation.inversion.meters import Meters
from desktop_app.evaluation.inversion.plan import methods_named
from tests.pictures import save_picture
from tests.tiny_embedder import TinyEmbedder
from tests.tiny_inverter import MODEL, write_tiny_directions, write_tiny_model

Make = Callable[..., InversionEvaluation]


class NoFaces:
    """A detector that finds nothing."""

    name = "none"

    def find(self, photo: Image) -> tuple[DetectedFace, ...]:
        return ()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_directions(write_tiny_model(folder))
    return ModelStore(folder / "none", folder)


@pytest.fixture(scope="session")
def meters() -> Meters:
    meter = contrastive_meter(TinyEmbedder())
    return Meters(None, meter, meter)


def save_pictures_of_faces(folder: Path) -> Path:
    """Three square pictures."""
    for k in range(3):
        save_picture(folder / f"p{k}.png", k, width=48, height=48)
    return folder


def build(store: ModelStore, meters: Meters, folder: Path, **options: object) -> InversionEvaluation:
    """An evaluation over aligned pictures."""
    chosen = EvaluationOptions(
        folder=folder,
        **{"steps": 3, "is_aligned": True, "iterations": 4, **options},  # type: ignore[arg-type]
    )
    return InversionEvaluation(
        chosen, store, meters=meters, detector=NoFaces(), preferred=MODEL, device=torch.device("cpu")
    )


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return save_pictures_of_faces(tmp_path / "faces")


@pytest.fixture
def make(store: ModelStore, meters: Meters, tmp_path: Path) -> Make:
    """`make(folder, methods="restyle_psp", ...)` gives an evaluation over aligned pictures."""

    def made(
        folder: Path, *, methods: str = "restyle_psp", models_store: ModelStore = store, **options: object
    ) -> InversionEvaluation:
        more = {"out": tmp_path / "out", "methods": methods_named(methods), **options}
        return build(models_store, meters, folder, **more)

    return made


def drive(evaluation: InversionEvaluation) -> list[Progress]:
    """Run to the end."""
    return list(evaluation.run())
