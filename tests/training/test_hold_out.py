"""What a training does not see: whole groups, always the same, listed for the evaluation."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from desktop_app.core.errors import UserInputError
from desktop_app.evaluation.retrieval import read_labels
from desktop_app.training.hold_out import HELD_OUT_LIST, hold_out


def _listed(folder: Path, count: int = 60) -> tuple[list[Path], Path]:
    """Pictures of a set with groups of three, and of one without groups."""
    rows, files = [], []
    for number in range(count):
        for set_name, group in (("coats", str(number // 3)), ("fruit", "")):
            name = f"pictures/{set_name}/a/{number}.jpg"
            rows.append([name, "a", set_name, group])
            files.append(folder / name)
    table = folder / "index.csv"
    with table.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["file", "label", "set", "group"], *rows])
    return files, table


def test_groups_stay_whole_and_the_part_is_about_as_wanted(tmp_path: Path) -> None:
    files, table = _listed(tmp_path)
    kept = hold_out(files, table, share=0.3, run=tmp_path)
    held = set(range(len(files))) - set(kept)
    assert 0.15 < len(held) / len(files) < 0.45
    coats = {int(files[row].stem) for row in held if "coats" in files[row].parts}
    for number in coats:
        first = number // 3 * 3
        assert {first, first + 1, first + 2} <= coats
    fruit = {int(files[row].stem) for row in held if "fruit" in files[row].parts}
    assert any(number // 3 * 3 + 1 not in fruit for number in fruit)  # no groups: one by one


def test_the_same_list_gives_the_same_part_wherever_it_lies(tmp_path: Path) -> None:
    parts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files, table = _listed(tmp_path / name)
        parts.append(hold_out(files[::-1], table, share=0.2, run=tmp_path / name))
    assert parts[0] == parts[1]


def test_pictures_without_a_line_are_trained_on_and_the_rest_is_listed_for_evaluation(tmp_path: Path) -> None:
    files, table = _listed(tmp_path)
    kept = hold_out([*files, tmp_path / "face.jpg"], table, share=0.3, run=tmp_path)
    assert len(files) in kept
    held = read_labels(tmp_path / HELD_OUT_LIST, tmp_path)
    assert len(held) == len(files) + 1 - len(kept)
    assert {picture.set_name for picture in held} == {"coats", "fruit"}


def test_a_list_of_other_pictures_is_refused(tmp_path: Path) -> None:
    _, table = _listed(tmp_path)
    with pytest.raises(UserInputError, match="names none"):
        hold_out([tmp_path / "x.jpg"], table, share=0.3, run=tmp_path)
    with pytest.raises(UserInputError, match="cannot be read"):
        hold_out([tmp_path / "x.jpg"], tmp_path / "no.csv", share=0.3, run=tmp_path)
