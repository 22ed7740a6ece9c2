"""The command `evaluate inversion`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import JobCancelled, UserInputError, display_path

if TYPE_CHECKING:
    from desktop_app.evaluation.inversion.evaluation import EvaluationOptions, InversionEvaluation
    from desktop_app.evaluation.inversion.report import InversionReport

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SHOWN_PROBLEMS = 10
MAX_ITERATIONS = 10_000
# Spelled out here, so that the parser needs no torch; a test compares them with the plan.
METHODS = ("restyle_psp", "restyle_e4e", "psp", "e4e", "idinvert", "karras", "karras_w_plus", "hybrid")
DEFAULT_METHODS = ("restyle_psp", "restyle_e4e", "psp", "e4e", "idinvert", "karras", "hybrid")


def register(kinds: _Subparsers) -> None:
    """Add the command below `evaluate`."""
    parser = kinds.add_parser(
        "inversion", help="compare inversion methods on a folder of faces, as one HTML page"
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="folder of photos")
    parser.add_argument(
        "--methods",
        type=_methods,
        default=DEFAULT_METHODS,
        metavar="LIST",
        help=f"comma separated, of {', '.join(METHODS)}; default: {','.join(DEFAULT_METHODS)}",
    )
    parser.add_argument(
        "--steps", type=whole_number(1, 20), default=5, metavar="N", help="encoder passes (5)"
    )
    parser.add_argument(
        "--iterations",
        type=whole_number(1, MAX_ITERATIONS),
        default=0,
        metavar="N",
        help="of the methods that search; default: each method's own number",
    )
    parser.add_argument("--aligned", action="store_true", help="the pictures are cut-out faces already")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="inversion model; may be given several times, then each method runs with every one that fits",
    )
    parser.add_argument(
        "--limit", type=whole_number(1, 1_000_000), default=0, metavar="N",
        help="only so many photos, evenly spaced over the sorted names",
    )  # fmt: skip
    parser.add_argument(
        "--edit-photos", type=whole_number(0, 1_000_000), default=8, metavar="N",
        help="photos on which editing is measured too (8); 0: none",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("inversion_report"), metavar="DIR",
        help="folder of the report; what is in it from an earlier run is not measured again",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="measure again what is there already")
    parser.set_defaults(command=run_inversion)


def run_inversion(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Measure, write the report, show the table; a stopped run is reported as far as it came."""
    from desktop_app.evaluation.inversion.report import make_report, report_object
    from desktop_app.evaluation.inversion.writer import write_report

    evaluation = _evaluation(_options(args), console)
    try:
        console.drive(evaluation.run())
    except (JobCancelled, KeyboardInterrupt):
        if any(result.records for result in evaluation.results):
            write_report(make_report(evaluation, is_complete=False), args.out)
            console.line(f"Wrote what was measured to {display_path(args.out)}; the same command goes on.")
        raise
    report = make_report(evaluation, is_complete=True)
    files = write_report(report, args.out)
    _show(report, console, args.out)
    return {**report_object(report), "files": files}


def _options(args: argparse.Namespace) -> EvaluationOptions:
    from desktop_app.evaluation.inversion.evaluation import EvaluationOptions
    from desktop_app.evaluation.inversion.plan import methods_named

    if not args.folder.is_dir():
        raise UserInputError(
            f"There is no folder {display_path(args.folder)}.", "Name a folder that holds photos of faces."
        )
    return EvaluationOptions(
        folder=args.folder,
        out=args.out,
        methods=methods_named(",".join(args.methods)),
        models=tuple(args.model),
        steps=args.steps,
        iterations=args.iterations,
        is_aligned=args.aligned,
        limit=args.limit,
        edit_photos=args.edit_photos,
        is_fresh=args.again,
    )


def _evaluation(options: EvaluationOptions, console: Console) -> InversionEvaluation:
    from desktop_app.engine.align.face_detector import make_detector
    from desktop_app.engine.device import choose_device, set_threads
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.evaluation.inversion.evaluation import InversionEvaluation
    from desktop_app.evaluation.inversion.meters import load_meters

    settings = console.settings
    store = ModelStore(console.paths.builtin_models, console.paths.models)
    device = choose_device(settings.engine.device)
    set_threads(settings.engine.threads)
    return InversionEvaluation(
        options,
        store,
        meters=load_meters(store, encoder=settings.library.encoder, device=device),
        detector=make_detector(store, console.paths.models),
        preferred=settings.inversion.model,
        device=device,
    )


def _show(report: InversionReport, console: Console, out: Path) -> None:
    from desktop_app.evaluation.inversion.tables import final_table

    table = final_table(report)
    lines = [table.columns, *(tuple(cell.text for cell in row) for row in table.rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(table.columns))]
    for line in lines:
        first = f"{line[0]:<{widths[0]}}"
        rest = (f"{text:>{width}}" for text, width in zip(line[1:], widths[1:], strict=True))
        console.line("  ".join((first, *rest)))
    for one in report.left_out:
        console.line(f"{one.title}: not run. {one.reason}")
    for sentence in report.missing:
        console.line(sentence)
    for problem in report.problems[:SHOWN_PROBLEMS]:
        console.line(f"left out: {display_path(problem.path.name)}: {problem.reason}")
    if len(report.problems) > SHOWN_PROBLEMS:
        console.line(f"... and {len(report.problems) - SHOWN_PROBLEMS} more")
    if report.reused:
        console.line(f"{report.reused} results were there from an earlier run (--again measures anew).")
    console.line(f"Wrote {display_path(out / 'index.html')}")


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        what = f"'{unknown[0]}' is no inversion method" if unknown else "no method is named"
        raise argparse.ArgumentTypeError(f"{what}; known are {', '.join(METHODS)}")
    return names
