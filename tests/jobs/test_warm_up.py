"""Warming up and listing models with the real engine."""

from __future__ import annotations

from pathlib import Path

from desktop_app.core.paths import paths_below
from desktop_app.core.settings import LibrarySettings, Settings
from desktop_app.core.types import ModelsRequest, Progress, WarmUpRequest
from desktop_app.jobs import list_models, warm_up
from desktop_app.jobs.services import Services
from tests.library import drive, open_services


def test_warm_up_tells_the_device_and_leaves_room_between_its_steps(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    messages, ready = drive(warm_up.run(WarmUpRequest(), services))
    assert len([message for message in messages if isinstance(message, Progress)]) == 3
    assert ready.device in {"cpu", "cuda:0", "cuda", "mps"} and ready.threads >= 1 and ready.seconds >= 0
    services.close()


def test_missing_encoder_does_not_fail_the_warm_up(tmp_path: Path) -> None:
    settings = Settings(library=LibrarySettings(encoder="nobody.knows"))
    services = Services(paths_below(tmp_path), settings, tmp_path / "library")
    assert drive(warm_up.run(WarmUpRequest(), services))[1].threads >= 1
    services.close()


def test_models_are_listed_with_their_problems(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    models = drive(list_models.run(ModelsRequest(), services))[1].models
    assert all(model.name and model.role and model.licence for model in models)
    assert all(bool(model.problem) != model.is_usable for model in models)
    services.close()
