"""Contrastive training: it learns, it continues exactly, it ends with a model that loads."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.errors import AppError, UserInputError
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training import contrastive
from desktop_app.training.alike import AlikeSets
from desktop_app.training.config import METHODS, ContrastiveConfig, EncoderConfig, Similarity
from desktop_app.training.contrastive import ContrastiveTraining, ModelWords, begun_with, write_encoder
from desktop_app.training.datasets import SmallPictures
from desktop_app.training.run_folder import RunFolder

SMALL = ContrastiveConfig(
    images=96,
    batch=16,
    warmup_images=32,
    head_hidden=32,
    head_out=16,
    queue=64,
    precision="float32",
    encoder=EncoderConfig(
        view_px=32, input_px=32, widths=(8, 16), blocks=(1, 1), embedding_size=12, colour_size=4
    ),
)


def _pictures(count: int = 48, *, pairs: bool = False) -> SmallPictures:
    """Flat colours with a bar: easy to tell apart; in pairs of nearly the same where asked."""
    chance = np.random.default_rng(4)
    pictures = np.empty((count, 3, 48, 48), dtype=np.uint8)
    pictures[:] = chance.integers(0, 256, (count, 3, 1, 1))
    for picture in pictures:
        row = int(chance.integers(0, 40))
        picture[:, row : row + 8] = chance.integers(0, 256, (3, 1, 1))
    if pairs:
        pictures[1::2] = np.clip(pictures[::2].astype(int) + 6, 0, 255)
    return SmallPictures(pictures, np.ones(count))


def _training(folder: Path, config: ContrastiveConfig = SMALL) -> ContrastiveTraining:
    return ContrastiveTraining(config, _pictures(), RunFolder(folder))


def _weights(training: ContrastiveTraining) -> dict[str, torch.Tensor]:
    return training.network.state_dict()


def _method(name: str, **changes: object) -> ContrastiveConfig:
    """A named method at the small size; alike are views, or pairs of pictures where the method needs sets."""
    return replace(SMALL, **{**METHODS[name], "prototypes": 24, **changes})


def _method_training(folder: Path, config: ContrastiveConfig) -> ContrastiveTraining:
    alike = None
    if config.similarity not in (Similarity.VIEWS, Similarity.CROPS):
        alike = AlikeSets(torch.arange(48) // 2)
    return ContrastiveTraining(config, _pictures(pairs=alike is not None), RunFolder(folder), alike=alike)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_learns_to_recognise_what_is_alike(tmp_path: Path, name: str) -> None:
    rate = 1e-2 if name in ("byol", "dino") else 2e-3
    images = 960 if name in ("simclr", "moco", "moco_v2") else 1280
    training = _method_training(tmp_path, _method(name, images=images, momentum=0.95, rate=rate))
    hits = []
    step = training._step

    def watched() -> dict[str, float]:
        stats = step()
        hits.append(stats["hit"])
        return stats

    training._step = watched  # type: ignore[method-assign]
    for _ in training.steps():
        pass
    assert training.seen == images
    assert np.mean(hits[-10:]) > np.mean(hits[:10]) + 0.1
    assert np.mean(hits[-10:]) > (0.3 if name in ("byol", "dino", "vicreg") else 0.45)  # chance is 1 / 16


@pytest.mark.parametrize("name", sorted(METHODS))
def test_stopped_and_continued_equals_uninterrupted(tmp_path: Path, name: str) -> None:
    config = _method(name)
    whole = _method_training(tmp_path / "whole", config)
    for _ in whole.steps():
        pass
    stopped = _method_training(tmp_path / "parts", config)
    steps = stopped.steps()
    next(steps), next(steps)
    steps.close()  # as after Ctrl-C
    continued = _method_training(tmp_path / "parts", config)
    assert continued.restore()
    assert continued.step == 2
    for _ in continued.steps():
        pass
    for key, value in _weights(whole).items():
        assert torch.equal(value, _weights(continued)[key]), key
    for key, value in whole.objective.state_dict().items():
        assert torch.equal(value, continued.objective.state_dict()[key]), key


def test_run_without_checkpoint_starts_fresh(tmp_path: Path) -> None:
    assert not _training(tmp_path).restore()


def test_other_choices_do_not_continue_a_run(tmp_path: Path) -> None:
    steps = _training(tmp_path).steps()
    next(steps)
    steps.close()
    other = replace(SMALL, encoder=replace(SMALL.encoder, widths=(8, 24)))
    with pytest.raises(UserInputError, match="other choices"):
        _training(tmp_path, other).restore()


def test_longer_training_may_continue_a_shorter_one(tmp_path: Path) -> None:
    for _ in _training(tmp_path).steps():
        pass
    longer = _training(tmp_path, replace(SMALL, images=128))
    assert longer.restore()
    for _ in longer.steps():
        pass
    assert longer.seen == 128


def test_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    training = _training(tmp_path)
    with torch.no_grad():
        training.network.projection_head.layers[3].weight.fill_(float("nan"))  # type: ignore[operator,union-attr]
    with pytest.raises(AppError, match="diverged"):
        next(training.steps())
    assert not (tmp_path / "checkpoint.pt").exists()


def test_collapse_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_log: list[logging.LogRecord]
) -> None:
    monkeypatch.setattr(contrastive, "LOG_EVERY", 1)
    training = _training(tmp_path)
    with torch.no_grad():
        training.network.projection_head.layers[3].weight.zero_()  # type: ignore[operator,union-attr]
    steps = training.steps()
    next(steps)
    steps.close()
    assert any("collapsed" in record.getMessage() for record in expected_log)


def test_model_of_a_training_loads_and_embeds(tmp_path: Path) -> None:
    training = _training(tmp_path / "run")
    for _ in training.steps():
        pass
    words = ModelWords("contrastive_photo.test", tmp_path / "models", "Test", "MIT", "made up")
    card = write_encoder(training, words)
    store = ModelStore(tmp_path / "models", tmp_path / "none")
    embedder = load_embedder(store, "contrastive_photo.test", device=torch.device("cpu"))
    assert (embedder.embedding_size, embedder.input_px, embedder.version) == (12, 32, card.sha256[:16])
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    first = embedder.embed([image, image[::-1].copy()])
    assert first.shape == (2, 12)
    assert np.allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(first, embedder.embed([image, image[::-1].copy()]))
    mirrored = embedder.embed([image[:, ::-1].copy()])
    assert np.allclose(mirrored[0], first[0], atol=1e-3)  # both ways round are averaged


def test_untrained_model_can_be_written(tmp_path: Path) -> None:
    training = _training(tmp_path / "run", replace(SMALL, images=0))
    assert list(training.steps()) == []
    write_encoder(training, ModelWords("a.untrained", tmp_path / "models", "Test", "MIT", "nothing"))
    assert (tmp_path / "models" / "a.untrained.safetensors").is_file()


def test_precision_is_checked() -> None:
    assert contrastive.wants_bfloat16("bfloat16")
    assert not contrastive.wants_bfloat16("float32")
    assert contrastive.wants_bfloat16("auto") in (True, False)
    with pytest.raises(UserInputError, match="float8"):
        contrastive.wants_bfloat16("float8")


_CHILD = """
import sys
from pathlib import Path
from desktop_app.training import contrastive
from tests.training.test_contrastive import _method, _method_training
contrastive.CHECKPOINT_EVERY_S = 0.0
training = _method_training(Path(sys.argv[1]), _method(sys.argv[2], images=10**6))
for _ in training.steps():
    print(training.step, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("name", ["simclr", "moco_v2", "supcon", "dino"])
def test_kill_in_the_middle_leaves_a_whole_checkpoint(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path), name],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) == 6:
            break
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)
    child.stdout.close()
    training = _method_training(tmp_path, _method(name, images=10**6))
    assert training.restore()
    assert training.step >= 5
    next(training.steps())


def test_command_trains_on_a_folder_and_prints_one_object(
    picture_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    expected_log: list[logging.LogRecord],
) -> None:
    from desktop_app.cli.app import main

    (picture_folder / "bad.jpg").write_bytes(b"no picture")
    line = ["train", "contrastive", "--pictures", str(picture_folder), "--out", str(tmp_path / "run")]
    line += ["--images", "32", "--batch", "16", "--size", "32", "--precision", "float32", "--json"]
    assert main(line) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["images"], answer["pictures"], answer["left_out"]) == (32, 48, 1)
    assert Path(answer["file"]).is_file()
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert config["config"]["batch"] == 16
    assert config["torch"] == torch.__version__
    assert main(line) == 1  # the folder holds a run already
    assert "--resume" in json.loads(capsys.readouterr().out)["hint"]
    assert main([*line, "--resume"]) == 0


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("supcon", ("--alike", "folders")),
        ("facenet", ()),
        ("dino", ()),
        ("vicreg", ("--alike", "crops")),
        ("moco_v2", ("--encoder", "timm:test_resnet")),
        ("n_pair", ("--alike", "labels", "--labels")),
    ],
)
def test_every_part_of_a_method_of_the_command_can_be_chosen(
    tmp_path: Path, method: str, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from desktop_app.cli.app import main
    from tests.training.conftest import write_pictures

    for number, name in enumerate(("anna", "ben")):
        write_pictures(tmp_path / "pictures" / name, 4, seed=number)
    table = tmp_path / "labels.csv"
    rows = [f"{name}/{n:03d}.png,{name}" for name in ("anna", "ben") for n in range(4)]
    table.write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    line = ["train", "contrastive", "--pictures", str(tmp_path / "pictures"), "--out", str(tmp_path / "run")]
    line += ["--images", "8", "--batch", "4", "--size", "32", "--precision", "float32", "--method", method]
    line += [*more, *([str(table)] if more and more[-1] == "--labels" else []), "--json"]
    assert main(line) == 0
    answer = json.loads(capsys.readouterr().out)
    embedder = load_embedder(
        ModelStore(tmp_path / "run" / "model", tmp_path), answer["model"], device=torch.device("cpu")
    )
    assert embedder.embed([np.zeros((40, 40, 3), np.uint8)]).shape == (1, embedder.embedding_size)


# --- two heads: kinds and views ------------------------------------------------------------------------


def _two_heads(folder: Path, **changes: object) -> ContrastiveTraining:
    encoder = replace(
        SMALL.encoder, widths=(8, 16, 24), blocks=(1, 1, 1), class_size=6, embedding_size=18, learned_stages=2
    )
    config = replace(_method("joint_sets"), encoder=encoder, **changes)
    return _method_training(folder, config)


def test_two_heads_learn_and_the_model_has_the_head_for_kinds(tmp_path: Path) -> None:
    training = _two_heads(tmp_path / "run", images=960)
    losses = []
    step = training._step

    def watched() -> dict[str, float]:
        stats = step()
        losses.append(stats["loss"])
        return stats

    training._step = watched  # type: ignore[method-assign]
    for _ in training.steps():
        pass
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.3
    card = write_encoder(training, ModelWords("two.heads", tmp_path / "models", "Two", "MIT", "none"))
    assert (card.config["class_size"], card.config["learned_stages"]) == (6, 2)
    store = ModelStore(tmp_path / "none", tmp_path / "models")
    rows = load_embedder(store, "two.heads", device=torch.device("cpu")).embed(
        [np.full((40, 40, 3), 90, np.uint8)]
    )
    assert rows.shape == (1, 18)


def test_only_a_part_of_the_batch_is_shown_twice(tmp_path: Path) -> None:
    training = _two_heads(tmp_path, second_views=0.25)
    first, second, kinds = training._views()
    assert (len(first), len(second), len(kinds)) == (16, 4, 16)
    batch = training._projections(first, second, kinds)
    assert batch.kind_projections is not None
    assert (len(batch.query), len(batch.key), len(batch.kinds), len(batch.kind_projections)) == (4, 4, 20, 20)
    assert torch.equal(batch.kinds[16:], kinds[:4])


def test_frozen_stages_stay_and_the_others_move(tmp_path: Path) -> None:
    training = _two_heads(tmp_path, images=32, frozen_stages=1)
    before = {k: v.clone() for k, v in training.network.encoder.named_parameters()}
    for _ in training.steps():
        pass
    moved = {
        k: not torch.equal(v, before[k])
        for k, v in training.network.encoder.named_parameters()
        if k.endswith("conv.weight")
    }
    assert {k for k, has_moved in moved.items() if not has_moved} == {
        k for k in moved if "stem." in k or "stages.0." in k
    }


def test_the_finished_encoder_is_the_average_of_the_steps(tmp_path: Path) -> None:
    training = _two_heads(tmp_path, images=64)
    for _ in training.steps():
        pass
    assert training.average is not None
    weight = "backbone.stages.1.0.first.conv.weight"
    mean = training.average.encoder.state_dict()[weight]
    assert torch.equal(training.finish().state_dict()[weight], mean)
    assert not torch.equal(training.network.encoder.state_dict()[weight], mean)


def test_a_training_begins_with_the_network_and_the_heads_of_a_model(tmp_path: Path) -> None:
    training = _two_heads(tmp_path / "run", images=32)
    for _ in training.steps():
        pass
    write_encoder(training, ModelWords("two.heads", tmp_path / "models", "Two", "MIT", "none"))
    store = ModelStore(tmp_path / "none", tmp_path / "models")
    adopted = begun_with(replace(SMALL, images=0), store.card("two.heads"))
    assert adopted.encoder.widths == (8, 16, 24) and adopted.encoder.class_size == 6
    again = ContrastiveTraining(adopted, _pictures(), RunFolder(tmp_path / "again"))
    again.start_from(store, "two.heads")
    for part in ("class_head.layers.0.weight", "backbone.stages.2.0.first.conv.weight"):
        wanted = training.average.encoder.state_dict()[part]  # type: ignore[union-attr]
        torch.testing.assert_close(again.network.encoder.state_dict()[part], wanted, atol=2e-3, rtol=2e-3)
    without = begun_with(SMALL, store.card("two.heads"))  # SimCLR has no use for the head
    assert (without.encoder.class_size, without.encoder.embedding_size) == (0, 12)


def test_smaller_stores_give_nearly_the_same_embeddings(tmp_path: Path) -> None:
    training = _two_heads(tmp_path / "run", images=160, head_hidden=64)
    for _ in training.steps():
        pass
    rows, sizes = {}, {}
    pictures, _ = training.pictures.chosen(torch.arange(12))
    images = list(pictures.permute(0, 2, 3, 1).numpy())
    for kind in ("float32", "half", "byte"):
        words = ModelWords(f"two.{kind}", tmp_path / "models", "Two", "MIT", "none")
        sizes[kind] = write_encoder(training, words, store=kind).bytes
        store = ModelStore(tmp_path / "none", tmp_path / "models")
        rows[kind] = load_embedder(store, words.name, device=torch.device("cpu")).embed(images)
    assert sizes["byte"] < sizes["half"] < 0.6 * sizes["float32"]
    assert (rows["half"] * rows["float32"]).sum(axis=1).min() > 0.9999
    assert (rows["byte"] * rows["float32"]).sum(axis=1).min() > 0.995


def test_a_model_of_fewer_stages_begins_a_larger_network(tmp_path: Path) -> None:
    small = _training(tmp_path / "small")
    write_encoder(small, ModelWords("small.one", tmp_path / "models", "Small", "MIT", "none"))
    training = _two_heads(tmp_path / "run")
    last = training.network.encoder.state_dict()["backbone.stages.2.0.first.conv.weight"].clone()
    training.start_from(ModelStore(tmp_path / "none", tmp_path / "models"), "small.one")
    state = training.network.encoder.state_dict()
    torch.testing.assert_close(
        state["backbone.stem.conv.weight"], small.network.encoder.state_dict()["backbone.stem.conv.weight"]
    )
    assert torch.equal(state["backbone.stages.2.0.first.conv.weight"], last)


def test_directions_of_kinds_are_found_after_training_of_a_finished_run(tmp_path: Path) -> None:
    training = _two_heads(tmp_path, images=64)
    for _ in training.steps():
        pass
    encoder = replace(training.config.encoder, class_head_size=6, class_size=4, embedding_size=16)
    later = _method_training(tmp_path, replace(training.config, encoder=encoder))
    assert later.restore() and later.seen == 64
    found = later.finish()
    assert isinstance(found.kind_directions.matrix, torch.Tensor)
    assert found.kind_directions.matrix.shape[1] == 4 and found.kind_directions.mean.abs().max() > 0
    pictures, _ = later.pictures.chosen(torch.arange(48))
    rows = found.branches(torch.nn.functional.interpolate(pictures.float() / 127.5 - 1, (32, 32))).kinds
    similarity = rows @ rows.T
    similarity.fill_diagonal_(-2.0)
    kinds = later.alike.kinds
    assert (kinds[similarity.argmax(dim=1)] == kinds).float().mean() > 0.7  # pairs of nearly the same
