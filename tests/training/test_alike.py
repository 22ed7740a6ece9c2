"""Which pictures belong together, by each choice, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.training.alike import AlikeSets, burst_names, captured_at, find_alike
from desktop_app.training.config import Similarity


def _files(folder: Path, *names: str) -> list[Path]:
    return [folder / name for name in names]


def test_partners_are_others_of_the_same_set_and_all_get_their_turn() -> None:
    sets = AlikeSets(torch.tensor([0, 1, 0, 2, 0, 1]))
    assert sets.shared == 5
    chance = torch.Generator().manual_seed(0)
    seen: dict[int, set[int]] = {row: set() for row in range(6)}
    for _ in range(60):
        for row, other in enumerate(sets.partners(torch.arange(6), chance).tolist()):
            seen[row].add(other)
    assert seen == {0: {2, 4}, 1: {5}, 2: {0, 4}, 3: {3}, 4: {0, 2}, 5: {1}}


def test_views_make_each_picture_alike_to_itself_only(tmp_path: Path) -> None:
    for choice in (Similarity.VIEWS, Similarity.CROPS):
        sets = find_alike(_files(tmp_path, "a.jpg", "b.jpg"), choice)
        assert sets.shared == 0
        assert sets.partners(torch.arange(2), torch.Generator()).tolist() == [0, 1]


def test_folders_and_people_follow_the_folder(tmp_path: Path) -> None:
    files = _files(tmp_path, "anna/1.jpg", "ben/1.jpg", "anna/2.jpg")
    for choice in (Similarity.FOLDERS, Similarity.PEOPLE):
        assert find_alike(files, choice).kinds.tolist() == [0, 1, 0]


def test_bursts_follow_the_camera_time(tmp_path: Path) -> None:
    names = burst_names([100.0, None, 104.0, 300.0, 113.0, 305.0, None])
    assert names[0] == names[2] == names[4] != names[3] == names[5]
    assert names[1] == names[6] == ""
    files = []
    for number, second in enumerate((1, 5, 59)):
        exif = PillowImage.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:06 07:08:{second:02d}"
        files.append(tmp_path / f"{number}.jpg")
        PillowImage.new("RGB", (8, 8)).save(files[-1], exif=exif)
    times = [captured_at(file) for file in files]
    assert times[1] - times[0] == 4.0 and times[2] - times[1] == 54.0
    assert find_alike(files, Similarity.BURSTS).kinds.tolist() == [0, 0, 1]


def test_file_without_a_time_or_without_sense_has_none(tmp_path: Path) -> None:
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    assert captured_at(tmp_path / "plain.png") is None
    assert captured_at(tmp_path / "bad.jpg") is None
    assert captured_at(tmp_path / "gone.jpg") is None


def test_list_of_labels_is_found_by_the_end_of_the_path(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\na/1.jpg,cat\nb/1.jpg,dog\nb/2.jpg,cat\n", encoding="utf-8")
    files = _files(tmp_path / "photos", "a/1.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg")
    for choice in (Similarity.LABELS, Similarity.GROUPS, Similarity.PEOPLE):
        assert find_alike(files, choice, table=table).kinds.tolist() == [0, 1, 0, 2]


def test_list_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n1.jpg,cat\n1.jpg,dog\n", encoding="utf-8")
    with pytest.raises(UserInputError, match=r"contradicts itself: 1\.jpg is 'cat' and 'dog'"):
        find_alike(_files(tmp_path, "1.jpg", "2.jpg"), Similarity.LABELS, table=table)


def test_choices_that_make_no_pairs_or_one_kind_are_refused(tmp_path: Path) -> None:
    one_kind = _files(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    with pytest.raises(UserInputError, match="nothing to differ from"):
        find_alike(one_kind, Similarity.FOLDERS)
    with pytest.raises(UserInputError, match="no two of the 2 pictures"):
        find_alike(_files(tmp_path, "a/1.jpg", "b/1.jpg"), Similarity.FOLDERS)
    with pytest.raises(UserInputError, match="has to be listed"):
        find_alike(one_kind, Similarity.LABELS)


def test_labels_count_within_their_set_and_give_families(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text(
        "file,label,set\na/1.jpg,red,fruit\na/2.jpg,red,coats\na/3.jpg,red,fruit\na/4.jpg,road,road\n"
        "a/5.jpg,road,road\na/6.jpg,blue,coats\n",
        encoding="utf-8",
    )
    sets = find_alike(_files(tmp_path, *(f"a/{n}.jpg" for n in range(1, 7))), Similarity.LABELS, table=table)
    assert sets.kinds.tolist() == [0, 1, 0, 2, 3, 4]  # a label that repeats its set says nothing
    families = sets.families.tolist()
    assert families[0] == families[2] != families[1] == families[5]
    assert [rows.tolist() for rows in sets.members()] == [[0, 2], [1], [3], [4], [5]]
