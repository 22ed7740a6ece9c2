"""The command `models`: list, import, remove."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.core.types import ImportModelRequest, ModelInfo, ModelsRequest, RemoveModelRequest

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    models = subparsers.add_parser("models", help="look at the models that are there")
    actions = models.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list encoders and face models")
    listing.set_defaults(command=run_list)
    importing = actions.add_parser(
        "import",
        help="bring a published weights file into the models",
        description="Bring a published weights file into the models: ReStyle, pSp and e4e checkpoints, "
        "StyleGAN2 generators (.pt, NVIDIA .pkl), edit directions, ResNet-50 encoders, ArcFace. "
        "What it is gets told from its contents; nothing inside of it is ever run.",
    )
    importing.add_argument("file", type=Path, metavar="FILE", help="the weights file")
    importing.add_argument(
        "--licence", default="", metavar="TEXT", help="licence of the weights, as you know it"
    )
    importing.add_argument(
        "--name", default="", metavar="NAME", help="name of the model (made up when left out)"
    )
    importing.set_defaults(command=run_import)
    removing = actions.add_parser("remove", help="delete an imported model from disk")
    removing.add_argument("name", metavar="NAME", help="name of the model")
    removing.set_defaults(command=run_remove)


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


def run_import(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Import a weights file."""
    from desktop_app.jobs import import_model

    request = ImportModelRequest(args.file, licence=args.licence, name=args.name)
    done = console.drive(import_model.run(request, console.services()))
    console.line("Imported:")
    _show(done.model, console)
    if not args.licence:
        console.line("    No licence was stated; add it with --licence when you know it.")
    return {
        "model": _object(done.model),
        "architecture": done.architecture,
        "notes": list(done.notes),
        "seconds": round(done.seconds, 2),
        "peak_bytes": done.peak_bytes,
    }


def run_remove(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Remove an imported model."""
    from desktop_app.jobs import import_model

    console.drive(import_model.run(RemoveModelRequest(args.name), console.services()))
    console.line(f"Removed {args.name}.")
    return {"removed": args.name}


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
