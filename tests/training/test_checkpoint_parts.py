"""Checkpoints in parts, thin ones, and runs that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from desktop_app.cli.app import main
from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.training.checkpoint_parts import (
    MANIFEST,
    is_thin,
    join_checkpoint,
    split_checkpoint,
    thin,
    warmth,
    write_thin,
)
from desktop_app.training.generator import GeneratorConfig, GeneratorTraining
from desktop_app.training.restyle import RestyleConfig, RestyleTraining
from desktop_app.training.run_folder import CHECKPOINT, RunFolder
from tests.training.test_face_training import TINY, faces  # noqa: F401

RESTYLE = RestyleConfig(steps=2, passes=64, batch=4)


def _run(folder: Path, seed: int = 0, size: int = 40_000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.save({"seen": seed, "model": {"w": torch.randn(size)}}, folder / CHECKPOINT)
    return folder


def _split(run: Path, out: Path) -> list[Path]:
    list(split_checkpoint(run, out, part_bytes=50_000))
    return sorted(out.glob("checkpoint.*.0*"))


def test_parts_are_small_and_join_to_the_very_same_file(tmp_path: Path) -> None:
    run, out = _run(tmp_path / "run"), tmp_path / "parts"
    parts = _split(run, out)
    assert len(parts) == 4 and all(part.stat().st_size <= 50_000 for part in parts)
    list(join_checkpoint(out, tmp_path / "there"))
    assert (tmp_path / "there" / CHECKPOINT).read_bytes() == (run / CHECKPOINT).read_bytes()
    assert not list((tmp_path / "there").glob("*.tmp")) and not list(out.glob("*.tmp"))


def test_a_second_splitting_replaces_the_first_and_a_kill_leaves_it(tmp_path: Path) -> None:
    first, second, out = _run(tmp_path / "a", 1), _run(tmp_path / "b", 2), tmp_path / "parts"
    _split(first, out)
    steps = split_checkpoint(second, out, part_bytes=50_000)
    next(steps)
    steps.close()  # killed after the first new part
    list(join_checkpoint(out, tmp_path / "there"))
    assert (tmp_path / "there" / CHECKPOINT).read_bytes() == (first / CHECKPOINT).read_bytes()
    assert len(_split(second, out)) == 4, "parts of the first are gone"
    list(join_checkpoint(out, tmp_path / "there"))
    assert (tmp_path / "there" / CHECKPOINT).read_bytes() == (second / CHECKPOINT).read_bytes()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda part: part.unlink(), "missing"),
        (lambda part: part.write_bytes(part.read_bytes()[:-7]), "bytes instead of"),
        (lambda part: part.write_bytes(part.read_bytes()[:-7] + b"1234567"), "SHA-256"),
    ],
)
def test_a_bad_part_is_named_and_the_old_checkpoint_stays(
    tmp_path: Path, harm: Callable[[Path], object], says: str
) -> None:
    parts = _split(_run(tmp_path / "run"), tmp_path / "parts")
    there = _run(tmp_path / "there", 5)
    before = (there / CHECKPOINT).read_bytes()
    harm(parts[2])
    with pytest.raises(WeightsError, match=says) as caught:
        list(join_checkpoint(tmp_path / "parts", there))
    assert parts[2].name in str(caught.value) and "opy it" in caught.value.hint
    assert (there / CHECKPOINT).read_bytes() == before and not list(there.glob("*.tmp"))


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1, "parts": [{}]}', None])
def test_a_bad_manifest_is_refused(tmp_path: Path, content: str | None) -> None:
    _split(_run(tmp_path / "run"), tmp_path / "parts")
    manifest = tmp_path / "parts" / MANIFEST
    if content is None:
        manifest.unlink()
    else:
        manifest.write_text(content, encoding="utf-8")
    with pytest.raises(WeightsError, match=MANIFEST.replace(".", r"\.")):
        list(join_checkpoint(tmp_path / "parts", tmp_path / "there"))


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    _split(_run(tmp_path / "run"), tmp_path / "parts")
    manifest = tmp_path / "parts" / MANIFEST
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["parts"][0]["file"] = "../run/checkpoint.pt"
    manifest.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(WeightsError, match="unknown kind"):
        list(join_checkpoint(tmp_path / "parts", tmp_path / "there"))


def test_the_commands_split_join_and_thin(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = _run(tmp_path / "run")

    def call(*words: str) -> int:
        return main(["train", "checkpoint", *words, "--data", str(tmp_path / "data"), "--json"])

    assert call("split", str(run), str(tmp_path / "parts")) == 0
    assert call("join", str(tmp_path / "parts"), str(tmp_path / "there")) == 0
    assert (tmp_path / "there" / CHECKPOINT).read_bytes() == (run / CHECKPOINT).read_bytes()
    assert call("thin", str(run), str(tmp_path / "thin")) == 0
    assert call("split", str(tmp_path / "none"), str(tmp_path / "parts")) != 0
    assert "no checkpoint" in capsys.readouterr().out.splitlines()[-1]


def test_thin_needs_a_folder_of_its_own_and_a_checkpoint(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    with pytest.raises(UserInputError, match="replace"):
        write_thin(run, tmp_path / "x" / ".." / "run")
    with pytest.raises(UserInputError, match="no checkpoint"):
        write_thin(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "none").exists()


def test_rates_are_warmed_from_where_the_optimisers_started() -> None:
    assert warmth(5_000, 0, 16) == 1
    assert warmth(5_000, 5_000, 16) == pytest.approx(0.016)
    assert warmth(5_500, 5_000, 16) == pytest.approx(0.516)


@pytest.mark.slow
def test_a_thin_generator_run_goes_on_from_its_step_with_fresh_optimisers(
    tmp_path: Path,
    faces: Path,  # noqa: F811
) -> None:
    first = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "run"))
    steps = first.steps()
    for _ in range(5):  # into the second stage
        next(steps)
    first.save()
    size = write_thin(tmp_path / "run", tmp_path / "thin")
    assert size < 0.6 * (tmp_path / "run" / CHECKPOINT).stat().st_size
    second = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "thin"))
    assert second.restore() and (second.seen, second.iteration) == (20, 5)
    assert all(not optimiser.state for optimiser in second.optimisers)
    assert not second.adversary.optimiser.state
    for name in ("model", "average"):
        for key, value in getattr(first, name).state_dict().items():
            assert torch.equal(value, getattr(second, name).state_dict()[key]), key
    for key, value in first.adversary.network.state_dict().items():
        assert torch.equal(value, second.adversary.network.state_dict()[key]), key
    next(second.steps())
    assert second.seen == 24
    rates = [g["lr"] / g["factor"] for o in second.optimisers for g in o.param_groups]
    assert max(rates) < 0.01 * TINY.sharpen_rate, "the rate is warmed up again"
    second.save()
    third = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "thin"))
    assert third.restore() and third._fresh_since == 20, "a full checkpoint remembers the warming"


@pytest.mark.slow
def test_a_thin_restyle_run_goes_on_from_its_step(tmp_path: Path, faces: Path) -> None:  # noqa: F811
    list(GeneratorTraining(TINY, faces, RunFolder(tmp_path / "generator")).steps())

    def training(run: str) -> RestyleTraining:
        return RestyleTraining(RESTYLE, RunFolder(tmp_path / "generator"), faces, RunFolder(tmp_path / run))

    first = training("run")
    steps = first.train()
    for _ in range(3):
        next(steps)
    first.save()
    write_thin(tmp_path / "run", tmp_path / "thin")
    second = training("thin")
    assert second.restore() and second.done == 24 and not second.optimiser.state
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    list(second.train())
    assert second.done == RESTYLE.passes
    assert not is_thin(second.run.load() or {}) and is_thin(thin(second.run.load() or {}))


# Trains with a checkpoint every other iteration and dies by SIGKILL within the fourth.
_KILLED = """
import dataclasses, os, signal, sys
from pathlib import Path
import torch
from desktop_app.training import generator, restyle
from desktop_app.training.run_folder import RunFolder
from tests.training.test_checkpoint_parts import RESTYLE, TINY
torch.set_num_threads(1)
kind, data, source, run = sys.argv[1], *map(Path, sys.argv[2:])
generator.CHECKPOINT_EVERY, restyle.CHECKPOINT_EVERY = 8, 16
if kind == "generator":
    training = generator.GeneratorTraining(TINY, data, RunFolder(run))
    steps = training.steps()
else:
    training = restyle.RestyleTraining(RESTYLE, RunFolder(source), data, RunFolder(run))
    steps = training.train()
for _ in range(3):
    next(steps)
decode, count = training._decode, []
def dying(codes):
    os.kill(os.getpid(), signal.SIGKILL)
training._decode = dying
next(steps)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kind", ["generator", "restyle"])
def test_a_killed_run_resumes_bit_exactly(tmp_path: Path, faces: Path, kind: str) -> None:  # noqa: F811
    source = tmp_path / "generator"
    if kind == "restyle":
        list(GeneratorTraining(TINY, faces, RunFolder(source)).steps())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    words = [sys.executable, "-c", _KILLED, kind, str(faces), str(source), str(tmp_path / "killed")]
    root = str(Path(__file__).resolve().parents[2])
    died = subprocess.run(
        words, cwd=root, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, timeout=240
    )
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]

    def training(run: str) -> GeneratorTraining | RestyleTraining:
        folder = RunFolder(tmp_path / run)
        if kind == "generator":
            return GeneratorTraining(TINY, faces, folder)
        return RestyleTraining(RESTYLE, RunFolder(source), faces, folder)

    def finish(one: GeneratorTraining | RestyleTraining) -> None:
        list(one.steps() if isinstance(one, GeneratorTraining) else one.train())

    whole, resumed = training("whole"), training("killed")
    finish(whole)
    assert resumed.restore()
    assert (resumed.seen if isinstance(resumed, GeneratorTraining) else resumed.done) in (8, 16)
    finish(resumed)
    torch.set_num_threads(before)
    for name in ("model", "average"):
        for key, value in getattr(whole, name).state_dict().items():
            assert torch.equal(value, getattr(resumed, name).state_dict()[key]), f"{name}: {key}"


def test_a_configuration_of_an_older_checkpoint_still_loads() -> None:
    old = {"size": 32, "channels": {"4": 8, "8": 8, "16": 8, "32": 8}, "r1": 1.0}
    assert replace(GeneratorConfig(**old)).adversary().r1 == 1.0
