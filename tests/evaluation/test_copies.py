"""Changed copies: the plan, the changes, the scores, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.cli.app import main
from desktop_app.core.types import Image
from desktop_app.evaluation.copies import (
    CROP_AREA,
    SINGLE_KINDS,
    CopyKind,
    CopyPlan,
    CopyQuery,
    copy_scores,
    make_copy,
    plan_copies,
)


def _scene(seed: int = 0) -> Image:
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(PillowImage.fromarray(rough).resize((160, 120), PillowImage.Resampling.BICUBIC))


def test_plan_takes_every_picture_once_before_any_twice_and_is_seeded() -> None:
    plan = plan_copies(10, CopyPlan(16, seed=3))
    singles = [query for query in plan if query.kind is not CopyKind.TOGETHER]
    together = [query for query in plan if query.kind is CopyKind.TOGETHER]
    assert [q.original for q in singles] == [q.original for q in together]
    assert sorted(q.original for q in singles[:10]) == list(range(10))
    assert [q.kind for q in singles] == list(SINGLE_KINDS) * 4
    assert plan == plan_copies(10, CopyPlan(16, seed=3)) != plan_copies(10, CopyPlan(16, seed=4))


@pytest.mark.parametrize("kind", CopyKind)
def test_a_copy_is_changed_and_repeats_with_its_seed(kind: CopyKind) -> None:
    scene = _scene()
    copies = [make_copy(scene, kind, np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert copies[0].dtype == np.uint8 and copies[0].ndim == 3
    np.testing.assert_array_equal(copies[0], copies[1])
    assert copies[0].shape != scene.shape or (copies[0] != scene).any()
    if kind is not CopyKind.FLIPPED:
        assert copies[0].shape != copies[2].shape or (copies[0] != copies[2]).any()


def test_each_change_does_what_its_name_says() -> None:
    scene = _scene()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cropped = make_copy(scene, CopyKind.CROPPED, rng)
        area = cropped.shape[0] * cropped.shape[1] / (scene.shape[0] * scene.shape[1])
        assert CROP_AREA[0] - 0.03 < area < CROP_AREA[1] + 0.03
        recoloured = make_copy(scene, CopyKind.RECOLOURED, rng)
        assert recoloured.shape == scene.shape and abs(recoloured.astype(int) - scene).mean() > 1
    np.testing.assert_array_equal(make_copy(scene, CopyKind.FLIPPED, rng), scene[:, ::-1])
    recompressed = make_copy(scene, CopyKind.RECOMPRESSED, rng)
    assert recompressed.shape[0] < scene.shape[0]


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (2, 2)])
def test_tiny_pictures_have_copies(size: tuple[int, int]) -> None:
    tiny = np.full((*size, 3), 90, np.uint8)
    for kind in CopyKind:
        assert min(make_copy(tiny, kind, np.random.default_rng(0)).shape[:2]) >= 1


def test_scores_by_hand() -> None:
    originals = np.eye(3, dtype=np.float32)
    queries = [
        CopyQuery(0, CopyKind.CROPPED, (0, 0)),
        CopyQuery(0, CopyKind.TOGETHER, (0, 0)),
        CopyQuery(1, CopyKind.FLIPPED, (0, 1)),
        CopyQuery(1, CopyKind.TOGETHER, (0, 1)),
    ]
    copies = np.array([[1, 0, 0], [0, 0, 1], [0.8, 0.6, 0], [0, 1, 0]], dtype=np.float32)
    scores = copy_scores(originals, copies, queries)
    assert scores.kinds == {"cropped": 1.0, "flipped": 0.0}
    assert (scores.recall_at_1, scores.together_recall_at_1) == (0.5, 0.5)
    assert (scores.copies, scores.gallery) == (2, 3)


def test_an_encoder_that_sees_nothing_scores_by_chance() -> None:
    same = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (50, 1))
    queries = plan_copies(50, CopyPlan(8))
    scores = copy_scores(same, same[: len(queries)], queries)
    assert scores.recall_at_1 == pytest.approx(1 / 50)


def test_command_counts_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["file,label"]
    for number in range(6):
        PillowImage.fromarray(_scene(number)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]}")
    (folder / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    command = ["evaluate", "retrieval", "--folder", str(folder), "--labels", str(folder / "list.csv")]
    command += ["--encoder", "pixels16", "--encoder", "phash", "--copies", "8", "--data", str(tmp_path)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "all at once" in shown and "8 copies, their originals sought among 6 pictures" in shown
    assert main([*command, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["encoders"][0]
    assert first["copies"]["copies"] == 8 and first["copies"]["kinds"]["recompressed"] == 1.0
    assert {"map", "recall_at_1", "knn5"} <= set(first["sets"]["all"])
