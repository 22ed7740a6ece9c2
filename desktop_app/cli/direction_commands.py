"""The command `directions`: list, find, show and name the edit sliders of a face model."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import UserInputError, WeightsError, display_path
from desktop_app.core.types import DirectionInfo, DirectionsRequest

if TYPE_CHECKING:
    from desktop_app.engine.edit.directions import Direction
    from desktop_app.jobs.services import Services
    from desktop_app.training.edit_directions import FoundDirections
    from desktop_app.training.edit_effects import Identity

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

# Judges of the person, the better one first.
JUDGES = ("contrastive_face.builtin", "contrastive_photo.builtin")
MOST_SHOWN = 3
LEAST_SHOWN = 0.2


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("directions", help="list or find the edit directions of a face model")
    parser.add_argument("--model", default="", metavar="NAME", help="inversion model")
    parser.add_argument(
        "--find", type=Path, metavar="FACES", help="find them on aligned faces (index.csv) and store them"
    )
    parser.add_argument(
        "--most", type=whole_number(1), default=1200, metavar="N", help="faces inverted with --find (1200)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all choices with --find (0)")
    parser.add_argument(
        "--sheets", type=Path, metavar="DIR", help="with --find: write a picture of each direction there"
    )
    parser.add_argument(
        "--name",
        type=_naming,
        action="append",
        default=[],
        metavar="DIRECTION=TEXT",
        help="give a slider another text, for example pca.2='Head up'; may be given several times",
    )
    parser.set_defaults(command=run_directions)


def run_directions(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """List names, ranges and side effects; with `--find` find and store them first."""
    from desktop_app.jobs import edit_photo

    services = console.services()
    if args.sheets and not args.find:
        raise UserInputError("--sheets shows what --find has found.", "Add --find FACES.")
    facts = _find(args, console, services) if args.find else {}
    if args.name and not args.find:
        _rename(args, services)
    answer = console.drive(edit_photo.run(DirectionsRequest(args.model), services))
    listed = getattr(answer, "directions", ())
    for one in listed:
        console.line(f"{one.name:24s} {one.minimum:7.2f} .. {one.maximum:6.2f}  {one.label} ({one.kind})")
        for line in _told(one):
            console.line(f"{'':26s}{line}")
    return {
        "model": getattr(answer, "model", ""),
        "directions": [asdict(one) for one in listed],
        **({"facts": facts} if facts else {}),
    }


def _told(one: DirectionInfo) -> list[str]:
    """What was measured of a direction, in at most two lines."""
    facts = one.facts
    if facts is None:
        return []
    lines = []
    if facts.accuracy is not None:
        lines.append(f"right for {facts.accuracy:.0%} of {facts.faces} held-out faces")
    shown = [f"{label} {value:+.1f}" for label, value in facts.changes if abs(value) >= LEAST_SHOWN]
    if shown:
        same = "" if facts.identity is None else f"; same face {facts.identity:.2f}"
        lines.append(f"at {facts.strength:g} changes: {', '.join(shown[: MOST_SHOWN + 1])}{same}")
    return lines


def _find(args: argparse.Namespace, console: Console, services: Services) -> dict[str, float]:
    """Find directions on faces and write them, their table and their sheets."""
    from desktop_app.engine.edit.directions import save_directions
    from desktop_app.training.edit_directions import DirectionConfig, FoundDirections, find_directions
    from desktop_app.training.edit_pages import write_table

    model = services.faces.model(args.model)
    found: FoundDirections | None = None
    config = DirectionConfig(args.find, most_faces=args.most, seed=args.seed)
    for message in find_directions(model, config, identity=_identity(services)):
        console.raise_if_interrupted()
        if isinstance(message, FoundDirections):
            found = message
        else:
            console.progress(message)
    assert found is not None
    named = _named(found.directions, dict(args.name))
    card = services.models.card(model.name)
    files = save_directions(card.folder, card.name, directions=named, sha256=card.sha256)
    write_table(card.folder / f"{card.name}.directions.md", card.name, named)
    console.line(f"Wrote {display_path(files[1])}")
    for name, value in found.facts.items():
        console.line(f"{name:24s} {value:6.3f}")
    if args.sheets:
        _write_sheets(args.sheets, found, console, services=services, model=args.model)
    return {name: round(value, 4) for name, value in found.facts.items()}


def _write_sheets(
    folder: Path, found: FoundDirections, console: Console, *, services: Services, model: str
) -> None:
    from desktop_app.training.edit_pages import write_sheets

    write_sheets(folder, services.faces.model(model), found.directions, codes=found.samples)
    console.line(f"Wrote {len(found.directions)} sheets to {display_path(folder)}")


def _identity(services: Services) -> Identity | None:
    """The built-in encoder that tells people apart best."""
    from desktop_app.training.edit_effects import Identity

    known = {card.name for card in services.models.cards()}
    name = next((one for one in JUDGES if one in known), "")
    if not name:
        return None
    return Identity(name, services.embedder(name).embed)


def _rename(args: argparse.Namespace, services: Services) -> None:
    """Store other slider texts beside the model."""
    from desktop_app.engine.edit.directions import load_directions, save_directions
    from desktop_app.training.edit_pages import write_table

    model = services.faces.model(args.model)
    card = services.models.card(model.name)
    stored = load_directions(
        card.folder, card.name, shape=(model.n_styles, model.style_dim), sha256=card.sha256
    )
    if stored is None:
        raise WeightsError(
            f"'{card.name}' has no directions of its own yet.", "Find them first: --find FACES."
        )
    named = _named(stored, dict(args.name))
    save_directions(card.folder, card.name, directions=named, sha256=card.sha256)
    write_table(card.folder / f"{card.name}.directions.md", card.name, named)


def _named(directions: tuple[Direction, ...], names: dict[str, str]) -> tuple[Direction, ...]:
    """The directions with other slider texts."""
    unknown = sorted(set(names) - {one.name for one in directions})
    if unknown:
        raise UserInputError(
            f"The model has no edit direction '{unknown[0]}'.",
            f"It has: {', '.join(one.name for one in directions)}.",
        )
    return tuple(replace(one, label=names.get(one.name, one.label)) for one in directions)


def _naming(text: str) -> tuple[str, str]:
    name, sign, label = text.partition("=")
    if not name.strip() or not sign or not label.strip():
        raise argparse.ArgumentTypeError(f"'{text}' is no DIRECTION=TEXT, for example pca.2=Head up")
    return name.strip(), label.strip()
