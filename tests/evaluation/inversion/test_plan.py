"""Methods are matched with models by the model's own card."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.cli import evaluate_inversion
from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.engine.invert import methods as registry
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.inversion.plan import DEFAULT_METHODS, METHODS, make_plan, methods_named
from tests.tiny_inverter import MODEL, write_tiny_model


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder)
    write_tiny_model(folder, name="restyle_e4e.tiny", encoder_type="ProgressiveBackboneEncoder")
    write_tiny_model(folder, name="psp.tiny", input_nc=3)
    write_tiny_model(folder, name="e4e.tiny", encoder_type="Encoder4Editing", input_nc=3)
    write_tiny_model(folder, name="a_toon.tiny", domain="toonify")
    return ModelStore(folder / "none", folder)


def plan(store: ModelStore, text: str, *models: str) -> list[tuple[str, str]]:
    found = make_plan(store, methods_named(text), models=models, preferred=MODEL)
    return [(run.method.name, run.card.name) for run in found.runs]


def test_each_method_gets_the_model_that_fits(four: ModelStore) -> None:
    assert sorted(plan(four, "restyle_psp,restyle_e4e,psp,e4e")) == [
        ("e4e", "e4e.tiny"),
        ("psp", "psp.tiny"),
        ("restyle_e4e", "restyle_e4e.tiny"),
        ("restyle_psp", MODEL),
    ]
    assert plan(four, "karras,hybrid,idinvert") == [
        ("karras", MODEL),
        ("hybrid", MODEL),
        ("idinvert", MODEL),
    ]


def test_models_of_other_domains_are_used_only_when_named(four: ModelStore) -> None:
    assert all(name != "a_toon.tiny" for _, name in plan(four, ",".join(METHODS)))
    assert plan(four, "restyle_psp", "a_toon.tiny", MODEL) == [
        ("restyle_psp", "a_toon.tiny"),
        ("restyle_psp", MODEL),
    ]


def test_methods_without_weights_are_listed_with_a_sentence(store: ModelStore) -> None:
    found = make_plan(store, methods_named("psp,restyle_psp,e4e"), models=(), preferred=MODEL)
    assert [run.method.name for run in found.runs] == ["restyle_psp"]
    assert [one.method for one in found.left_out] == ["psp", "e4e"]
    assert all(one.reason.endswith(".") and "installed" in one.reason for one in found.left_out)


def test_nothing_that_can_run_is_an_error(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="None of the methods can run"):
        make_plan(store, methods_named("psp"), models=(), preferred=MODEL)
    with pytest.raises(WeightsError, match=r"no\.such"):
        make_plan(store, methods_named("karras"), models=("no.such",), preferred=MODEL)
    empty = ModelStore(tmp_path / "a", tmp_path / "b")
    with pytest.raises(WeightsError, match="No inversion model"):
        make_plan(empty, methods_named("karras"), models=(), preferred=MODEL)


def test_names_are_checked() -> None:
    assert [m.name for m in methods_named("hybrid, psp,hybrid,")] == ["hybrid", "psp"]
    for text in ("", "stylegan", "psp,nobody"):
        with pytest.raises(UserInputError) as caught:
            methods_named(text)
        assert all(name in caught.value.hint for name in METHODS)


def test_command_line_and_registry_know_the_same_names() -> None:
    assert tuple(METHODS) == evaluate_inversion.METHODS
    assert evaluate_inversion.DEFAULT_METHODS == DEFAULT_METHODS
    assert all(method.method in registry.METHODS for method in METHODS.values())
