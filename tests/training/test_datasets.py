"""Pictures for training: read once, bad files left out, order from seed and position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Progress
from desktop_app.training import datasets
from desktop_app.training.datasets import EpochOrder, SmallPictures, load_pictures
from tests.training.conftest import write_pictures


def _load(folders: Sequence[Path], cache: Path, side: int = 16) -> SmallPictures:
    loading = load_pictures(folders, cache, side=side)
    while True:
        try:
            assert isinstance(next(loading), Progress)
        except StopIteration as ending:
            found: SmallPictures = ending.value
            return found


def test_bad_files_are_left_out_and_counted(picture_folder: Path, tmp_path: Path) -> None:
    (picture_folder / "empty.jpg").write_bytes(b"")
    (picture_folder / "text.png").write_text("no picture", encoding="utf-8")
    whole = (picture_folder / "000.png").read_bytes()
    (picture_folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (picture_folder / "notes.txt").write_text("not looked at", encoding="utf-8")
    pictures = _load([picture_folder], tmp_path / "cache")
    assert (len(pictures), pictures.left_out) == (48, 3)


def test_pictures_are_squeezed_and_their_shape_is_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    PillowImage.new("RGB", (60, 30), (250, 10, 20)).save(folder / "a.png")
    PillowImage.new("RGB", (30, 60), (10, 250, 20)).save(folder / "b.png")
    squares, ratios = _load([folder], tmp_path / "cache", side=8).chosen(torch.tensor([0, 1]))
    assert squares.shape == (2, 3, 8, 8)
    assert ratios.tolist() == [2.0, 0.5]
    assert squares[0, :, 4, 4].tolist() == [250, 10, 20]
    assert squares[1, :, 4, 4].tolist() == [10, 250, 20]


def test_second_run_decodes_nothing(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _load([picture_folder], tmp_path / "cache")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a picture was decoded again")

    monkeypatch.setattr(datasets, "read_picture", refuse)
    second = _load([picture_folder], tmp_path / "cache")
    rows = torch.arange(48)
    assert torch.equal(first.chosen(rows)[0], second.chosen(rows)[0])


def test_new_picture_or_other_size_is_noticed(picture_folder: Path, tmp_path: Path) -> None:
    _load([picture_folder], tmp_path / "cache")
    write_pictures(picture_folder / "more", 2, seed=9)
    assert len(_load([picture_folder], tmp_path / "cache")) == 50
    assert _load([picture_folder], tmp_path / "cache", side=24).chosen(torch.tensor([0]))[0].shape[2] == 24


def test_a_file_in_two_folders_counts_once(picture_folder: Path, tmp_path: Path) -> None:
    assert len(_load([picture_folder, picture_folder], tmp_path / "cache")) == 48


def test_missing_or_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no folder"):
        _load([tmp_path / "nowhere"], tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserInputError, match="not enough readable pictures"):
        _load([tmp_path / "empty"], tmp_path / "cache")


def test_an_epoch_shows_each_picture_once_and_the_next_in_another_order() -> None:
    order = EpochOrder(12, batch=4, seed=1)
    first = torch.cat([order.rows(step) for step in range(3)])
    second = torch.cat([order.rows(step) for step in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert not torch.equal(first, second)


def test_order_follows_from_the_position_alone() -> None:
    straight = EpochOrder(10, batch=3, seed=2)
    seen = [straight.rows(step) for step in range(8)]
    assert torch.equal(EpochOrder(10, batch=3, seed=2).rows(7), seen[7])
    assert not torch.equal(EpochOrder(10, batch=3, seed=3).rows(7), seen[7])


def test_batch_larger_than_the_folder_becomes_smaller() -> None:
    assert EpochOrder(3, batch=192, seed=0).batch == 3
    with pytest.raises(UserInputError, match="two pictures"):
        EpochOrder(1, batch=4, seed=0)


def test_chosen_pictures_may_be_changed_without_harm(picture_folder: Path, tmp_path: Path) -> None:
    pictures = _load([picture_folder], tmp_path / "cache")
    taken = pictures.chosen(torch.tensor([0]))[0]
    before = taken.clone()
    taken.zero_()
    assert np.array_equal(pictures.chosen(torch.tensor([0]))[0].numpy(), before.numpy())
