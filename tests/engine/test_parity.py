"""Every case of a fixture folder against the outputs of the official code.

The folder is named by CONTRASTYLE_FIXTURES; weights and inputs follow from its recipe. Cases of
any seed, size or encoder in that format run; a kind of case that is not known here fails.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from desktop_app.core.types import FacePoints
from desktop_app.engine.align.ffhq_crop import align_face_traced, quad_from_points, quad_side_px
from desktop_app.engine.edit.discover import (
    PrincipalDirections,
    conv_modulation_weights,
    factorise,
    modulation_weights,
    parse_layers,
)
from desktop_app.engine.edit.ganspace import set_coordinate
from desktop_app.engine.invert.bootstrap import bootstrap_passes
from desktop_app.engine.invert.domains import preset_of_options
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.noise_maps import noise_regularisation, normalise_rms_, normalise_std_
from desktop_app.engine.invert.restyle import passes
from desktop_app.engine.invert.schedule import learning_rate, w_noise_factor
from desktop_app.engine.metrics.codes import delta_norm, w_norm
from desktop_app.engine.networks.arcface import ArcFace
from desktop_app.engine.networks.idinvert_encoder import IdInvertEncoder, IdInvertShape
from desktop_app.engine.networks.latent_discriminator import LatentDiscriminator
from desktop_app.engine.networks.lpips_net import Lpips
from desktop_app.engine.networks.restyle_encoders import EncoderShape, create_encoder
from desktop_app.engine.networks.stylegan2 import Generator, truncate
from tests.engine.parity_recipe import (
    assert_close,
    assert_image_close,
    cases,
    fill,
    has_fixtures,
    normal,
    picture,
    recipe,
    spec_of,
    stored,
)

Case = dict[str, Any]
NETWORK = 5e-5
LOOP = 2e-4
META = torch.device("meta")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(not has_fixtures(), reason="no parity fixtures here"),
    pytest.mark.timeout(900),
]


@pytest.fixture(autouse=True)
def free_memory() -> Iterator[None]:
    yield
    gc.collect()


def test_a_case_of_every_official_kind_can_be_checked() -> None:
    unknown = {case["kind"] for case in cases().values()} - set(CHECKS)
    assert not unknown, f"no check for cases of kind {unknown}"


def generator_of(spec_name: str, tag: str) -> Generator:
    spec = spec_of(spec_name)
    noises = [key for key, *_ in spec["tensors"] if key.startswith("noises.")]
    mapping = {key for key, *_ in spec["tensors"] if key.startswith("style.") and key.endswith(".weight")}
    with META:
        generator = Generator(2 ** ((len(noises) + 3) // 2), n_mlp=len(mapping))
    fill(generator, spec, tag, "decoder.")
    return generator


def encoder_of(spec_name: str, tag: str, *, encoder_type: str, n_styles: int, input_nc: int) -> nn.Module:
    with META:
        encoder = create_encoder(encoder_type, EncoderShape(n_styles=n_styles, input_nc=input_nc))
    fill(encoder, spec_of(spec_name), tag, "encoder.")
    return encoder


def inversion_model(case: Case, *, encoder_spec: str, tag: str, encoder_type: str) -> InversionModel:
    """An official checkpoint, as the importer would hand it over."""
    spec = spec_of(encoder_spec)
    shapes = {key: shape for key, shape, *_ in spec["tensors"]}
    stem = shapes.get("input_layer.0.weight") or shapes["conv1.weight"]
    generator = generator_of(case["generator_spec"], tag)
    n_styles = spec["n_styles"] or generator.n_latent
    encoder = encoder_of(encoder_spec, tag, encoder_type=encoder_type, n_styles=n_styles, input_nc=stem[1])
    return InversionModel(
        name=case["case"],
        generator=generator,
        encoder=encoder,
        w_avg=torch.from_numpy(recipe().latent_avg(tag)),
        input_px=256,
        input_nc=stem[1],
        device=torch.device("cpu"),
        domain=preset_of_options({"dataset_type": case.get("dataset_type", "ffhq_encode")}).name,
    )


def check_generator(case: Case, outputs: dict[str, np.ndarray]) -> None:
    name, tag = f"{case['tag']}/{case['case']}", case["tag"]
    generator = generator_of(case["spec"], tag)
    assert generator.size == case["size"]
    w_plus = torch.from_numpy(recipe().wplus(f"{name}/w", tag, generator.n_latent, batch=case["batch"]))
    images = generator.synthesize(w_plus)
    for b in range(case["batch"]):
        assert_image_close(images[b], outputs, f"image{b}", tolerance=NETWORK)
        alone = generator.synthesize(w_plus[b : b + 1])
        assert_image_close(alone[0], outputs, f"image{b}", tolerance=NETWORK)

    w = generator.map_z(normal(f"{name}/z", [4, 512]))
    assert_close(w, outputs["mapping"], tolerance=NETWORK, what="mapping")
    mean = generator.map_z(normal(f"{name}/zmean", [4096, 512])).mean(dim=0, keepdim=True)
    assert_close(mean, outputs["mean_latent"], tolerance=NETWORK, what="mean latent")
    truncated = truncate(w[:1], mean, case["truncation"])
    code = generator.repeat_w(truncated)
    assert_close(code[0], outputs["latent_truncated"], tolerance=NETWORK, what="truncated latent")
    assert_image_close(generator.synthesize(code)[0], outputs, "image_truncated", tolerance=NETWORK)
    mixed = generator.mix(w[:1], w[1:2], crossover=case["inject_index"])
    assert_image_close(generator.synthesize(mixed)[0], outputs, "image_mixed", tolerance=NETWORK)


def check_encoder(case: Case, outputs: dict[str, np.ndarray]) -> None:
    tag, name = case["tag"], f"{case['tag']}/{case['case']}"
    encoder = encoder_of(
        case["spec"],
        tag,
        encoder_type=case["encoder_type"],
        n_styles=case["n_styles"],
        input_nc=case["input_nc"],
    )
    size = (case["height"], case["width"])
    rows = [
        torch.cat([picture(f"{name}/x{b}_{j}", *size) for j in range(case["input_nc"] // 3)], dim=1)
        for b in range(case["batch"])
    ]
    x = torch.cat(rows)
    for key in outputs:
        if key.startswith("codes_stage"):
            encoder.stage = int(key.removeprefix("codes_stage"))
        assert_close(encoder(x), outputs[key], tolerance=NETWORK, what=key)
    encoder.to(memory_format=torch.channels_last)
    codes = encoder(x.contiguous(memory_format=torch.channels_last))
    assert_close(codes, outputs[key], tolerance=NETWORK, what=f"{key}, as the application runs it")


def check_idinvert(case: Case, outputs: dict[str, np.ndarray]) -> None:
    spec, name = spec_of(case["spec"]), f"{case['tag']}/{case['case']}"
    with META:
        encoder = IdInvertEncoder(IdInvertShape(n_styles=spec["n_styles"]))
    fill(encoder, spec, case["tag"])
    x = torch.cat([picture(f"{name}/x{b}") for b in range(case["batch"])])
    assert_close(encoder(x), outputs["codes"], tolerance=NETWORK, what="codes")


def check_loop(case: Case, outputs: dict[str, np.ndarray]) -> None:
    model = inversion_model(
        case, encoder_spec=case["encoder_spec"], tag=case["tag"], encoder_type=case["encoder_type"]
    )
    name = f"{case['tag']}/{case['case']}"
    size = model.input_size
    x = torch.cat([picture(f"{name}/x{b}", *size) for b in range(case["batch"])])
    for prefix in ("", "resized_"):
        if f"{prefix}average_image.shape" in outputs:
            average = model.average_image[0]
            assert_image_close(average, outputs, f"{prefix}average_image", tolerance=LOOP)
    codes = []
    for t, step in enumerate(islice(passes(model, x), case["steps"])):
        codes.append(step.w_plus)
        resized_only = case.get("resize_outputs", False)
        for b in range(case["batch"]):
            y = step.y_small[b] if resized_only else step.y_hat[b]
            assert_image_close(y, outputs, f"image{b}_step{t}", tolerance=LOOP)
            if f"resized_image{b}_step{t}.shape" in outputs:
                assert_image_close(step.y_small[b], outputs, f"resized_image{b}_step{t}", tolerance=LOOP)
    latents = torch.stack(codes, dim=1)  # (B, steps, L, D)
    for b in range(case["batch"]):
        for prefix in ("", "resized_"):
            if f"{prefix}latents{b}" in outputs:
                theirs = outputs[f"{prefix}latents{b}"]
                assert_close(latents[b], theirs, tolerance=LOOP, what=f"{prefix}latents{b}")


def check_bootstrapping(case: Case, outputs: dict[str, np.ndarray]) -> None:
    first, second = (
        inversion_model(
            case,
            encoder_spec=case[f"encoder_spec_{n}"],
            tag=case[f"tag_{n}"],
            encoder_type=case.get(f"encoder_type_{n}") or case[f"encoder_spec_{n}"].split("_")[0],
        )
        for n in (1, 2)
    )
    x = torch.cat([picture(f"{case['tag_1']}/{case['case']}/x{b}") for b in range(case["batch"])])
    codes = []
    for t, step in enumerate(islice(bootstrap_passes(first, second, x), case["steps"] + 1)):
        codes.append(step.w_plus)
        for b in range(case["batch"]):
            assert_image_close(step.y_hat[b], outputs, f"image{b}_{t}", tolerance=LOOP)
    assert_close(torch.stack(codes, dim=1), outputs["latents"], tolerance=LOOP, what="latents")


def check_noise(case: Case, outputs: dict[str, np.ndarray]) -> None:
    maps = []
    for i, side in enumerate(case["sizes"]):
        b = recipe().normal(f"{case['tag']}/noise/{i}", [1, 1, side, side])
        mixed = b + 0.5 * np.roll(b, 1, axis=3) + 0.3 * np.roll(b, 1, axis=2) + 0.05
        maps.append(torch.from_numpy(mixed.astype(np.float32)))
    each = torch.stack([noise_regularisation([noise]) for noise in maps])
    assert_close(each, outputs["regularisation_each"], tolerance=1e-4, what="each")
    total = noise_regularisation(maps)
    assert_close(total, outputs["regularisation_total"], tolerance=1e-4, what="total")

    for kind, normalise in (("rosinality", normalise_std_), ("nvidia", normalise_rms_)):
        changed = [noise.clone() for noise in maps]
        normalise(changed)
        last = outputs[f"normalised_{kind}_last"]  # upper left window of the last map
        window = changed[-1][0, 0, : last.shape[0], : last.shape[1]]
        assert_close(window, last, tolerance=1e-4, what=kind)
        if f"normalised_{kind}_mean_std" in outputs:
            statistics = torch.tensor([[float(n.mean()), float(n.std())] for n in changed])
            theirs = outputs[f"normalised_{kind}_mean_std"]
            assert np.abs(statistics.numpy() - theirs).max() <= 1e-4

    moments = outputs["lr_t"]
    lr = np.array([learning_rate(float(t), case["initial_lr"]) for t in moments])
    assert_close(lr, outputs["lr"], tolerance=1e-6, what="learning rate")
    ramp = np.array([w_noise_factor(float(t)) for t in moments])
    assert_close(ramp, outputs["noise_ramp"], tolerance=1e-6, what="noise ramp")


def check_sefa(case: Case, outputs: dict[str, np.ndarray]) -> None:
    generator = generator_of(case["generator_spec"], case["tag"])
    variants = {"genforce": modulation_weights, "e4e": conv_modulation_weights}
    for name, request in case["sets"].items():
        weights = variants[request["variant"]](generator)
        found = factorise(weights, parse_layers(request["layers"], len(weights)))
        theirs = outputs[f"{name}.directions"]
        values = outputs[f"{name}.eigenvalues"]
        assert_close(found.eigenvalues, values, tolerance=1e-4, what=f"{name} eigenvalues")
        overlap = np.abs((found.directions[: len(theirs)] * theirs).sum(axis=1))
        assert (1 - overlap).max() <= 1e-5, f"{name}: directions differ by {(1 - overlap).max():.3g}"


def check_alignment(case: Case, outputs: dict[str, np.ndarray]) -> None:
    for k, setup in enumerate(case["setups"]):
        landmarks = outputs[f"landmarks{k}"].astype(np.float64)
        left_eye, right_eye = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
        corners = (left_eye, right_eye, landmarks[48], landmarks[54])
        quad = quad_from_points(FacePoints(*((float(x), float(y)) for x, y in corners)))
        assert np.abs(np.array(quad) - outputs[f"quad_raw{k}"]).max() <= 1e-6
        assert quad_side_px(quad) == pytest.approx(float(outputs[f"qsize{k}"]), abs=1e-6)

        raw = recipe().image(f"{case['tag']}/align/{k}", setup["height"], setup["width"], 3, setup["block"])
        photo = np.clip(np.rint((raw + 1) * 127.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        aligned, trace = align_face_traced(
            np.ascontiguousarray(photo),
            quad,
            output_px=setup["output_size"],
            transform_px=setup["transform_size"],
        )
        assert max(trace.shrink, 1) == max(int(outputs[f"shrink{k}"]), 1)
        assert tuple(trace.crop or (-1,) * 4) == tuple(outputs[f"crop{k}"].tolist())
        assert tuple(trace.pad) == tuple(outputs[f"pad{k}"].tolist())
        assert tuple(trace.size) == tuple(outputs[f"size_at_transform{k}"].tolist())
        assert np.abs(trace.quad - outputs[f"quad_final{k}"]).max() <= 1e-6
        difference = np.abs(aligned.astype(int) - outputs[f"aligned{k}"].astype(int))
        assert (difference <= 1).mean() >= 0.999


def check_misc(case: Case, outputs: dict[str, np.ndarray]) -> None:
    tag = case["tag"]
    _check_discriminator_and_norms(tag, outputs)
    _check_ganspace(tag, outputs)
    a, b, c = (picture(f"{tag}/misc/im{k}") for k in range(3))
    y, y_hat, x = a, 0.7 * a + 0.3 * b, c

    with META:
        arcface = ArcFace()
    fill(arcface, spec_of("ir_se50_112"), tag)
    features = {k: arcface.embed_aligned(v) for k, v in (("y", y), ("y_hat", y_hat), ("x", x))}
    to_y = float((features["y_hat"] * features["y"]).sum())
    between = float((features["y"] * features["x"]).sum())
    assert_close(features["y"], outputs["id_features"], tolerance=NETWORK, what="identity features")
    ours = np.array([1 - to_y, to_y - between])
    assert_close(ours, outputs["id_loss"], tolerance=NETWORK, what="identity loss")

    with META:
        lpips = Lpips()
    fill(lpips, spec_of("lpips_alex"), tag)
    distances = torch.cat([lpips(y_hat, y), lpips(x, y)])
    assert_close(distances, outputs["lpips"], tolerance=NETWORK, what="lpips")
    batch = lpips(torch.cat([y_hat, y]), torch.cat([y, x])).mean()
    assert_close(batch, outputs["lpips_batch2"], tolerance=NETWORK, what="lpips of a batch")


def _check_discriminator_and_norms(tag: str, outputs: dict[str, np.ndarray]) -> None:
    with META:
        discriminator = LatentDiscriminator()
    fill(discriminator, spec_of("latent_discriminator"), tag)
    logits = discriminator(normal(f"{tag}/misc/w", [5, 512]))
    assert_close(logits, outputs["discriminator"], tolerance=NETWORK, what="latent discriminator")

    w_plus = torch.from_numpy(recipe().wplus(f"{tag}/misc/W", tag, 14, batch=3))
    w_avg = torch.from_numpy(recipe().latent_avg(tag))
    assert_close(w_norm(w_plus, w_avg), outputs["w_norm"], tolerance=NETWORK, what="w-norm")
    for key in outputs:
        if key.startswith("delta_norm_stage"):
            stage = int(key.removeprefix("delta_norm_stage"))
            assert_close(delta_norm(w_plus, stage=stage), outputs[key], tolerance=NETWORK, what=key)


def _check_ganspace(tag: str, outputs: dict[str, np.ndarray]) -> None:
    comp = recipe().normal(f"{tag}/misc/comp", [8, 1, 512])
    comp = comp / np.linalg.norm(comp, axis=-1, keepdims=True)
    principal = PrincipalDirections(
        mean=recipe().latent_avg(tag),
        components=comp[:, 0].astype(np.float32),
        std=np.linspace(4, 1, 8, dtype=np.float32),
        explained=np.zeros(8, dtype=np.float32),
    )
    w_plus = recipe().wplus(f"{tag}/misc/W", tag, 14, batch=3)[0]
    edits = [
        set_coordinate(w_plus, principal, 2, strength=3.0, rows=range(0, 5)),
        set_coordinate(w_plus, principal, 5, strength=-2.0, rows=range(7, 9)),
    ]
    assert_close(np.stack(edits), outputs["ganspace_edits"], tolerance=NETWORK, what="GANSpace")


CHECKS: dict[str, Callable[[Case, dict[str, np.ndarray]], None]] = {
    "generator": check_generator,
    "encoder": check_encoder,
    "idinvert_encoder": check_idinvert,
    "restyle_loop": check_loop,
    "bootstrapping": check_bootstrapping,
    "noise": check_noise,
    "sefa": check_sefa,
    "ffhq_alignment": check_alignment,
    "misc": check_misc,
}
QUICK_KINDS = {"noise", "ffhq_alignment"}


def _parameters() -> list[Any]:
    found = []
    for name, case in cases().items():
        quick = case["kind"] in QUICK_KINDS or (case["kind"] == "generator" and case["size"] <= 64)
        found.append(pytest.param(name, id=name, marks=[] if quick else [pytest.mark.slow]))
    return found


@pytest.mark.parametrize("name", _parameters())
def test_agrees_with_the_official_code(name: str) -> None:
    case = cases()[name]
    with torch.inference_mode():
        CHECKS[case["kind"]](case, stored(name))
