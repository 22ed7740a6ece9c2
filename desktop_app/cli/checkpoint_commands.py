"""`contrastyle train checkpoint` and `swap`: checkpoints in parts or thin, layers of two generators."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app.cli.numbers import whole_number

if TYPE_CHECKING:
    from desktop_app.cli.app import Console


def add_parser(train: Any) -> None:  # Any: argparse gives its subparsers no public type
    """Add the commands below `train`."""
    parser = train.add_parser("checkpoint", help="move a run's checkpoint: in parts, or thin")
    actions = parser.add_subparsers(title="what to do", required=True, metavar="ACTION")
    split = actions.add_parser("split", help="write it as parts with SHA-256 digests")
    _folders(split, "folder of the run", "folder of the parts")
    split.add_argument("--part-mb", type=whole_number(1), default=16, metavar="MB", help="largest part (16)")
    split.set_defaults(command=split_parts)
    join = actions.add_parser("join", help="put parts together again; then train with --resume")
    _folders(join, "folder of the parts", "folder of the run")
    join.set_defaults(command=join_parts)
    thin = actions.add_parser("thin", help="weights and step alone; resumed with freshly warmed optimisers")
    _folders(thin, "folder of the run", "folder of the thin checkpoint")
    thin.set_defaults(command=make_thin)
    swap = train.add_parser(
        "swap", help="coarse layers of one run's generator, fine layers of one fine-tuned from it"
    )
    swap.add_argument("--coarse", type=Path, required=True, metavar="RUN", help="gives pose and shape")
    swap.add_argument("--fine", type=Path, required=True, metavar="RUN", help="gives texture and colours")
    swap.add_argument(
        "--from-px", type=whole_number(8), default=32, metavar="PX", help="first fine resolution (32)"
    )
    swap.add_argument("--out", type=Path, required=True, help="folder of the new run")
    swap.set_defaults(command=swap_layers)


def split_parts(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write parts and manifest."""
    from desktop_app.training.checkpoint_parts import MANIFEST, split_checkpoint

    console.drive(split_checkpoint(args.source, args.out, part_bytes=args.part_mb * 1024**2))
    console.line(f"Wrote the parts and {MANIFEST} to {args.out}.")
    return {"out": str(args.out), "manifest": str(args.out / MANIFEST)}


def join_parts(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Check and join parts."""
    from desktop_app.training.checkpoint_parts import join_checkpoint

    console.drive(join_checkpoint(args.source, args.out))
    console.line(f"All digests fit. Resume the run in {args.out} with --resume.")
    return {"run": str(args.out)}


def make_thin(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write weights and step alone."""
    from desktop_app.training.checkpoint_parts import write_thin

    size = write_thin(args.source, args.out)
    console.line(f"Wrote {size / 1e6:.1f} MB to {args.out}. Resume it there with --resume.")
    return {"run": str(args.out), "bytes": size}


def swap_layers(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write a run with layers of two."""
    from desktop_app.training.layer_swap import swap_runs

    count = swap_runs(args.coarse, args.fine, args.out, from_px=args.from_px)
    console.line(f"Took {count} tensors from {args.fine}; the run is in {args.out}.")
    return {"run": str(args.out), "tensors": count}


def _folders(parser: argparse.ArgumentParser, source: str, out: str) -> None:
    parser.add_argument("source", type=Path, metavar="FROM", help=source)
    parser.add_argument("out", type=Path, metavar="TO", help=out)
