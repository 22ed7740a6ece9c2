"""`index` and `search` in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome
from tests.pictures import save_camera_photos, save_pictures

Run = Callable[..., Outcome]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    save_pictures(folder, 6)
    return folder


def test_index_then_search_in_words(run: Run, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"")
    indexed = run("index", photos)
    assert indexed.code == 0
    assert "6 photos in the library: 6 added" in indexed.out
    assert f"{photos / 'bad.jpg'}: The file is empty." in indexed.out
    searched = run("search", photos / "photo0001.jpg", "--top", "3", "--min-similarity", "-1")
    assert searched.code == 0
    assert len([line for line in searched.out.splitlines() if ".jpg" in line]) == 3
    assert "photo0001.jpg" not in searched.out


def test_photos_that_a_new_encoder_has_not_read_are_told(run: Run, photos: Path, tmp_path: Path) -> None:
    assert run("index", photos).code == 0
    more = tmp_path / "more"
    save_pictures(more, 2, first_seed=50)
    indexed = run("index", more, "--encoder", "another")
    assert "8 photos in the library: 2 added" in indexed.out
    assert "6 photos of the library were not read by this encoder yet" in indexed.out
    searched = run("search", more / "photo0050.jpg", "--encoder", "another", "--min-similarity", "-1")
    assert "6 photos of the library were not read by this encoder yet" in searched.out
    assert "not read" not in run("index", "--encoder", "another").out


def test_json_is_one_object(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"")
    indexed = run("index", photos, "--json", "--library", tmp_path / "lib").json
    assert (indexed["added"], indexed["unreadable"], indexed["photos_total"]) == (6, 1, 6)
    assert indexed["problems"] == [{"path": str(photos / "bad.jpg"), "reason": "The file is empty."}]
    assert indexed["library"] == str(tmp_path / "lib")
    again = run("--json", "index", "--library", tmp_path / "lib").json
    assert (again["added"], again["unchanged"]) == (0, 6)
    found = run(
        "search", photos / "photo0000.jpg", "--library", tmp_path / "lib", "--json", "--min-similarity=-1"
    ).json
    hits = found["hits"]
    assert found["unread"] == 0
    assert isinstance(hits, list) and [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]
    assert set(hits[0]) >= {"path", "similarity", "kind", "rank"}


def test_large_photos_are_found_before_they_are_read_in_full(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    save_camera_photos(folder, 3)
    indexed = run("index", folder, "--json", "--library", tmp_path / "lib").json
    assert (indexed["added"], indexed["changed"], indexed["unreadable"]) == (3, 0, 0)
    assert 0 < indexed["searchable_seconds"] < indexed["seconds"]
    again = run("index", "--json", "--library", tmp_path / "lib").json
    assert (again["added"], again["unchanged"]) == (0, 3)
    assert again["searchable_seconds"] == 0 < again["seconds"]


def test_time_until_photos_are_found_is_told_when_it_is_much_shorter(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from desktop_app.cli.console import Console
    from desktop_app.cli.library_commands import _show_summary
    from desktop_app.core.paths import paths_below
    from desktop_app.core.settings import Settings
    from desktop_app.core.types import IndexSummary

    for soon in (2.0, 9.0, 0.0):
        summary = IndexSummary(3, 0, 0, 0, 0, 0, (), 10.0, 3, searchable_seconds=soon)
        _show_summary(summary, Console(paths_below(tmp_path), Settings(), is_json=False))
    out = capsys.readouterr().out
    assert out.count("It took 10") == 3
    assert out.count("all could be found after 2") == 1 == out.count("all could be found")


def test_errors_have_code_one_and_a_json_object(run: Run, tmp_path: Path) -> None:
    outcome = run("index", tmp_path / "nowhere", "--json")
    assert outcome.code == 1
    assert "does not exist" in str(outcome.json["error"]) and outcome.json["hint"]
    assert "does not exist" in outcome.err
    plain = run("search", tmp_path / "nowhere.jpg")
    assert plain.code == 1 and plain.out == "" and "holds no photos" in plain.err


@pytest.mark.parametrize(
    "line",
    [
        ["index", "--wrong"],
        ["search"],
        ["search", "a.jpg", "--top", "0"],
        ["search", "a", "--min-similarity", "7"],
        [],
    ],
)
def test_wrong_usage_has_code_two(run: Run, line: list[str]) -> None:
    assert run(*line).code == 2
    outcome = run(*line, "--json")
    assert outcome.code == 2 and outcome.json["error"]


def test_help_and_version_have_code_zero(run: Run) -> None:
    assert "--json" in run("search", "--help").out
    assert run("--version").out.startswith("contrastyle ")


@pytest.mark.skipif(sys.platform != "linux", reason="the file system must take any bytes as a name")
def test_names_that_are_no_text_can_be_shown_and_reported(run: Run, photos: Path) -> None:
    (photos / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"")
    assert "bad\ufffd.jpg" in run("index", photos).out
    problems = run("index", photos, "--json").json["problems"]
    assert isinstance(problems, list) and os.fsencode(problems[0]["path"]).endswith(b"bad\xff.jpg")


def test_second_program_on_the_same_library_is_told(run: Run, photos: Path, tmp_path: Path) -> None:
    from desktop_app.catalogue.catalogue import Catalogue

    other = Catalogue.open(tmp_path / "lib")
    with other.writing():
        outcome = run("index", photos, "--library", tmp_path / "lib")
    other.close()
    assert outcome.code == 1
    assert f"another running Contrastyle (process {os.getpid()})" in outcome.err


def test_library_of_a_newer_program_is_told(run: Run, photos: Path, tmp_path: Path) -> None:
    import sqlite3

    run("index", photos, "--library", tmp_path / "lib")
    connection = sqlite3.connect(tmp_path / "lib" / "library.db")
    connection.execute("PRAGMA user_version = 42")
    connection.close()
    outcome = run("index", photos, "--library", tmp_path / "lib", "--json")
    assert outcome.code == 1 and "newer version" in str(outcome.json["error"])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
def test_broken_sample_files_run_through(run: Run, sample_data: Path, tmp_path: Path) -> None:
    outcome = run("index", sample_data / "broken", "--library", tmp_path / "lib", "--json")
    assert outcome.code == 0
    answer = outcome.json
    problems = answer["problems"]
    assert isinstance(problems, list) and len(problems) == answer["unreadable"]
    assert all(problem["reason"].endswith(".") for problem in problems)
    again = run("index", "--library", tmp_path / "lib", "--json").json
    assert (again["added"], again["unreadable"]) == (0, answer["unreadable"])


def test_models_list(run: Run) -> None:
    answer = run("models", "list", "--json").json
    assert isinstance(answer["models"], list)
    assert run("models", "list").code == 0


def test_mistyped_library_is_refused_and_not_made(run: Run, photos: Path, tmp_path: Path) -> None:
    for line in (("search", photos / "photo0000.jpg"), ("classes", "list")):
        refused = run(*line, "--library", tmp_path / "mistyped")
        assert refused.code == 1 and "no library" in refused.err
        assert not (tmp_path / "mistyped").exists()
