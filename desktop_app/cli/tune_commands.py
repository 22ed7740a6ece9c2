"""`contrastyle train tune`: learn from the library, keep or discard the result, switch between encoders."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop_app.cli.console import Console
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.settings import load_settings, save_settings
from desktop_app.core.types import (
    AlikeKind,
    DiscardTuningRequest,
    KeepTuningRequest,
    MarkedGroups,
    SwitchEncoderRequest,
    TuneOptions,
    TuneOptionsRequest,
    TuneRequest,
    TuneResult,
    TuneStep,
)

_EVERY = 20
# What a new tuning takes from the command line, and what is done instead of one.
_CHOICES = ("alike", "encoder", "steps", "seed", "layers", "mark")
_ACTIONS = ("keep", "discard", "use", "status")


def add_parser(kinds: Any) -> None:  # Any: argparse gives its subparsers no public type
    """Add the command below `train`."""
    parser = kinds.add_parser(
        "tune", help="learn from your own library what counts as alike; without an action: tune"
    )
    parser.add_argument(
        "--alike",
        nargs="+",
        choices=[str(kind) for kind in AlikeKind],
        default=None,
        help="what counts as alike (views)",
    )
    parser.add_argument(
        "--encoder",
        default=None,
        metavar="NAME",
        help="encoder to tune; default: the one used or, when it is tuned itself, the one it stands on",
    )
    parser.add_argument("--steps", type=whole_number(0), default=None, help="steps; 0: the usual number")
    parser.add_argument("--seed", type=int, default=None, help="seed of views and batches (0)")
    parser.add_argument(
        "--layers", action="store_true", default=None, help="also change the last layers (slow)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a stopped tuning")
    parser.add_argument(
        "--mark",
        type=Path,
        metavar="CSV",
        help="columns file and label: mark these groups first; they count as alike too",
    )
    parser.add_argument("--title", default="", help="with --keep: title of the tuned encoder")
    parser.add_argument("--library", type=Path, default=None, metavar="DIR", help="folder of the library")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--keep", action="store_true", help="keep the finished tuning as an encoder")
    action.add_argument("--discard", action="store_true", help="forget a stopped or finished tuning")
    action.add_argument("--use", default="", metavar="NAME", help="search with this encoder from now on")
    action.add_argument("--status", action="store_true", help="what can be learned from, and where it stands")
    parser.set_defaults(command=tune)


def tune(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Do what the options say."""
    from desktop_app.jobs import keep_tuning, switch_encoder, tune_options

    _check_choices(args)
    services = console.known_services(args.library)
    if args.use:
        switched = console.drive(switch_encoder.run(SwitchEncoderRequest(args.use), services))
        _remember(switched.name, console)
        if switched.name == switched.previous:
            console.line(f"{switched.name} was searched with already; nothing changed.")
        else:
            console.line(f"Searching with {switched.name} now; `--use {switched.previous}` goes back.")
        return {"encoder": switched.name, "previous": switched.previous, "photos": switched.photos}
    if args.keep:
        kept = console.drive(keep_tuning.run(KeepTuningRequest(args.title), services))
        console.line(f"Kept {kept.name} ({kept.photos} photos); `--use {kept.name}` searches with it.")
        return {"model": kept.name, "title": kept.title, "photos": kept.photos}
    if args.discard or args.status:
        request = DiscardTuningRequest() if args.discard else TuneOptionsRequest()
        return _tell(console.drive(tune_options.run(request, services)), console)
    return _run(args, services, console)


def _check_choices(args: argparse.Namespace) -> None:
    """Refuse choices that would change nothing."""
    given = [f"--{name}" for name in _CHOICES if getattr(args, name) is not None]
    if args.resume and given:
        raise UserInputError(
            f"`--resume` goes on with the tuning as it was begun: {', '.join(given)} would change nothing.",
            "Leave that out; or `--discard` the tuning and begin another.",
        )
    action = next((name for name in _ACTIONS if getattr(args, name)), "")
    if action and args.mark is not None:
        raise UserInputError(
            f"`--mark` marks groups for a tuning that begins; it cannot go with `--{action}`.",
            "Do one after the other.",
        )


def _check_nothing_waits(services: Any, console: Console) -> None:
    """Refuse to begin where a finished or stopped tuning would be lost."""
    from desktop_app.jobs.tuning_folder import TuningFolder

    folder = TuningFolder(services.library)
    plan, result = folder.plan(), folder.result(services.catalogue)
    if result is not None:
        raise UserInputError(
            f"A finished tuning of {result.encoder} waits; a new one would forget it.",
            "`--keep` makes it an encoder of its own, `--discard` forgets it; then tune.",
        )
    if plan is not None and plan.done:
        raise UserInputError(
            f"A tuning of {plan.encoder} stopped at step {plan.done} of {plan.all_steps}; "
            "a new one would forget it.",
            "`--resume` goes on with it, `--discard` forgets it; then tune.",
        )
    if plan is not None:
        console.line(f"A tuning of {plan.encoder} that stopped before its first step is forgotten.")


def _request(args: argparse.Namespace, services: Any, console: Console) -> TuneRequest:
    from desktop_app.jobs.tune_options import encoder_to_tune

    if args.resume:
        return TuneRequest(resume=True)
    _check_nothing_waits(services, console)
    encoder = encoder_to_tune(args.encoder or "", services)
    if not args.encoder and encoder != services.encoder_name:
        console.line(f"Tuning {encoder}, on which {services.encoder_name} stands.")
    return TuneRequest(
        alike=tuple(AlikeKind(kind) for kind in args.alike or [AlikeKind.VIEWS]),
        encoder=encoder,
        steps=args.steps or 0,
        seed=args.seed or 0,
        changes_layers=bool(args.layers),
        marks=_marks(args.mark, services) if args.mark is not None else (),
    )


def _run(args: argparse.Namespace, services: Any, console: Console) -> dict[str, object]:
    from desktop_app.jobs import tune_library

    request = _request(args, services, console)

    def show(message: object) -> None:
        if isinstance(message, MarkedGroups):
            groups = "1 group" if len(request.marks) == 1 else f"{len(request.marks)} groups"
            console.line(f"Marked {groups} as alike.")
        if isinstance(message, TuneStep) and (message.step % _EVERY == 0 or message.step == message.steps):
            alarm = "  COLLAPSED: the embeddings run together" if message.is_collapsed else ""
            console.line(
                f"step {message.step:4d} of {message.steps}  loss {message.loss:.4f}  "
                f"alignment {message.alignment:.4f}  uniformity {message.uniformity:.3f}{alarm}"
            )

    result = console.drive(tune_library.run(request, services), show)
    if result.agreement_before is not None and result.agreement_after is not None:
        console.line(
            f"Agreement with your sets: {result.agreement_before:.3f} -> {result.agreement_after:.3f} "
            "(they were learned from: no proof of a gain)."
        )
    console.line("`--keep` makes it an encoder of its own, `--discard` forgets it.")
    return _object(result)


def _marks(table: Path, services: Any) -> tuple[tuple[int, ...], ...]:
    """The groups of a list, as ids of photos of the library."""
    from desktop_app.jobs.tune_options import all_photos
    from desktop_app.training.alike import labels_of

    rows = all_photos(services)
    names = labels_of([row.path for row in rows], table)
    groups: dict[str, list[int]] = {}
    for row, name in zip(rows, names, strict=True):
        if name:
            groups.setdefault(name, []).append(row.photo_id)
    usable = tuple(tuple(ids) for ids in groups.values() if len(ids) > 1)
    if not usable:
        raise UserInputError(
            f"The list {display_path(table)} names no two photos of the library with one label.",
            "Its column `file` holds paths, or their ends, of indexed photos.",
        )
    return usable


def _remember(name: str, console: Console) -> None:
    """Write the choice into the settings file, beside what else it holds."""
    stored = load_settings(console.paths.settings_file)
    save_settings(replace(stored, library=replace(stored.library, encoder=name)), console.paths.settings_file)


def _tell(options: TuneOptions, console: Console) -> dict[str, object]:
    console.line(f"{options.photos} photos, searched with {options.used}.")
    for choice in options.choices:
        found = f"{choice.sets} sets, {choice.photos} photos" if choice.sets else "can be chosen"
        state = choice.problem or found
        console.line(f"  {choice.kind:8s} {state}")
    if options.stopped_of:
        where = f"at step {options.stopped_at} of {options.stopped_of}"
        if not options.stopped_at:
            where = "before its first step"
        console.line(f"A tuning stopped {where}: --resume goes on.")
    if options.result is not None:
        console.line("A finished tuning waits: --keep or --discard.")
    return {
        "photos": options.photos,
        "encoder": options.used,
        "encoders": [encoder.name for encoder in options.encoders],
        "alike": {str(choice.kind): choice.problem for choice in options.choices},
        "groups": len(options.groups),
        "stopped_at": options.stopped_at,
        "stopped_of": options.stopped_of,
        "is_finished": options.result is not None,
    }


def _object(result: TuneResult) -> dict[str, object]:
    last = result.steps[-1] if result.steps else None
    return {
        "encoder": result.encoder,
        "alike": [str(kind) for kind in result.alike],
        "photos": result.photos,
        "steps": len(result.steps),
        "loss": last.loss if last else None,
        "alignment": last.alignment if last else None,
        "uniformity": last.uniformity if last else None,
        "agreement_before": result.agreement_before,
        "agreement_after": result.agreement_after,
        "seconds": round(result.seconds, 2),
    }
