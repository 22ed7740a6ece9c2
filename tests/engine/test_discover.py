"""Closed-form and principal directions against plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from desktop_app.engine.edit.discover import factorise, parse_layers, principal_directions


def test_factorisation_finds_the_direction_all_filters_share() -> None:
    shared = torch.nn.functional.normalize(torch.arange(1.0, 9.0), dim=0)
    torch.manual_seed(0)
    signs = torch.randn(40, 1).sign()
    found = factorise([signs * shared + 0.05 * torch.randn(40, 8)])
    assert abs(float(found.directions[0] @ shared.numpy())) > 0.99
    assert (np.diff(found.eigenvalues) <= 1e-9).all()
    assert found.directions @ found.directions.T == pytest.approx(np.eye(8), abs=1e-5)


def test_factorisation_of_some_layers_uses_only_those() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(6, 5) for _ in range(3)]
    alone = factorise([weights[1]])
    assert factorise(weights, [1]).directions == pytest.approx(alone.directions)
    with pytest.raises(ValueError, match="layers"):
        factorise(weights, [3])


def test_signs_do_not_depend_on_the_run() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(6, 5)]
    found = factorise(weights).directions
    assert (np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1) > 0).all()


@pytest.mark.parametrize("shape", [(7,), (3, 7)])
def test_principal_directions_have_unit_length_and_the_spread_of_the_codes(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    axis = rng.normal(size=shape)
    axis /= np.linalg.norm(axis)
    codes = (5 + 3 * rng.normal(size=(400, *([1] * len(shape)))) * axis).astype(np.float32)
    codes += rng.normal(scale=0.1, size=codes.shape).astype(np.float32)
    found = principal_directions(codes, 2)
    assert abs(float((found.components[0] * axis).sum())) > 0.999
    assert found.std[0] == pytest.approx(3, rel=0.1)
    assert found.explained[0] > 0.9
    norms = np.sqrt((found.components**2).reshape(2, -1).sum(axis=1))
    assert norms == pytest.approx([1, 1], abs=1e-5)
    coordinates = ((codes - found.mean) * found.components[0]).reshape(400, -1).sum(axis=1)
    assert coordinates.std(ddof=1) == pytest.approx(float(found.std[0]), rel=1e-3)


def test_too_few_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="two codes"):
        principal_directions(np.zeros((1, 4), dtype=np.float32), 2)
    assert len(principal_directions(np.random.default_rng(0).normal(size=(3, 4)), 9).components) == 2


@pytest.mark.parametrize(("text", "layers"), [("all", (0, 1, 2, 3)), ("2", (2,)), ("0-1,3", (0, 1, 3))])
def test_layers_are_read(text: str, layers: tuple[int, ...]) -> None:
    assert parse_layers(text, 4) == layers


@pytest.mark.parametrize("text", ["", "4", "-1", "x", "1-9"])
def test_wrong_layers_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_layers(text, 4)
