"""What the face trainings tell on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.cli.console import Console
from desktop_app.cli.train_face_commands import _tell_left_out
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import Settings


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], ""),
        (["a.jpg"], "1 picture was left out, because it cannot be read: a.jpg.\n"),
        (
            [f"{letter}.jpg" for letter in "abcde"],
            "5 pictures were left out, because they cannot be read: a.jpg, b.jpg, c.jpg and 2 more.\n",
        ),
    ],
)
def test_unreadable_pictures_are_told_in_one_sentence(
    files: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _tell_left_out(files, Console(paths_below(tmp_path), Settings(), is_json=False))
    assert capsys.readouterr().out == told
