"""The recorded pass: equal to the plain one on CUDA, never used on a CPU, given up cleanly."""

from __future__ import annotations

import logging
from itertools import islice

import numpy as np
import pytest
import torch

from desktop_app.engine.invert.cuda_graph import PassGraphs, is_tuned, weights_mark
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.refine import attached, fresh_delta
from desktop_app.engine.invert.restyle import invert, passes, plain_pass, prepare
from tests.engine.tiny_models import tiny_model, tiny_picture

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def start_of(model: InversionModel) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = prepare(model, tiny_picture(tiny_model()))
    return x, model.average_image, model.average_codes(1)


def on_cuda() -> InversionModel:
    model = tiny_model()
    device = torch.device("cuda")
    for network in (model.generator, model.encoder):
        network.to(device)
    model.w_avg, model.device = model.w_avg.to(device), device
    model.__post_init__()
    return model


def test_on_a_cpu_the_loop_is_the_plain_pass_to_the_last_bit() -> None:
    model = tiny_model()
    inputs = start_of(model)
    with torch.inference_mode():
        first = plain_pass(model, *inputs)
        second = plain_pass(model, inputs[0], model.pool(first[1]), first[0])
        looped = list(islice(passes(model, inputs[0]), 2))
    for expected, found in zip((first, second), looped, strict=True):
        assert torch.equal(found.w_plus, expected[0]) and torch.equal(found.y_hat, expected[1])
    assert len(model.graphs) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="recording works here")
def test_a_failed_recording_falls_back_once_and_says_so(expected_log: list[logging.LogRecord]) -> None:
    model, graphs = tiny_model(), PassGraphs()
    inputs = start_of(model)
    with torch.inference_mode():
        expected = plain_pass(model, *inputs)
        for _ in range(2):
            found = graphs.run(plain_pass, model, inputs)
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    (line,) = expected_log
    assert line.getMessage().startswith("no CUDA graph for 'tiny.")
    assert len(graphs) == 0


def test_a_tuned_generator_and_changed_weights_are_noticed() -> None:
    model = tiny_model()
    mark = weights_mark(model)
    assert mark == weights_mark(model) and not is_tuned(model)
    with attached(fresh_delta(model, rank=1, seed=0), model.generator):
        assert is_tuned(model)
    with torch.no_grad():
        next(model.encoder.parameters()).mul_(1.5)
    assert weights_mark(model) != mark


@needs_cuda
def test_graph_and_plain_pass_agree() -> None:
    model = on_cuda()
    inputs = start_of(model)
    for estimate in (inputs[1], inputs[1] * 0.5):  # the second one is a replay with other numbers
        now = (inputs[0], estimate, inputs[2])
        with torch.inference_mode():
            expected = plain_pass(model, *now)
            found = model.graphs.run(plain_pass, model, now, dtype=torch.float32)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert len(model.graphs) == 1


@needs_cuda
def test_the_loop_on_cuda_uses_a_graph_in_short_precision() -> None:
    model, picture = on_cuda(), tiny_picture(tiny_model())
    found = list(invert(model, picture, steps=3))
    assert len(model.graphs) == 1 and model.dtype is torch.float32
    exact = list(invert(tiny_model(), picture, steps=3))
    for one, other in zip(found, exact, strict=True):
        assert np.abs(one.y_hat.astype(int) - other.y_hat.astype(int)).mean() < 4
