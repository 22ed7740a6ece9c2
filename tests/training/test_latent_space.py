"""Common axes of codes, the mapping network, kinds of encoder, e4e's terms, the second domain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.engine.embed.photo_encoder import EmbeddingShape, PhotoEncoder
from desktop_app.engine.networks.resnet_small import ResNetShape
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training.card_pictures import free_files, write_card_pictures
from desktop_app.training.faces import AlignedPictures
from desktop_app.training.generator import FaceAutoencoder, GeneratorConfig, widened
from desktop_app.training.inversion_kinds import Kind, of_kind
from desktop_app.training.inversion_losses import band_energy, reconstruction_loss, texture_l1
from desktop_app.training.latent_game import (
    POOL_SIZE,
    LatentGame,
    ReplayPool,
    delta_norms,
    stage_at,
    up_to_stage,
)
from desktop_app.training.latent_space import (
    OFFSET,
    MappingTraining,
    energy_distance,
    rebase,
    single_codes,
    style_layers,
)
from desktop_app.training.mapping_run import train_mapping_run
from desktop_app.training.publish import Publication, publish_restyle
from desktop_app.training.restyle import RestyleConfig, RestyleTraining, load_autoencoder
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.samples import closest_pair, nearest_pictures, random_faces
from desktop_app.training.second_domain import SecondDomainConfig, SecondDomainTraining
from desktop_app.training.similarity_term import Similarity, load_similarity

TINY = GeneratorConfig(
    size=32,
    style_dim=8,
    n_mlp=2,
    channels={"4": 8, "8": 8, "16": 8, "32": 8},
    encoder_widths=(4, 8, 8, 16),
    encoder_units=(1, 1, 1, 1),
    encoder_px=32,
)


def _model(config: GeneratorConfig = TINY, seed: int = 0) -> FaceAutoencoder:
    torch.manual_seed(seed)
    model = FaceAutoencoder(config)
    model.w_avg.normal_()
    model.eval()
    return model.requires_grad_(False)


def _codes(count: int, rows: int, size: int) -> torch.Tensor:
    """Codes whose rows are different linear maps of one hidden code, and a little of their own."""
    random = torch.Generator().manual_seed(1)
    hidden = torch.randn(count, size, generator=random)
    maps = torch.randn(rows, size, size, generator=random)
    own = 0.05 * torch.randn(count, rows, size, generator=random)
    return torch.einsum("nd,led->nle", hidden, maps) + own + torch.randn(rows, size, generator=random)


def _run(folder: Path, model: FaceAutoencoder, config: GeneratorConfig = TINY) -> RunFolder:
    from dataclasses import asdict

    run = RunFolder(folder)
    run.save({"config": asdict(config), "average": model.state_dict()})
    return run


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Forty coloured squares with a lighter half, each its own person."""
    folder = tmp_path / "squares"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        picture = np.empty((64, 64, 3), np.uint8)
        picture[:] = random.integers(0, 200, 3)
        picture[:, 32:] += np.uint8(50)
        PillowImage.fromarray(picture).save(folder / f"{number:02d}.png")
    return folder


def test_rebased_codes_reach_the_same_pictures_and_single_codes_nearly_so() -> None:
    model = _model()
    rows = model.generator.n_latent
    codes = _codes(400, rows, 8)
    x = torch.rand(4, 3, 32, 32) * 2 - 1
    before = model.decode(codes[:4])
    residual = model.encode(x, x)
    result = rebase(model, codes)
    assert result.codes.std(dim=0) == pytest.approx(np.ones(8), abs=0.05)
    assert result.explained > 0.99
    single = model.decode(model.generator.repeat_w(result.codes[:4]))
    spread = before.std()
    assert (single - before).abs().mean() < 0.1 * spread, "one w stands for all rows"
    # the encoder's residual moves the picture as before: the mean of each row is the average code now
    moved = model.decode(model.w_avg + model.encode(x, x))
    twin = _model()
    expected = twin.decode(codes.mean(dim=0) + residual)
    assert torch.allclose(moved, expected, atol=1e-3 * float(spread))


def test_single_codes_are_those_whose_styles_are_nearest() -> None:
    model = _model()
    result = rebase(model, _codes(400, model.generator.n_latent, 8))
    again = single_codes(model, model.generator.repeat_w(result.codes))
    assert torch.allclose(again.codes, result.codes, atol=1e-2) and again.explained > 0.999
    rows = model.generator.repeat_w(result.codes[:50]).clone()
    rows[:, 3] += 0.5
    found = single_codes(model, rows).codes

    def styles(codes: torch.Tensor) -> torch.Tensor:
        return torch.cat(
            [layer(codes[:, i]) for i, row in enumerate(style_layers(model.generator)) for layer in row],
            dim=1,
        )

    best = (styles(model.generator.repeat_w(found)) - styles(rows)).square().sum()
    for nudge in (0.05, -0.05):
        worse = (styles(model.generator.repeat_w(found + nudge)) - styles(rows)).square().sum()
        assert worse > best


def test_rebase_refuses_too_few_pictures() -> None:
    with pytest.raises(UserInputError, match="too few"):
        rebase(_model(), _codes(10, 8, 8))


def test_energy_distance_is_zero_for_alike_samples_and_grows_with_the_shift() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = torch.randn(600, 4, generator=random), torch.randn(600, 4, generator=random)
    assert abs(float(energy_distance(a, b))) < 0.02
    assert float(energy_distance(a, b + 1)) > 5 * float(energy_distance(a, b + 0.2)) > 0


def test_the_mapping_network_learns_the_codes_distribution() -> None:
    model = _model()
    random = torch.Generator().manual_seed(2)
    codes = OFFSET + torch.randn(3000, 8, generator=random)
    codes[:, 0] = OFFSET + codes[:, 1:3].sub(OFFSET).sum(dim=1) / 1.5  # two axes depend on each other
    training = MappingTraining(model.generator, codes, torch.ones(8), iterations=500)
    drawn_before = model.generator.map_z(torch.randn(2000, 8, generator=random))
    for _ in training.steps(batch=128):
        pass
    drawn = model.generator.map_z(torch.randn(2000, 8, generator=random))
    before, after = (float(energy_distance(d, codes[:2000])) for d in (drawn_before, drawn))
    assert after < 0.15 and after < 0.1 * before
    seen = torch.corrcoef(drawn[:, :2].T)[0, 1]
    assert seen == pytest.approx(float(torch.corrcoef(codes[:, :2].T)[0, 1]), abs=0.2)


def test_widened_encoder_computes_the_same() -> None:
    narrow = _model()
    wide_config = replace(TINY, encoder_widths=(4, 12, 10, 16))
    wide = _model(wide_config, seed=5)
    state = wide.state_dict()
    wide.load_state_dict({k: widened(v, state.get(k)) for k, v in narrow.state_dict().items()})
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(wide.encode(x, -x), narrow.encode(x, -x), atol=1e-5)
    assert any(a.shape != b.shape for a, b in zip(state.values(), narrow.state_dict().values(), strict=True))


def test_kinds_start_from_the_encoder_that_is_there() -> None:
    model = _model()
    x = torch.rand(4, 3, 32, 32)
    config, same = of_kind(TINY, model, Kind.PSP, x)
    assert config is TINY and same is model
    config, e4e = of_kind(TINY, model, Kind.E4E, x)
    codes = e4e.eval().encode(x, x)
    assert config.encoder_type == "ResNetProgressiveBackboneEncoder"
    assert torch.equal(codes, codes[:, :1].expand_as(codes)), "the differences start at zero"
    rows = model.encode(x, x)
    assert any(torch.allclose(codes[:, 0], rows[:, i], atol=1e-6) for i in range(rows.shape[1]))
    config, single = of_kind(TINY, model, Kind.ONE_PASS, x)
    single.eval()
    assert config.shape().input_nc == 3
    assert torch.equal(single.encode(x, x), single.encode(x, -x)), "it sees the photo alone"


def test_stages_begin_with_one_code_and_end_with_all_rows() -> None:
    stages = [stage_at(i / 100, 8) for i in range(101)]
    assert stages[0] == stages[14] == 0 and stages[15] == 1 and stages[60] == stages[100] == 7
    assert stages == sorted(stages) and set(stages) == set(range(8))
    residual = torch.randn(2, 8, 4)
    cut = up_to_stage(residual, 3)
    assert torch.equal(cut[:, :4], residual[:, :4])
    assert torch.equal(cut[:, 4:], residual[:, :1].expand(-1, 4, -1))
    assert torch.equal(up_to_stage(residual, 7), residual)
    plain = sum(np.linalg.norm((residual[:, i] - residual[:, 0]).numpy(), axis=1).mean() for i in (1, 2, 3))
    assert float(delta_norms(residual, 3)) == pytest.approx(plain, rel=1e-4)
    assert float(delta_norms(residual, 0)) == 0


def test_the_latent_discriminator_tells_codes_apart_and_the_pool_keeps_fifty() -> None:
    model = _model()
    game = LatentGame(model.generator, torch.Generator().manual_seed(0))
    game.optimiser.param_groups[0]["lr"] = 3e-3
    far = model.generator.repeat_w(torch.full((16, 8), 9.0))
    losses = [game.learn(far, 7) for _ in range(150)]
    assert np.mean(losses[:5]) > 1.2 and np.mean(losses[-10:]) < 0.7
    near = model.generator.repeat_w(model.generator.map_z(torch.randn(16, 8)))
    assert game.encoder_term(far, 7).item() > game.encoder_term(near, 7).item() + 0.5
    pool = ReplayPool()
    random = torch.Generator().manual_seed(0)
    for step in range(8):
        shown = pool.exchange(torch.full((16, 2), float(step)), random)
    assert len(pool.codes) == POOL_SIZE and len(shown) == 16
    assert 0 < (shown[:, 0] < 7).float().mean() < 1, "some of those shown are older"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "steps"), [(Kind.E4E, 2), (Kind.ONE_PASS, 1)])
def test_kinds_train_resume_bit_exactly_and_publish(
    tmp_path: Path, squares: Path, kind: Kind, steps: int
) -> None:
    source = _run(tmp_path / "source", _model())
    config = RestyleConfig(kind=kind, steps=steps, passes=16 * steps, batch=4)

    def training(name: str) -> RestyleTraining:
        return RestyleTraining(config, source, squares, RunFolder(tmp_path / name))

    whole = training("whole")
    for _ in whole.train():
        pass
    first = training("parts")
    items = first.train()
    next(items)
    next(items)
    first.save()
    second = training("parts")
    assert second.restore()
    for _ in second.train():
        pass
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    words = Publication("kind.test", tmp_path / "models", "Test", "none", "squares")
    card = publish_restyle(RunFolder(tmp_path / "whole"), squares, words)
    expected = {
        Kind.E4E: ("ResNetProgressiveBackboneEncoder", 6),
        Kind.ONE_PASS: ("ResNetBackboneEncoder", 3),
    }
    assert (card.config["encoder"]["type"], card.config["encoder"]["input_nc"]) == expected[kind]


def test_a_one_pass_encoder_has_one_step(tmp_path: Path, squares: Path) -> None:
    source = _run(tmp_path / "source", _model())
    config = RestyleConfig(kind=Kind.ONE_PASS, steps=5)
    with pytest.raises(UserInputError, match="one step"):
        RestyleTraining(config, source, squares, RunFolder(tmp_path / "run"))


@pytest.mark.slow
def test_a_mapping_run_writes_samples_and_can_be_trained_on(tmp_path: Path, squares: Path) -> None:
    source = _run(tmp_path / "source", _model())
    out = RunFolder(tmp_path / "mapped")
    *_, figures = train_mapping_run(source, squares, out, iterations=20)
    assert isinstance(figures, dict)
    assert 0 < figures["explained by single codes"] <= 1
    assert figures["distance of held-out people to the nearest training picture, median"] > 0
    assert (out.folder / "samples.png").is_file() and (out.folder / "nearest.png").is_file()
    _, model = load_autoencoder(out)
    assert torch.equal(model.w_avg, torch.full((8,), OFFSET))
    with pytest.raises(UserInputError, match="folder of its own"):
        next(train_mapping_run(source, squares, source, iterations=1))


def test_memorised_pictures_are_found_mirrored_or_not() -> None:
    training = torch.rand(20, 3, 32, 32) * 2 - 1
    shown = torch.stack([training[3], training[7].flip(2), torch.zeros(3, 32, 32)])
    near = nearest_pictures(shown, training)
    assert near.index[:2].tolist() == [3, 7]
    assert near.distance[0] < 1e-6 and near.distance[1] < 1e-6 and near.distance[2] > 0.1
    assert closest_pair(training) > 0.1
    assert closest_pair(torch.cat([training, training[:1]])) < 1e-6


def test_truncated_samples_are_reproducible_and_nearer_to_the_average() -> None:
    generator = _model().generator
    near, again = (random_faces(generator, 8, psi=0.2, seed=4) for _ in range(2))
    far = random_faces(generator, 8, psi=1.0, seed=4)
    assert torch.equal(near, again)
    assert near.std(dim=0).mean() < far.std(dim=0).mean()


@pytest.mark.slow
def test_a_second_domain_keeps_the_codes_and_resumes_bit_exactly(tmp_path: Path, squares: Path) -> None:
    source = _run(tmp_path / "source", _model())
    config = SecondDomainConfig(images=96, batch=8, rate=0.02)

    def training(name: str) -> SecondDomainTraining:
        return SecondDomainTraining(config, source, squares, RunFolder(tmp_path / name))

    whole = training("whole")
    before = whole.evaluate()
    for _ in whole.train():
        pass
    assert whole.evaluate() < before
    first = training("parts")
    items = first.train()
    while first.seen < 40:
        next(items)
    first.save()
    second = training("parts")
    assert second.restore()
    for _ in second.train():
        pass
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    _, start = load_autoencoder(source)
    for key, value in start.state_dict().items():
        if not key.startswith("generator.") or key.startswith("generator.style."):
            assert torch.equal(value, whole.model.state_dict()[key]), f"must stand still: {key}"
    restyle = RestyleTraining(
        RestyleConfig(steps=1, passes=4, batch=4),
        RunFolder(tmp_path / "whole"),
        squares,
        RunFolder(tmp_path / "restyle"),
    )
    assert restyle.generator_config.filter == "toon"


def test_similarity_pulls_pictures_together_and_refuses_other_networks() -> None:
    torch.manual_seed(0)
    encoder = PhotoEncoder(
        ResNetShape(widths=(8, 8), blocks=(1, 1)), EmbeddingShape(size=8, pool_power=1.0)
    ).eval()
    term = Similarity(encoder, 16)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    y = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    assert float(term.distance(x, x)) == pytest.approx(0.0, abs=1e-5)
    first = term.distance(y, x)
    (slope,) = torch.autograd.grad(first, y)
    assert term.distance(y - 0.5 * slope / slope.abs().max(), x).item() < first.item()
    builtin = Path(__file__).resolve().parents[2] / "resources" / "models"
    with pytest.raises(WeightsError, match="cannot guide"):
        load_similarity(ModelStore(builtin, builtin), "restyle_psp.builtin", dtype=torch.float32)


@pytest.mark.slow
def test_a_card_shows_only_pictures_that_are_free(tmp_path: Path, squares: Path) -> None:
    names = sorted(file.name for file in squares.glob("*.png"))
    lines = ["file,person,split,licence"]
    for number, name in enumerate(names):
        split = "val" if number % 2 else "train"
        lines.append(f"{name},p{number},{split},{'CC0 1.0' if number < 24 else 'CC-BY 4.0'}")
    (squares / "index.csv").write_text("\n".join(lines), encoding="utf-8")
    assert free_files(squares, "val") == set(names[1:24:2])
    pictures = AlignedPictures(squares, "val", size=32)
    model = _model()
    target = tmp_path / "m.test"
    files = write_card_pictures(model, pictures, squares, target, draws=True)
    assert [file.name for file in files] == ["m.test.steps.jpg", "m.test.worst.jpg", "m.test.samples.jpg"]
    with PillowImage.open(files[0]) as sheet:
        assert sheet.size == (8 * 128, 6 * 128)
        first = np.asarray(sheet.crop((0, 0, 128, 128))).astype(float).mean(axis=(0, 1))
    expected = (pictures.fixed(1)[0].mean(dim=(1, 2)) + 1) * 127.5
    assert np.abs(first - expected.numpy()).max() < 3, "the photo stands above its steps"
    (squares / "index.csv").write_text("\n".join(lines).replace("CC0", "CC-BY"), encoding="utf-8")
    assert not write_card_pictures(model, pictures, squares, target, draws=False)


def test_texture_term_asks_for_detail_wherever_it_lies() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 64, 64) * 0.3
    moved = x.roll(1, dims=3)
    flat = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(x, (2, 2, 2, 2)), 5, 1)
    assert texture_l1(x, x).item() == 0
    assert texture_l1(moved, x).item() < 0.2 * texture_l1(flat, x).item(), "a moved edge is no lack of detail"
    energy = band_energy(x)
    assert energy.shape == (2, 1, 15, 15)
    window = x[0, :, 8:16, 12:20]
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    mean = torch.stack(
        [padded[0, :, 8 + i : 16 + i, 12 + j : 20 + j] for i in range(3) for j in range(3)]
    ).mean(dim=0)
    plain = float(((window - mean).square().mean() + 1e-5).sqrt())
    assert energy[0, 0, 2, 3].item() == pytest.approx(plain, rel=1e-4)
    assert reconstruction_loss(flat, x, texture=2.0).item() == pytest.approx(
        reconstruction_loss(flat, x).item() + 2 * texture_l1(flat, x).item(), rel=1e-5
    )
