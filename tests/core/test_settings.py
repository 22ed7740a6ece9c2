"""Settings: defaults, validation, unknown keys, atomic saving."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.core.errors import ResourceError
from desktop_app.core.settings import (
    SearchSettings,
    Settings,
    load_settings,
    save_settings,
    settings_from_dict,
)


def test_missing_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.json") == Settings()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    settings = replace(Settings(), search=SearchSettings(top_k=5, cutoff_percentile=90.0))
    save_settings(settings, tmp_path / "sub" / "settings.json")
    assert load_settings(tmp_path / "sub" / "settings.json") == settings
    assert [file.name for file in (tmp_path / "sub").iterdir()] == ["settings.json"]


@pytest.mark.parametrize("content", ["{", "[]", "nonsense", "\x00"])
def test_damaged_file_gives_the_defaults_and_a_warning(
    tmp_path: Path, content: str, expected_log: list[logging.LogRecord]
) -> None:
    (tmp_path / "settings.json").write_text(content, encoding="utf-8")
    assert load_settings(tmp_path / "settings.json") == Settings()
    assert expected_log


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("library", "batch_size", 0),
        ("library", "batch_size", "many"),
        ("library", "batch_size", True),
        ("library", "encoder", 7),
        ("search", "cutoff_percentile", 101),
        ("engine", "device", "toaster"),
    ],
)
def test_wrong_value_falls_back_with_a_warning(
    group: str, key: str, value: object, expected_log: list[logging.LogRecord]
) -> None:
    assert settings_from_dict({group: {key: value}}) == Settings()
    assert f"{group}.{key}" in expected_log[0].getMessage()


def test_whole_number_is_taken_for_a_fraction() -> None:
    assert settings_from_dict({"search": {"cutoff_percentile": 95}}).search.cutoff_percentile == 95.0


@pytest.mark.parametrize(
    ("version", "stored", "expected"), [(1, 0.95, None), (1, 0.9, 0.9), (2, 0.95, 0.95), ("x", 0.95, None)]
)
def test_an_old_default_that_nobody_chose_gives_way(
    version: object, stored: float, expected: float | None
) -> None:
    settings = settings_from_dict(
        {"version": version, "search": {"duplicate_similarity": stored, "top_k": 7}}
    )
    assert settings.search.duplicate_similarity == (expected or Settings().search.duplicate_similarity)
    assert settings.search.top_k == 7


def test_unknown_keys_survive_a_round(tmp_path: Path) -> None:
    raw = {"version": 1, "later": {"a": 1}, "library": {"batch_size": 8, "new_key": [1, 2]}}
    (tmp_path / "s.json").write_text(json.dumps(raw), encoding="utf-8")
    settings = load_settings(tmp_path / "s.json")
    assert settings.library.batch_size == 8
    save_settings(settings, tmp_path / "s.json")
    saved = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert saved["later"] == {"a": 1} and saved["library"]["new_key"] == [1, 2]


def test_settings_that_cannot_be_saved_are_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ResourceError, match="could not be saved"):
        save_settings(Settings(), tmp_path / "file" / "settings.json")
