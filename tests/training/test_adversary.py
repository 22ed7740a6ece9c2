"""The discriminator learns, and its augmentation adapts."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from desktop_app.engine.networks.discriminator import Discriminator
from desktop_app.training.adversary import Adversary, AdversaryWeights, mixed_rows, usual_r1
from desktop_app.training.augment import EVERY, MOST, AdaptiveProbability, augmented

WIDTHS = {4: 16, 8: 16, 16: 16, 32: 8, 64: 8, 128: 8}
SIZE = 16


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _pictures(count: int, random: torch.Generator, *, blur: int = 1, size: int = SIZE) -> Tensor:
    noise = torch.rand(count, 3, size, size, generator=random) * 2 - 1
    return F.avg_pool2d(F.pad(noise, (blur,) * 4, mode="reflect"), 2 * blur + 1, 1)


def _adversary(**changes: float) -> Adversary:
    torch.manual_seed(0)
    weights = AdversaryWeights(r1=usual_r1(SIZE, 16))
    return Adversary(SIZE, WIDTHS, weights=replace(weights, **changes), random=_random())  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [16, 128])
def test_scores_of_an_untrained_discriminator_differ_at_every_size(size: int) -> None:
    torch.manual_seed(0)
    network = Discriminator(size, WIDTHS)
    coarse = F.interpolate(2 * _pictures(8, _random(), size=8), size=size, mode="bilinear")
    with torch.no_grad():
        scores, features = network(coarse)
    assert scores.std() > 0.02, "the signal must not die on its way through the layers"
    assert all(0.1 < feature.std() < 10 for feature in features)


def test_it_separates_sharp_from_blurred_pictures_within_eighty_steps() -> None:
    adversary, random = _adversary(), _random(1)
    first = adversary.learn(2 * _pictures(16, random), 2 * _pictures(16, random, blur=3))
    for _ in range(79):
        stats = adversary.learn(2 * _pictures(16, random), 2 * _pictures(16, random, blur=3))
    assert first["d_loss"] == pytest.approx(1.386, abs=0.2), "it starts at chance"
    assert stats["d_right"] >= 0.9 and stats["d_loss"] < 0.9, stats
    with torch.no_grad():
        real, _ = adversary.network(2 * _pictures(32, random))
        fake, _ = adversary.network(2 * _pictures(32, random, blur=3))
    assert real.mean() - fake.mean() > 1


def test_its_gradient_sharpens_pictures() -> None:
    adversary, random = _adversary(matching=0.0, adversarial=1.0, mixing=0.0), _random(2)
    for _ in range(40):
        adversary.learn(2 * _pictures(16, random), 2 * _pictures(16, random, blur=3))
    soft = (2 * _pictures(8, random, blur=3)).requires_grad_(True)
    codes = torch.zeros(8, 4, 2)
    before = soft.detach().diff(dim=3).abs().mean()
    terms, _ = adversary.generator_terms(soft, soft, codes=codes, decode=lambda w: soft)
    (slope,) = torch.autograd.grad(terms, soft)
    sharper = soft.detach() - 0.1 * slope / slope.abs().mean()
    assert sharper.diff(dim=3).abs().mean() > before


def test_half_precision_scores_alike_and_leaves_scores_and_penalty_exact() -> None:
    torch.manual_seed(0)
    network = Discriminator(32, WIDTHS)
    x = 2 * _pictures(8, _random(), size=32)
    with torch.no_grad():
        exact, exact_features = network(x)
        half, half_features = network(x, torch.bfloat16)
    assert half.dtype == torch.float32 and all(f.dtype == torch.float32 for f in half_features)
    assert not torch.equal(half, exact), "the blocks are computed in half precision"
    assert (half - exact).abs().max() < 0.05 * max(1.0, float(exact.std()))
    assert all((h - e).abs().mean() < 0.02 for h, e in zip(half_features, exact_features, strict=True))


def test_it_learns_in_half_precision_with_its_penalty_in_full() -> None:
    torch.manual_seed(0)
    weights = AdversaryWeights(r1=usual_r1(SIZE, 16))
    adversary, random = (
        Adversary(SIZE, WIDTHS, weights=weights, random=_random(), dtype=torch.bfloat16),
        _random(1),
    )
    asked: list[torch.dtype] = []
    adversary.network.register_forward_pre_hook(lambda _, args: asked.append(args[1]))
    for _ in range(80):
        stats = adversary.learn(2 * _pictures(16, random), 2 * _pictures(16, random, blur=3))
    assert stats["d_right"] >= 0.9 and stats["d_loss"] < 0.9, stats
    assert asked[:4] == [torch.float32, torch.bfloat16, torch.bfloat16, torch.bfloat16]


def test_as_many_mixed_pictures_are_drawn_as_are_judged_by_both() -> None:
    adversary, random = _adversary(mixing=1.0), _random(2)
    x = _pictures(8, random)
    drawn: list[Tensor] = []

    def decode(codes: Tensor) -> Tensor:
        drawn.append(codes)
        return codes.mean(dim=(1, 2)).view(-1, 1, 1, 1) + torch.zeros(len(codes), 3, SIZE, SIZE)

    codes = torch.randn(8, 6, 2, generator=random).requires_grad_(True)
    terms, _ = adversary.generator_terms(x, x, codes=codes, decode=decode)
    assert [len(one) for one in drawn] == [4]
    (slope,) = torch.autograd.grad(terms, codes)
    assert slope.abs().sum() > 0
    judged: list[Tensor] = []
    adversary.network.register_forward_pre_hook(lambda _, args: judged.append(args[0]))
    adversary.learn(x, x)
    fake = judged[1]
    assert torch.equal(fake[:4], x[:4]) and torch.equal(fake[4:], decode(drawn[0]).detach())


def test_probability_rises_when_the_training_set_is_known_by_heart() -> None:
    adversary, random = _adversary(r1=0.0), _random(3)
    few = 2 * _pictures(8, random)
    for _ in range(60):
        adversary.learn(few, 3 * _pictures(8, random, blur=2))
    assert adversary.chance.p > 0
    still = _adversary(r1=0.0, adapts=False)  # type: ignore[arg-type]
    for _ in range(8):
        still.learn(few, 3 * _pictures(8, random, blur=2))
    assert still.chance.p == 0


def test_probability_follows_the_signs_of_real_scores() -> None:
    chance = AdaptiveProbability()
    for _ in range(EVERY * 3):
        chance.observe(torch.ones(1000))
    risen = chance.p
    assert risen == pytest.approx(3 * 1000 * EVERY / 50_000)
    for _ in range(EVERY):
        chance.observe(torch.tensor([1.0, -1.0]).repeat(500))  # a mean sign of 0 is below the aim
    assert chance.p < risen
    for _ in range(EVERY * 30):
        chance.observe(torch.ones(1000))
    assert chance.p == MOST
    other = AdaptiveProbability()
    other.restore(chance.state())
    assert other.p == chance.p


def test_augmentation_changes_a_share_of_the_pictures_and_repeats_itself() -> None:
    x = _pictures(256, _random(4))
    assert augmented(x, 0.0, _random()) is x
    assert torch.equal(augmented(x, 0.3, _random(5)), augmented(x, 0.3, _random(5)))
    light = (augmented(x, 0.02, _random(6)) - x).abs().amax(dim=(1, 2, 3)) > 1e-4
    heavy = (augmented(x, 0.8, _random(6)) - x).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert 0.02 < light.float().mean() < 0.4 and heavy.float().mean() > 0.95
    assert augmented(x, 0.8, _random(6)).shape == x.shape


def test_gradients_flow_through_augmentation() -> None:
    x = _pictures(6, _random(7)).requires_grad_(True)
    augmented(x, 0.9, _random(8)).square().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.isfinite().all()
    assert (x.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_mixed_codes_take_their_later_rows_from_the_next_face() -> None:
    codes = torch.arange(3.0).view(3, 1, 1).expand(3, 6, 2)
    mixed = mixed_rows(codes, _random(9))
    assert (mixed[:, 0] == codes[:, 0]).all() and (mixed[:, -1] == codes.roll(1, 0)[:, -1]).all()
    changes = (mixed[1:, 1:] != mixed[1:, :-1]).any(dim=2).sum(dim=1)
    assert (changes == 1).all()


def test_it_goes_on_as_if_it_had_not_stopped() -> None:
    def batches(seed: int) -> list[tuple[Tensor, Tensor]]:
        random = _random(seed)
        return [(2 * _pictures(8, random), 3 * _pictures(8, random, blur=2)) for _ in range(20)]

    whole = _adversary(r1=1.0)
    for real, fake in batches(10):
        whole.learn(real, fake)
    first = _adversary(r1=1.0)
    for real, fake in batches(10)[:9]:
        first.learn(real, fake)
    second = _adversary(r1=1.0)
    second.restore(first.state())
    second._random.set_state(first._random.get_state())
    for real, fake in batches(10)[9:]:
        second.learn(real, fake)
    for key, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[key]), key
    assert whole.chance.state() == second.chance.state()


def test_a_checkpoint_without_it_leaves_it_untrained(expected_log: list[logging.LogRecord]) -> None:
    adversary = _adversary()
    before = {k: v.clone() for k, v in adversary.network.state_dict().items()}
    adversary.restore(None)
    assert "untrained" in expected_log[0].getMessage()
    assert all(torch.equal(v, before[k]) for k, v in adversary.network.state_dict().items())
