"""LPIPS in one file or two, and VGG16 in both published layouts: recognised, converted, used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.errors import WeightsError
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import Settings
from desktop_app.core.types import ImportedModel, ImportModelRequest
from desktop_app.engine.metrics.lpips import lpips_each, missing_part
from desktop_app.engine.networks.lpips_net import WIDTHS, Lpips
from desktop_app.engine.networks.vgg16 import Vgg16Features
from desktop_app.engine.weights.convert_perceptual import RGB_MEAN, RGB_STD
from desktop_app.jobs import import_model
from desktop_app.jobs.services import Services
from tests.library import drive


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    paths = paths_below(tmp_path / "app")
    opened = Services(paths, Settings(), paths.library)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    torch.manual_seed(0)
    network = Lpips().eval().requires_grad_(False)
    for head in network.lin:
        head[1].weight.abs_()  # type: ignore[index, operator, union-attr]
    return network


def alexnet_of(network: Lpips) -> dict[str, Tensor]:
    state = {f"features.{k}": v for k, v in network.net.layers.state_dict().items()}
    return state | {"classifier.1.weight": torch.randn(4, 4), "classifier.1.bias": torch.randn(4)}


def heads_of(network: Lpips) -> dict[str, Tensor]:
    return {f"lin{k}.model.1.weight": network.state_dict()[f"lin.{k}.1.weight"] for k in range(5)}


def vgg16_of(prefix: str) -> tuple[Vgg16Features, dict[str, Tensor]]:
    torch.manual_seed(1)
    network = Vgg16Features().eval().requires_grad_(False)
    state = {key.replace("features.", prefix): value for key, value in network.state_dict().items()}
    for number in (24, 26, 28):
        state[f"{prefix}{number}.weight"] = torch.randn(2, 2, 3, 3)
        state[f"{prefix}{number}.bias"] = torch.randn(2)
    return network, state


def imported(content: object, file: Path, services: Services) -> ImportedModel:
    torch.save(content, file)
    _, answer = drive(import_model.run(ImportModelRequest(file), services))
    assert isinstance(answer, ImportedModel)
    return answer


def pair() -> Tensor:
    return torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize("heads_first", [True, False])
def test_two_parts_become_lpips_and_the_missing_one_is_named(
    services: Services, lpips: Lpips, tmp_path: Path, heads_first: bool
) -> None:
    heads, alexnet = (heads_of(lpips), "alex.pth"), (alexnet_of(lpips), "alexnet-owt.pth")
    first, second = (heads, alexnet) if heads_first else (alexnet, heads)
    answer = imported(first[0], tmp_path / first[1], services)
    missing = "AlexNet is missing" if heads_first else "the heads of LPIPS are missing"
    assert missing in answer.notes[-1]
    assert missing_part(services.models) == answer.notes[-1]
    assert services.faces.lpips() is None
    answer = imported(second[0], tmp_path / second[1], services)
    assert answer.notes == () and missing_part(services.models) == ""
    network = services.faces.lpips()
    assert network is not None
    assert torch.equal(lpips_each(network, *pair()), lpips_each(lpips, *pair()))


def test_lpips_in_one_file_as_its_package_saves_it(services: Services, lpips: Lpips, tmp_path: Path) -> None:
    slices = dict(zip((0, 3, 6, 8, 10), range(1, 6), strict=True))
    state = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1), "scaling_layer.scale": torch.ones(1, 3, 1, 1)}
    for key, value in lpips.net.layers.state_dict().items():
        state[f"net.slice{slices[int(key.split('.')[0])]}.{key}"] = value
    state |= heads_of(lpips)
    state |= {f"lins.{k}.model.1.weight": state[f"lin{k}.model.1.weight"] for k in range(5)}
    assert imported(state, tmp_path / "lpips.pth", services).notes == ()
    network = services.faces.lpips()
    assert network is not None
    assert torch.equal(lpips_each(network, *pair()), lpips_each(lpips, *pair()))


def test_heads_for_vgg_and_cut_networks_are_refused(services: Services, lpips: Lpips, tmp_path: Path) -> None:
    vgg = {f"lin{k}.model.1.weight": torch.rand(1, n, 1, 1) for k, n in enumerate((64, 128, 256, 512, 512))}
    with pytest.raises(WeightsError, match="heads of LPIPS for VGG16"):
        imported(vgg, tmp_path / "vgg.pth", services)
    cut = {key: value for key, value in alexnet_of(lpips).items() if not key.startswith("features.3")}
    with pytest.raises(WeightsError, match="does not fit AlexNet"):
        imported(cut, tmp_path / "cut.pth", services)
    assert len(WIDTHS) == 5 and services.faces.lpips() is None


def test_vgg16_of_idinvert_is_used_as_it_is(services: Services, tmp_path: Path) -> None:
    network, state = vgg16_of("layer")
    assert imported(state, tmp_path / "vgg16.pth", services).notes == ()
    found = services.faces.vgg16()
    assert found is not None
    assert torch.equal(found(pair()[0]), network(pair()[0]))


def test_vgg16_of_torchvision_answers_as_torchvision_does(services: Services, tmp_path: Path) -> None:
    network, state = vgg16_of("features.")
    assert "weighs less" in imported(state, tmp_path / "vgg16-397923af.pth", services).notes[0]
    found = services.faces.vgg16()
    assert found is not None
    x = pair()[0]
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (RGB_MEAN, RGB_STD))
    first = network.features[0]
    expected = F.conv2d(((x + 1) / 2 - mean) / std, first.weight, first.bias)  # type: ignore[arg-type]
    values = (x.flip(1) + 1) * 127.5 - found.mean
    ours = F.conv2d(values, found.features[0].weight, found.features[0].bias)  # type: ignore[arg-type]
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
