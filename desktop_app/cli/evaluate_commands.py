"""The command `evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli import evaluate_faces, evaluate_inversion
from desktop_app.cli.console import Console
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import display_path

if TYPE_CHECKING:
    from desktop_app.evaluation.copies import CopyScores
    from desktop_app.evaluation.retrieval import EncoderScores, RetrievalReport

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SHOWN_PROBLEMS = 10


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    evaluate = subparsers.add_parser("evaluate", help="measure encoders and inversion methods")
    kinds = evaluate.add_subparsers(title="what to measure", required=True, metavar="KIND")
    retrieval = kinds.add_parser("retrieval", help="how well neighbours agree with labels")
    retrieval.add_argument("--folder", type=Path, required=True, help="folder of the pictures")
    retrieval.add_argument(
        "--labels",
        type=Path,
        help="CSV with the columns file, label and, if wanted, set; default: index.csv of the folder, or one "
        "folder for each label",
    )
    retrieval.add_argument("--out", type=Path, metavar="DIR", help="write tables and plots there as one page")
    retrieval.add_argument(
        "--encoder",
        action="append",
        help="model name, timm:MODEL, open_clip:MODEL, or hsv, phash, pixels16, untrained; "
        "may be given several times; default: the encoder of the settings",
    )
    retrieval.add_argument(
        "--copies",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="also find the originals of N cropped, recoloured, recompressed or flipped copies (0)",
    )
    retrieval.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="of the copies (0)")
    retrieval.add_argument("--models", type=Path, help="folder of further models; default: your model folder")
    retrieval.set_defaults(command=run_retrieval)
    evaluate_inversion.register(kinds)
    evaluate_faces.register(kinds)


def run_retrieval(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Measure encoders on labelled pictures and show a table."""
    from desktop_app.engine.device import choose_device, set_threads
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.evaluation.copies import CopyPlan
    from desktop_app.evaluation.describers import make_describer
    from desktop_app.evaluation.retrieval import evaluate_retrieval, labels_of_folder, read_labels
    from desktop_app.evaluation.retrieval_page import write_page

    pictures = read_labels(args.labels, args.folder) if args.labels else labels_of_folder(args.folder)
    store = ModelStore(console.paths.builtin_models, args.models or console.paths.models)
    device = choose_device(console.settings.engine.device)
    set_threads(console.settings.engine.threads)
    names = list(dict.fromkeys(args.encoder or [console.settings.library.encoder]))
    describers = {name: make_describer(name, store, device=device) for name in names}
    plan = CopyPlan(args.copies, args.seed)
    report = console.drive(evaluate_retrieval(pictures, describers, copies=plan))
    _show(report, console)
    answer = _object(report)
    if args.out is not None:
        page = write_page(report, args.out)
        console.line(f"Wrote {display_path(page)}")
        answer["page"] = str(page)
    return answer


def _show(report: RetrievalReport, console: Console) -> None:
    sets = list(dict.fromkeys(name for encoder in report.encoders for name in encoder.sets))
    width = max(len("encoder"), *(len(encoder.name) for encoder in report.encoders))
    columns = [*sets, "mean"]
    console.line(f"{'encoder':<{width}}" + "".join(f"  {name[:16]:>16}" for name in columns))
    console.line(" " * width + f"  {'mAP  R@1  5-NN':>16}" * len(columns))
    for encoder in report.encoders:
        cells = []
        for name in sets:
            scores = encoder.sets.get(name)
            figures = (
                (scores.mean_average_precision, scores.recall_at_1, scores.knn_accuracy) if scores else None
            )
            cells.append(_cell(figures))
        console.line(f"{encoder.name:<{width}}" + "".join(cells) + _cell(encoder.mean()))
    _show_copies(report, console, width)
    console.line(f"{report.pictures} pictures, each asked against all others of its set.")
    for problem in report.problems[:SHOWN_PROBLEMS]:
        console.line(f"left out: {problem.reason}")
    if len(report.problems) > SHOWN_PROBLEMS:
        console.line(f"... and {len(report.problems) - SHOWN_PROBLEMS} more")


def _show_copies(report: RetrievalReport, console: Console, width: int) -> None:
    first = report.encoders[0].copies
    if first is None:
        return
    console.line()
    kinds = list(first.kinds)
    console.line(
        f"{'copies, R@1':<{width}}  {'one change':>12}"
        + "".join(f"  {kind:>12}" for kind in kinds)
        + f"  {'all at once':>12}"
    )
    for encoder in report.encoders:
        if encoder.copies is not None:
            figures = [encoder.copies.recall_at_1, *(encoder.copies.kinds[kind] for kind in kinds)]
            figures.append(encoder.copies.together_recall_at_1)
            console.line(f"{encoder.name:<{width}}" + "".join(f"  {figure:>12.3f}" for figure in figures))
    console.line(f"{first.copies} copies, their originals sought among {first.gallery} pictures.")


def _cell(figures: tuple[float, float, float] | None) -> str:
    if figures is None:
        return f"  {'-':>16}"
    return "  " + f"{' '.join(f'{figure:.3f}' for figure in figures):>16}"


def _object(report: RetrievalReport) -> dict[str, object]:
    return {
        "pictures": report.pictures,
        "unreadable": [{"file": display_path(p.path), "reason": p.reason} for p in report.problems],
        "encoders": [_encoder_object(encoder) for encoder in report.encoders],
    }


def _encoder_object(encoder: EncoderScores) -> dict[str, object]:
    first, second, third = encoder.mean()
    copies = encoder.copies
    return {
        "encoder": encoder.name,
        "embedding_size": encoder.embedding_size,
        "images_per_s": round(encoder.images_per_s, 1),
        "mean": {"map": first, "recall_at_1": second, "knn5": third},
        "sets": {
            name: {
                "map": scores.mean_average_precision,
                "recall_at_1": scores.recall_at_1,
                "knn5": scores.knn_accuracy,
                "queries": scores.queries,
                "pictures": scores.pictures,
            }
            for name, scores in encoder.sets.items()
        },
        **({} if copies is None else {"copies": _copies_object(copies)}),
    }


def _copies_object(copies: CopyScores) -> dict[str, object]:
    return {
        "recall_at_1": copies.recall_at_1,
        "kinds": copies.kinds,
        "together_recall_at_1": copies.together_recall_at_1,
        "copies": copies.copies,
        "gallery": copies.gallery,
    }
