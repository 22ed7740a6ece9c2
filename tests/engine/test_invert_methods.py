"""Every inversion method on small real networks: steps, improvement, cancelling, going on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import InversionStep, Progress
from desktop_app.engine.invert.bootstrap import bootstrap_passes
from desktop_app.engine.invert.domains import PRESETS, preset_named, preset_of_options
from desktop_app.engine.invert.methods import (
    METHODS,
    MethodInputs,
    MethodOptions,
    fitting_methods,
    run_method,
)
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.noise_maps import noise_regularisation, normalise_rms_, normalise_std_
from desktop_app.engine.invert.objective import STAND_IN_NOTE
from desktop_app.engine.invert.optimise import ProjectionOptions, Space, project
from desktop_app.engine.invert.refine import GeneratorDelta, RefineOptions, attached, refine
from desktop_app.engine.invert.restyle import invert, passes, prepare, render
from desktop_app.engine.invert.schedule import learning_rate, w_noise_factor
from desktop_app.engine.networks.lpips_net import Lpips
from desktop_app.engine.precision import fastest_precision
from tests.engine.tiny_models import SIZE, tiny_model, tiny_picture

QUICK = MethodOptions(steps=2, iterations=6, report_every=3)


@pytest.fixture(scope="module")
def model() -> InversionModel:
    return tiny_model()


def steps_of(items: object) -> list[InversionStep]:
    return [item for item in items if isinstance(item, InversionStep)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_yields_the_same_kind_of_steps(name: str, model: InversionModel) -> None:
    used = tiny_model("Encoder4Editing", input_nc=3) if name == "one_pass" else model
    first = tiny_model(seed=1) if METHODS[name].needs_first else None
    inputs = MethodInputs(used, tiny_picture(used), first=first)
    items = list(run_method(name, inputs, QUICK))
    steps = steps_of(items)
    assert all(isinstance(item, (InversionStep, Progress)) for item in items)
    assert [step.index for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert step.y_hat.shape == (SIZE, SIZE, 3) and step.y_hat.dtype == np.uint8
        assert step.w_plus.shape == (used.n_styles, used.style_dim)
        assert step.change_map.shape == (SIZE, SIZE)
        assert np.isfinite([step.l2, step.relative_change]).all() and step.seconds >= 0
        assert not step.y_hat.flags.writeable and not step.w_plus.flags.writeable
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_closed_after_its_first_answer(name: str, model: InversionModel) -> None:
    used = tiny_model("GradualStyleEncoder", input_nc=3) if name == "one_pass" else model
    first = tiny_model(seed=1) if METHODS[name].needs_first else None
    items = run_method(name, MethodInputs(used, tiny_picture(used), first=first), QUICK)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("name", ["restyle", "idinvert", "karras_w_plus", "hybrid"])
def test_methods_go_on_from_a_code(name: str, model: InversionModel) -> None:
    picture = tiny_picture(model)
    once = steps_of(run_method(name, MethodInputs(model, picture), QUICK))
    options = MethodOptions(steps=1, iterations=2, report_every=1, start=once[-1].w_plus)
    again = steps_of(run_method(name, MethodInputs(model, picture), options))
    assert again and np.isfinite(again[-1].l2)
    if name == "restyle":
        whole = steps_of(run_method(name, MethodInputs(model, picture), MethodOptions(steps=3)))
        assert np.abs(whole[-1].w_plus - again[-1].w_plus).max() < 1e-4


@pytest.mark.parametrize("space", Space)
def test_projection_finds_a_code_it_was_rendered_from(space: Space, model: InversionModel) -> None:
    options = ProjectionOptions(
        iterations=80, base_rate=0.05, space=space, optimises_noise=False, samples=500, report_every=80
    )
    picture = tiny_picture(model)
    steps = steps_of(project(model, picture, options=options))
    start = prepare(model, picture) - model.average_image
    assert steps[-1].l2 < 0.2 * float(start.square().mean())
    if space == Space.W:
        assert np.ptp(steps[-1].w_plus, axis=0).max() == 0.0
    assert STAND_IN_NOTE in steps[-1].note


def test_projection_says_progress_at_each_iteration(model: InversionModel) -> None:
    options = ProjectionOptions(iterations=4, samples=50, report_every=2)
    items = list(project(model, tiny_picture(model), options=options))
    assert [item.done for item in items if isinstance(item, Progress)] == [1, 2, 3, 4]
    assert len(steps_of(items)) == 2


def test_projection_uses_lpips_where_it_is_there(model: InversionModel) -> None:
    torch.manual_seed(0)
    lpips = Lpips((4, 4, 4, 4, 4)).requires_grad_(False)
    for head in lpips.lin:
        head[1].weight.abs_()  # type: ignore[index, union-attr, operator]
    options = ProjectionOptions(iterations=2, samples=50, report_every=1, optimises_noise=False)
    steps = steps_of(project(model, tiny_picture(model), options=options, lpips=lpips))
    assert steps[-1].note == ""
    assert dict(steps[-1].losses)["lpips"] > 0


def test_taking_a_projection_up_again_ends_at_the_same_iteration(model: InversionModel) -> None:
    picture = tiny_picture(model)
    options = ProjectionOptions(iterations=6, samples=50, report_every=3, optimises_noise=False, done=3)
    start = np.zeros((model.n_styles, model.style_dim), np.float32)
    items = list(project(model, picture, options=options, start=start))
    assert [i.done for i in items if isinstance(i, Progress)] == [4, 5, 6]


def test_mapping_that_does_not_fit_the_codes_is_noticed(model: InversionModel) -> None:
    stranger = tiny_model()
    stranger.w_avg = stranger.w_avg + 50
    options = ProjectionOptions(iterations=1, samples=50)
    step = steps_of(project(stranger, tiny_picture(stranger), options=options))[0]
    assert "mapping network" in step.note
    assert abs(float(step.w_plus.mean()) - float(stranger.w_avg.mean())) < 1.0


@pytest.mark.parametrize("bad", [{"iterations": 0}, {"iterations": 5, "done": 5}, {"iterations": 10**6}])
def test_impossible_iterations_are_refused(bad: dict[str, int], model: InversionModel) -> None:
    with pytest.raises(UserInputError):
        next(project(model, tiny_picture(model), options=ProjectionOptions(**bad)))


@pytest.mark.parametrize("steps", [0, 21])
def test_impossible_steps_are_refused(steps: int, model: InversionModel) -> None:
    with pytest.raises(UserInputError):
        next(invert(model, tiny_picture(model), steps=steps))


def test_code_of_another_model_is_refused(model: InversionModel) -> None:
    with pytest.raises(UserInputError, match="needs"):
        next(invert(model, tiny_picture(model), steps=1, start=np.zeros((3, 3), np.float32)))


def test_weights_that_are_no_numbers_end_in_a_clear_error() -> None:
    broken = tiny_model()
    broken.encoder.styles[0].linear.bias.fill_(float("nan"))  # type: ignore[index, union-attr, operator]
    with pytest.raises(WeightsError, match="no numbers"):
        next(invert(broken, tiny_picture(tiny_model()), steps=1))
    picture = tiny_picture(tiny_model())
    with pytest.raises(WeightsError, match="no numbers"):
        list(run_method("hybrid", MethodInputs(broken, picture), QUICK))


def test_methods_that_fit_follow_from_the_encoder(model: InversionModel) -> None:
    one_pass = tiny_model("GradualStyleEncoder", input_nc=3)
    assert "one_pass" not in {m.name for m in fitting_methods(model)}
    assert {"restyle", "bootstrap"}.isdisjoint(m.name for m in fitting_methods(one_pass))
    with pytest.raises(WeightsError, match="cannot be used"):
        run_method("restyle", MethodInputs(one_pass, tiny_picture(one_pass)))
    with pytest.raises(UserInputError, match="no inversion method"):
        run_method("nothing", MethodInputs(model, tiny_picture(model)))


def test_one_w_for_all_layers_and_repeated_w_agree() -> None:
    single = tiny_model("BackboneEncoderUsingLastLayerIntoW", input_nc=3)
    step = next(invert(single, tiny_picture(single), steps=1))
    assert np.ptp(step.w_plus, axis=0).max() == 0.0


def test_resized_outputs_have_the_encoders_size() -> None:
    model = tiny_model()
    model.generator = tiny_model(seed=2).generator
    step = next(invert(model, tiny_picture(model), steps=1, resize_outputs=True))
    assert step.y_hat.shape[:2] == model.input_size


def test_bootstrapping_never_uses_the_second_average(model: InversionModel) -> None:
    second = tiny_model(seed=7)
    x = prepare(model, tiny_picture(model))
    with torch.inference_mode():
        before = [p.w_plus for p in islice(bootstrap_passes(model, second, x), 3)]
        second.w_avg = second.w_avg + 100
        second.average_image = second.average_image + 100
        after = [p.w_plus for p in islice(bootstrap_passes(model, second, x), 3)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_bootstrapping_needs_models_that_fit(model: InversionModel) -> None:
    one_pass = tiny_model("Encoder4Editing", input_nc=3)
    with pytest.raises(WeightsError, match="two ReStyle models"):
        inputs = MethodInputs(model, tiny_picture(model), first=one_pass)
        next(run_method("bootstrap", inputs, QUICK))
    with pytest.raises(WeightsError, match="second model"):
        next(run_method("bootstrap", MethodInputs(model, tiny_picture(model)), QUICK))


def test_cars_show_six_eighths_of_the_rows() -> None:
    cars = tiny_model(domain="cars")
    assert cars.input_size == (24, 32)
    step = next(invert(cars, tiny_picture(cars), steps=1))
    assert step.y_hat.shape == (24, 32, 3)
    assert render(cars, step.w_plus).shape == (24, 32, 3)
    assert preset_named("cars").rows(512) == slice(64, 448)
    assert preset_named("cars").rows(256) == slice(32, 224)


def test_domain_follows_from_the_training_options() -> None:
    for preset in PRESETS:
        for dataset_type in preset.dataset_types:
            assert preset_of_options({"dataset_type": dataset_type}) is preset
    assert preset_of_options({"dataset_type": "lamps_encode"}).name == "lamps"
    with pytest.raises(WeightsError):
        preset_of_options({})


def test_feedback_is_not_clipped(model: InversionModel) -> None:
    x = prepare(model, tiny_picture(model))
    with torch.inference_mode():
        step = next(passes(model, x))
        assert torch.equal(step.y_small, model.pool(step.y_hat))
        loud = model.decode(step.w_plus * 30)
    assert float(loud.abs().max()) > 1.0


def test_tuning_brings_the_picture_nearer_and_leaves_the_weights_alone(tmp_path: Path) -> None:
    model = tiny_model()
    picture = tiny_picture(model)
    before = {k: v.clone() for k, v in model.generator.state_dict().items()}
    last = steps_of(invert(model, picture, steps=1))[-1]
    run = refine(
        model, picture, last.w_plus, options=RefineOptions(iterations=40, rate=0.02, report_every=20)
    )
    found, delta = [], None
    while delta is None:
        try:
            found.append(next(run))
        except StopIteration as ending:
            delta = ending.value
    assert steps_of(found)[-1].l2 < 0.7 * last.l2
    assert all(torch.equal(before[k], v) for k, v in model.generator.state_dict().items())
    assert np.array_equal(render(model, last.w_plus), last.y_hat)

    file = tmp_path / "photo.safetensors"
    delta.save(file)
    loaded = GeneratorDelta.load(file, model=model.name)
    with attached(loaded, model.generator):
        assert np.array_equal(render(model, last.w_plus), steps_of(found)[-1].y_hat)
    assert np.array_equal(render(model, last.w_plus), last.y_hat)
    assert delta.value_count < sum(p.numel() for p in model.generator.parameters())


def test_tuning_stops_when_near_enough(model: InversionModel) -> None:
    picture = tiny_picture(model)
    step = next(invert(model, picture, steps=1))
    options = RefineOptions(iterations=50, stop_at_l2=10.0)
    items = list(refine(model, picture, step.w_plus, options=options))
    assert len(steps_of(items)) == 1


def test_changes_of_other_models_and_broken_files_are_refused(tmp_path: Path, model: InversionModel) -> None:
    file = tmp_path / "delta.safetensors"
    with pytest.raises(WeightsError, match="cannot be read"):
        GeneratorDelta.load(file, model=model.name)
    file.write_bytes(b"not a tensor file")
    with pytest.raises(WeightsError, match="cannot be read"):
        GeneratorDelta.load(file, model=model.name)
    GeneratorDelta("another", {"conv1.conv": (torch.zeros(1, 1), torch.zeros(1, 1))}).save(file)
    with pytest.raises(WeightsError, match="belongs to the model 'another'"):
        GeneratorDelta.load(file, model=model.name)
    with pytest.raises(WeightsError, match="another architecture"):
        GeneratorDelta.load(file, model="another").attach(model.generator)


def test_closing_a_tuning_run_detaches_its_change(model: InversionModel) -> None:
    picture = tiny_picture(model)
    step = next(invert(model, picture, steps=1))
    run = refine(model, picture, step.w_plus, options=RefineOptions(iterations=5))
    next(run)
    assert np.array_equal(render(model, step.w_plus), step.y_hat)
    run.close()
    assert np.array_equal(render(model, step.w_plus), step.y_hat)


def test_learning_rate_rises_stays_and_falls() -> None:
    assert learning_rate(0.0, 0.1) == 0.0
    assert learning_rate(0.05, 0.1) == pytest.approx(0.1)
    assert learning_rate(0.5, 0.1) == pytest.approx(0.1)
    assert learning_rate(1.0, 0.1) == pytest.approx(0.0)
    assert w_noise_factor(0.0) == 1.0 and w_noise_factor(0.75) == 0.0 and w_noise_factor(0.9) == 0.0


def slow_regularisation(noise: torch.Tensor) -> float:
    total, side = 0.0, noise.shape[-1]
    while True:
        across = sum(
            float(noise[0, 0, y, x] * noise[0, 0, y, x - 1]) for y in range(side) for x in range(side)
        )
        down = sum(float(noise[0, 0, y, x] * noise[0, 0, y - 1, x]) for y in range(side) for x in range(side))
        total += (across / side**2) ** 2 + (down / side**2) ** 2
        if side <= 8:
            return total
        noise = noise.reshape(1, 1, side // 2, 2, side // 2, 2).mean(dim=(3, 5))
        side //= 2


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_noise_penalty_equals_its_definition(side: int) -> None:
    noise = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(side))
    assert float(noise_regularisation([noise])) == pytest.approx(slow_regularisation(noise), rel=1e-4)


@pytest.mark.parametrize("normalise", [normalise_rms_, normalise_std_])
def test_normalised_noise_has_zero_mean_and_unit_scale(normalise: Callable[..., None]) -> None:
    noise = torch.randn(1, 1, 16, 16) * 3 + 5
    normalise([noise])
    assert float(noise.mean()) == pytest.approx(0, abs=1e-5)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)


def test_precision_is_chosen_by_measuring() -> None:
    assert fastest_precision(torch.device("cpu")) in {torch.float32, torch.bfloat16}


def test_shorter_precision_runs_the_whole_loop() -> None:
    model = tiny_model()
    picture = tiny_picture(model)
    exact = steps_of(invert(model, picture, steps=2))[-1]
    model.use_precision(torch.bfloat16)
    rounded = steps_of(invert(model, picture, steps=2))[-1]
    assert np.abs(exact.y_hat.astype(int) - rounded.y_hat.astype(int)).mean() < 4
