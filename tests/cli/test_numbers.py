"""Numbers on the command line: every wrong one is a usage error with a sentence, before anything is done."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from desktop_app.cli.numbers import decimal_number, whole_number
from desktop_app.main import main


def test_both_ends_belong_to_a_range() -> None:
    assert [whole_number(1, 20)(text) for text in ("1", "20")] == [1, 20]
    assert decimal_number(0.0, 1.0)("0.5") == 0.5 and decimal_number(0.0)("1e9") == 1e9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("x", "'x' is no whole number"), ("0", "must be 1 to 20, not 0"), ("2.5", "no whole")],
)
def test_wrong_whole_numbers_are_told(text: str, sentence: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=sentence):
        whole_number(1, 20)(text)


@pytest.mark.parametrize("text", ["nan", "-1", "much"])
def test_wrong_decimal_numbers_are_told(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        decimal_number(0)(text)


@pytest.mark.parametrize(
    "line",
    [
        "invert a.jpg --steps x",
        "train generator --pictures a --out b --images -5",
        "train generator --pictures a --out b --images -1",
        "train restyle --generator a --pictures a --out b --steps 0",
        "train contrastive --pictures a --out b --temperature -1",
        "train tune --steps -3",
        "search a.jpg --top 0",
    ],
)
def test_commands_refuse_wrong_numbers_as_usage_errors(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    shown = capsys.readouterr()
    assert "must be" in shown.err or "is no" in shown.err
    assert "_steps" not in shown.err


def test_a_generator_that_learned_nothing_is_not_sharpened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "train",
        "generator",
        "--pictures",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
        "--images",
        "0",
    ]
    assert main([*line, "--data", str(tmp_path / "data")]) == 1
    assert "nothing to sharpen" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
