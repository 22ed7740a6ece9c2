"""A run that is closed and taken up again ends as if it had never been stopped, bit for bit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import InversionStep
from desktop_app.engine.invert.methods import METHODS, MethodInputs, MethodOptions, run_method
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.optimise import ProjectionOptions, project
from desktop_app.engine.invert.refine import GeneratorDelta, RefineOptions, refine
from desktop_app.engine.invert.restyle import invert
from desktop_app.engine.invert.run_state import RunState
from tests.engine.tiny_models import tiny_model, tiny_picture

OPTIONS = MethodOptions(steps=3, iterations=6, report_every=2, first_steps=2)


@pytest.fixture(scope="module")
def model() -> InversionModel:
    return tiny_model()


def inputs_for(name: str, model: InversionModel, state: RunState | None = None) -> MethodInputs:
    used = tiny_model("Encoder4Editing", input_nc=3) if name == "one_pass" else model
    first = tiny_model(seed=1) if METHODS[name].needs_first else None
    return MethodInputs(used, tiny_picture(used), first=first, state=state)


def steps_of(items: object) -> list[InversionStep]:
    return [item for item in items if isinstance(item, InversionStep)]  # type: ignore[attr-defined]


def assert_same(ours: list[InversionStep], theirs: list[InversionStep]) -> None:
    assert [step.index for step in ours] == [step.index for step in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a.w_plus, b.w_plus)
        assert np.array_equal(a.y_hat, b.y_hat)
        assert np.array_equal(a.change_map, b.change_map)
        assert (a.l2, a.relative_change, a.losses, a.note) == (b.l2, b.relative_change, b.losses, b.note)


@pytest.mark.parametrize("name", METHODS)
def test_a_closed_run_goes_on_to_the_same_bits_wherever_it_was_closed(
    name: str, model: InversionModel, tmp_path: Path
) -> None:
    items = list(run_method(name, inputs_for(name, model), OPTIONS))
    whole = steps_of(items)
    assert len(whole) == 1 if name == "one_pass" else len(whole) > 2
    for count in range(1, len(items)):
        state = RunState()
        run = run_method(name, inputs_for(name, model, state), OPTIONS)
        before = steps_of(islice(run, count))
        run.close()  # type: ignore[attr-defined]
        if count % 2:  # as after a restart of the program
            state.save(tmp_path / "run.safetensors")
            state = RunState.load(tmp_path / "run.safetensors")
        after = steps_of(run_method(name, inputs_for(name, model, state), OPTIONS))
        assert_same(before + after, whole)


def test_a_run_can_be_stopped_again_and_again(model: InversionModel) -> None:
    whole = steps_of(run_method("karras_w_plus", inputs_for("karras_w_plus", model), OPTIONS))
    state, found = RunState(), []
    for _ in range(20):
        run = run_method("karras_w_plus", inputs_for("karras_w_plus", model, state), OPTIONS)
        found += steps_of(islice(run, 1))
        run.close()  # type: ignore[attr-defined]
    assert_same(found, whole)


def test_a_finished_run_has_nothing_left_and_more_steps_go_on(model: InversionModel) -> None:
    state = RunState()
    first = steps_of(run_method("restyle", inputs_for("restyle", model, state), OPTIONS))
    assert not list(run_method("restyle", inputs_for("restyle", model, state), OPTIONS))
    more = MethodOptions(steps=5)
    rest = steps_of(run_method("restyle", inputs_for("restyle", model, state), more))
    assert_same(first + rest, steps_of(run_method("restyle", inputs_for("restyle", model), more)))


def tuned(model: InversionModel, state: RunState, count: int | None) -> tuple[list[InversionStep], object]:
    picture = tiny_picture(model)
    code = next(invert(model, picture, steps=1)).w_plus
    options = RefineOptions(iterations=6, rate=0.02, report_every=2)
    run, items = refine(model, picture, code, options=options, state=state), []
    try:
        while count is None or len(items) < count:
            items.append(next(run))
    except StopIteration as ending:
        return steps_of(items), ending.value
    run.close()
    return steps_of(items), None


def test_closed_tuning_goes_on_to_the_same_change(model: InversionModel) -> None:
    whole, delta = tuned(model, RunState(), None)
    assert isinstance(delta, GeneratorDelta)
    for count in range(1, 9):
        state = RunState()
        before, _ = tuned(model, state, count)
        after, again = tuned(model, state, None)
        assert_same(before + after, whole)
        assert isinstance(again, GeneratorDelta)
        for name, (left, right) in delta.factors.items():
            assert torch.equal(left, again.factors[name][0])
            assert torch.equal(right, again.factors[name][1])


def test_a_second_run_from_one_state_leaves_the_first_alone(model: InversionModel) -> None:
    state, picture = RunState(), tiny_picture(model)
    options = ProjectionOptions(iterations=6, samples=50, report_every=2)
    run = project(model, picture, options=options, state=state)
    list(islice(run, 2))
    kept = state.tensor("code")
    other = RunState()
    other.done, other.key, other.values = state.done, state.key, dict(state.values)
    other.tensors = dict(state.tensors)
    list(project(model, picture, options=options, state=other))
    assert torch.equal(kept, state.tensors["code"])


def test_a_state_of_another_run_is_refused(model: InversionModel) -> None:
    state, picture = RunState(), tiny_picture(model)
    next(invert(model, picture, steps=2, state=state))
    with pytest.raises(UserInputError, match="another photo"):
        next(invert(model, tiny_picture(model, seed=9), steps=2, state=state))
    with pytest.raises(UserInputError, match="another photo"):
        next(project(model, picture, options=ProjectionOptions(iterations=2), state=state))
    stranger = tiny_model("ProgressiveBackboneEncoder")
    with pytest.raises(UserInputError, match="another photo"):
        next(invert(stranger, picture, steps=2, state=state))


def test_files_that_hold_no_run_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.safetensors"
    with pytest.raises(WeightsError, match="cannot be read"):
        RunState.load(file)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="cannot be read"):
        RunState.load(file)
    GeneratorDelta("m", {"a": (torch.zeros(1, 1), torch.zeros(1, 1))}).save(file)
    with pytest.raises(WeightsError, match="holds no run"):
        RunState.load(file)
