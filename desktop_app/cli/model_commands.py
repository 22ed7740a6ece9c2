"""The command `models`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.core.types import ModelInfo, ModelsRequest

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    models = subparsers.add_parser("models", help="look at the models that are there")
    actions = models.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list encoders and face models")
    listing.set_defaults(command=run_list)


def run_list(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Show all models."""
    from desktop_app.jobs import list_models

    services = console.services()
    models = console.drive(list_models.run(ModelsRequest(), services)).models
    for model in models:
        _show(model, console)
    if not models:
        console.line("No models are installed.")
    console.line(f"Further models are looked for in {console.paths.models}")
    return {
        "models": [_object(model) for model in models],
        "folders": [str(console.paths.builtin_models), str(console.paths.models)],
    }


def _show(model: ModelInfo, console: Console) -> None:
    origin = "built in" if model.is_builtin else "added"
    console.line(f"{model.name}  ({model.role}, {origin}, {model.bytes / 1e6:.1f} MB, {model.licence})")
    console.line(f"    {model.title}")
    if model.problem:
        console.line(f"    NOT USABLE: {model.problem}")
    for name, value in model.facts:
        console.line(f"    {name}: {value}")


def _object(model: ModelInfo) -> dict[str, object]:
    return {
        "name": model.name,
        "role": model.role,
        "title": model.title,
        "licence": model.licence,
        "bytes": model.bytes,
        "is_builtin": model.is_builtin,
        "is_usable": model.is_usable,
        "problem": model.problem,
        "facts": dict(model.facts),
    }
