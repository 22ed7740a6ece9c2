"""Metrics against slow formulas, and their behaviour where weights are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.metrics import identity
from desktop_app.engine.metrics.codes import delta_norm, row_spread, w_norm
from desktop_app.engine.metrics.identity import contrastive_meter, identity_meter, load_recognition
from desktop_app.engine.metrics.l2 import l2, l2_each
from desktop_app.engine.metrics.lpips import comparable, load_lpips, lpips_each
from desktop_app.engine.metrics.ms_ssim import level_count, ms_ssim_each
from desktop_app.engine.networks.arcface import ArcFace, curricular_face, face_part
from desktop_app.engine.networks.lpips_net import Lpips, convert_published
from desktop_app.engine.networks.vgg16 import Vgg16Features
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model

PAIR = torch.rand(2, 1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def slow_ssim_means(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Means of contrast-structure and of full SSIM of one channel, window by window."""
    taps = np.array([math.exp(-((k - 5) ** 2) / (2 * 1.5**2)) for k in range(11)])
    window = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    contrasts, wholes = [], []
    for top in range(y.shape[0] - 10):
        for left in range(y.shape[1] - 10):
            a, b = y[top : top + 11, left : left + 11], x[top : top + 11, left : left + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            contrast = (2 * cov + c2) / (va + vb + c2)
            contrasts.append(contrast)
            wholes.append(contrast * (2 * ma * mb + c1) / (ma**2 + mb**2 + c1))
    return float(np.mean(contrasts)), float(np.mean(wholes))


def test_ms_ssim_equals_its_definition_on_two_levels() -> None:
    base = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1
    y, x = 0.8 * base + 0.2 * PAIR[0], base
    weights = np.array([0.0448, 0.2856]) / (0.0448 + 0.2856)
    expected = []
    for channel in range(3):
        a, b = y[0, channel].double().numpy(), x[0, channel].double().numpy()
        contrast, _ = slow_ssim_means(a, b)
        half = [v.reshape(12, 2, 12, 2).mean(axis=(1, 3)) for v in (a, b)]
        _, whole = slow_ssim_means(*half)
        expected.append(contrast ** weights[0] * whole ** weights[1])
    assert float(ms_ssim_each(y, x)) == pytest.approx(float(np.mean(expected)), abs=1e-4)


def test_ms_ssim_is_one_for_equal_pictures_and_falls_with_noise() -> None:
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    noise = torch.randn(2, 3, 64, 64)
    values = [ms_ssim_each((x + s * noise).clamp(-1, 1), x) for s in (0.0, 0.1, 0.4)]
    assert torch.allclose(values[0], torch.ones(2), atol=1e-5)
    assert bool((values[1] < values[0]).all()) and bool((values[2] < values[1]).all())


def test_ms_ssim_has_a_finite_gradient_where_nothing_agrees() -> None:
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    y = (-x).clone().requires_grad_(True)
    ms_ssim_each(y, x).sum().backward()
    assert y.grad is not None and bool(y.grad.isfinite().all())


@pytest.mark.parametrize(("side", "levels"), [(256, 5), (176, 5), (175, 4), (64, 3), (32, 2), (11, 1)])
def test_levels_follow_the_size(side: int, levels: int) -> None:
    assert level_count(side) == levels


def test_pictures_below_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="11 px"):
        level_count(10)


def test_l2_is_the_mean_of_squares() -> None:
    y, x = PAIR
    by_hand = float(((y.numpy() - x.numpy()) ** 2).mean())
    assert l2(y, x) == pytest.approx(by_hand, rel=1e-6)
    assert l2_each(torch.cat([y, x]), torch.cat([x, x]))[1] == 0


def tiny_lpips() -> Lpips:
    torch.manual_seed(2)
    network = Lpips((3, 4, 5, 4, 3)).eval().requires_grad_(False)
    for head in network.lin:
        head[1].weight.abs_()  # type: ignore[index, union-attr, operator]
    return network


def slow_lpips(network: Lpips, y: Tensor, x: Tensor) -> float:
    total = 0.0
    taps_y, taps_x = ([], [])
    for image, taps in ((y, taps_y), (x, taps_x)):
        v = (image - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / torch.tensor(
            [0.458, 0.448, 0.450]
        ).view(1, 3, 1, 1)
        for layer in network.net.layers:
            v = layer(v)
            if isinstance(layer, torch.nn.ReLU):
                taps.append(v[0].numpy())
    for a, b, head in zip(taps_y, taps_x, network.lin, strict=True):
        weight = head[1].weight[0, :, 0, 0].numpy()  # type: ignore[index, union-attr]
        a = a / (np.sqrt((a**2).sum(axis=0)) + 1e-10)
        b = b / (np.sqrt((b**2).sum(axis=0)) + 1e-10)
        total += float(((a - b) ** 2 * weight[:, None, None]).sum(axis=0).mean())
    return total


def test_lpips_equals_its_definition() -> None:
    network = tiny_lpips()
    y, x = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    assert float(lpips_each(network, y, x)) == pytest.approx(slow_lpips(network, y, x), rel=1e-4)
    assert float(lpips_each(network, x, x)) == 0


def test_lpips_compares_at_256_px_at_most_and_32_at_least() -> None:
    assert comparable(torch.zeros(1, 3, 1024, 1024)).shape[-1] == 256
    assert comparable(torch.zeros(1, 3, 384, 512)).shape[-2:] == (256, 341)
    assert comparable(torch.zeros(1, 3, 16, 16)).shape[-1] == 32


def test_published_lpips_files_fit_after_renaming() -> None:
    network = tiny_lpips()
    state = network.state_dict()
    alexnet = {
        k.replace("net.layers.", "features."): v for k, v in state.items() if k.startswith("net.layers.")
    }
    alexnet["classifier.1.weight"] = torch.zeros(2)
    heads = {f"lin{k}.model.1.weight": state[f"lin.{k}.1.weight"] for k in range(5)}
    fresh = Lpips((3, 4, 5, 4, 3))
    fresh.load_state_dict(convert_published(alexnet, heads), strict=True)
    y, x = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    assert torch.equal(fresh(y, x), network(y, x))


class _MeanColour:
    name = "mean_colour.test"

    def embed(self, images: Sequence[Image]) -> FloatArray:
        rows = np.stack([image.reshape(-1, 3).mean(axis=0) for image in images]).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_identity_without_arcface_names_the_encoder(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, tmp_path / "user")
    meter = identity_meter(store, device=torch.device("cpu"), embedder=_MeanColour())
    assert meter is not None and "mean_colour.test" in meter.name and not meter.is_recognition
    red = torch.full((1, 3, 16, 16), -1.0)
    red[:, 0] = 1.0
    blue = red.flip(1)
    assert float(meter.similarity_each(red, red)) == pytest.approx(1.0)
    assert float(meter.similarity_each(red, blue)) == pytest.approx(0.0, abs=1e-5)
    assert identity_meter(store, device=torch.device("cpu"), embedder=None) is None
    assert contrastive_meter(_MeanColour()).name == meter.name


def test_metric_weights_are_found_by_their_card(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "builtin", tmp_path / "user")
    device = torch.device("cpu")
    assert load_lpips(store, device=device) is None
    assert load_recognition(store, device=device) is None
    network = Lpips()
    card = ModelCard(
        name="lpips_alex.test",
        role="metric",
        architecture="lpips_alex",
        config={},
        title="",
        licence="",
        sources="",
        sha256="",
        bytes=0,
        folder=tmp_path / "user",
    )
    write_model(card, network.state_dict())
    loaded = load_lpips(store, device=device)
    assert loaded is not None
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))


def test_arcface_answers_unit_rows_for_any_size() -> None:
    torch.manual_seed(0)
    network = ArcFace((1, 1, 1, 1), (4, 4, 4, 4), embedding_size=8).eval()
    with torch.no_grad():
        for side in (64, 256, 512):
            row = network.embed_aligned(torch.rand(2, 3, side, side) * 2 - 1)
            assert row.shape == (2, 8)
            assert torch.allclose(row.norm(dim=1), torch.ones(2), atol=1e-5)


def test_vgg_sees_blue_first_and_subtracts_the_means() -> None:
    network = Vgg16Features(((1,),))
    first = network.features[0]
    assert isinstance(first, torch.nn.Conv2d)
    torch.nn.init.zeros_(first.weight)
    torch.nn.init.zeros_(first.bias)  # type: ignore[arg-type]
    with torch.no_grad():
        first.weight[0, 0, 1, 1] = 1.0  # passes its first channel through
        white = network(torch.ones(1, 3, 4, 4))
    assert torch.allclose(white, torch.full((1, 1, 4, 4), 255 - 103.939), atol=1e-3)


def test_norms_of_codes() -> None:
    w_plus = torch.randn(3, 4, 5)
    w_avg = torch.randn(5)
    by_hand = np.mean([np.linalg.norm(code - w_avg.numpy()) for code in w_plus.numpy()])
    assert float(w_norm(w_plus, w_avg)) == pytest.approx(float(by_hand), rel=1e-5)
    deltas = [np.linalg.norm(w_plus[:, i].numpy() - w_plus[:, 0].numpy(), axis=1).mean() for i in (1, 2)]
    assert float(delta_norm(w_plus, stage=2)) == pytest.approx(float(sum(deltas)), rel=1e-5)
    assert torch.equal(row_spread(w_plus[:, :1].expand(-1, 4, -1)), torch.zeros(3))


def write_recognition(folder: Path, name: str, architecture: str, network: ArcFace) -> None:
    card = ModelCard(
        name=name,
        role="metric",
        architecture=architecture,
        config={},
        title="",
        licence="",
        sources="",
        sha256="",
        bytes=0,
        folder=folder,
    )
    write_model(card, network.state_dict())


def test_curricular_face_goes_before_arcface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"units": (1, 1, 1, 1), "widths": (4, 4, 4, 4), "embedding_size": 8}
    builders = {
        "ir_101_112": (lambda: ArcFace(**small, is_curricular=True), "CurricularFace"),
        "ir_se50_112": (lambda: ArcFace(**small), "ArcFace"),
    }
    monkeypatch.setattr(identity, "NETWORKS", builders)
    store = ModelStore(tmp_path / "none", tmp_path)
    write_recognition(tmp_path, "a.arc", "ir_se50_112", builders["ir_se50_112"][0]())
    found = load_recognition(store, device=torch.device("cpu"))
    assert found is not None and found.name == "ArcFace (a.arc)" and found.is_recognition
    write_recognition(tmp_path, "b.curricular", "ir_101_112", builders["ir_101_112"][0]())
    found = load_recognition(store, device=torch.device("cpu"))
    assert found is not None and found.name == "CurricularFace (b.curricular)"
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    assert torch.allclose(found.similarity_each(faces, faces), torch.ones(2), atol=1e-5)


def test_curricular_face_has_the_official_layout() -> None:
    with torch.device("meta"):
        keys = curricular_face().state_dict()
    assert {k.split(".")[1] for k in keys if k.startswith("body.")} == {str(k) for k in range(49)}
    assert not any("res_layer.5" in key or "fc1" in key for key in keys)  # no squeeze-excite
    assert "output_layer.4.running_mean" in keys and "output_layer.4.weight" not in keys
    assert keys["output_layer.3.weight"].shape == (512, 512 * 7 * 7)


def test_the_face_part_is_what_recognition_is_shown() -> None:
    picture = torch.arange(256.0).view(1, 1, 256, 1).expand(1, 3, 256, 256)
    part = face_part(picture)
    assert part.shape == (1, 3, 188, 188)
    assert float(part[0, 0, 0, 0]) == 35 and float(part[0, 0, -1, 0]) == 222
