"""What jobs share."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import LibrarySettings, Settings
from desktop_app.jobs.services import Services
from tests.tiny_embedder import TinyEmbedder


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    made = AppPaths(*(tmp_path / name for name in ("config", "library", "models", "logs", "resources")))
    made.models.mkdir()
    made.builtin_models.mkdir(parents=True)
    return made


def version(paths: AppPaths, name: str) -> str:
    settings = Settings(library=LibrarySettings(encoder=name))
    return Services(paths, settings, paths.library).encoder_version()


def test_version_of_a_model_with_a_card_is_its_digest(paths: AppPaths) -> None:
    card = paths.builtin_models / "photo.builtin.json"
    card.write_text(json.dumps({"sha256": "0123456789abcdef" * 4}), encoding="utf-8")
    assert version(paths, "photo.builtin") == "0123456789abcdef"
    card.write_text("{}", encoding="utf-8")
    assert version(paths, "photo.builtin") == ""
    assert version(paths, "nobody") == ""


def test_version_of_weights_without_a_card_changes_with_the_file(paths: AppPaths) -> None:
    assert version(paths, "timm:resnet18") == ""
    file = paths.models / "resnet18.safetensors"
    file.write_bytes(b"one")
    first = version(paths, "timm:resnet18")
    assert first and first == version(paths, "timm:resnet18")
    file.write_bytes(b"another")
    assert version(paths, "timm:resnet18") != first
    (paths.models / "ViT-B-32.openai").mkdir()
    inner = paths.models / "ViT-B-32.openai" / "open_clip_model.safetensors"
    inner.write_bytes(b"x")
    clip = version(paths, "open_clip:ViT-B-32/openai")
    os.utime(inner, (1, 1))
    assert clip and version(paths, "open_clip:ViT-B-32/openai") != clip


def test_embedder_is_loaded_once_a_name(paths: AppPaths) -> None:
    made: list[str] = []

    def factory(name: str) -> TinyEmbedder:
        made.append(name)
        return TinyEmbedder(name)

    services = Services(paths, Settings(), paths.library, embedder_factory=factory)
    assert services.embedder() is services.embedder("contrastive_photo.builtin")
    services.embedder("other")
    assert made == ["contrastive_photo.builtin", "other"]
    services.close()


def test_nothing_is_opened_before_it_is_needed_and_closing_twice_is_harmless(paths: AppPaths) -> None:
    services = Services(paths, Settings(), paths.library)
    assert not paths.library.exists()
    assert services.catalogue is services.catalogue
    services.close()
    services.close()
    assert services.catalogue.folders() == []
    services.close()
