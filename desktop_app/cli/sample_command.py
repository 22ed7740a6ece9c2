"""The command `sample`: random faces of a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.cli.face_commands import make_folder
from desktop_app.cli.numbers import decimal_number, whole_number
from desktop_app.core.types import SampleFacesRequest

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    sample = subparsers.add_parser("sample", help="draw random faces with a face model")
    sample.add_argument("--model", default="", metavar="NAME", help="inversion model")
    sample.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the pictures")
    sample.add_argument(
        "--count", type=whole_number(1, 256), default=16, metavar="N", help="how many, 1 to 256 (16)"
    )
    sample.add_argument(
        "--psi", type=decimal_number(0, 2), default=0.7, metavar="PSI", help="truncation, 0 to 2 (0.7)"
    )
    sample.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="another draw")
    sample.set_defaults(command=run_sample)


def run_sample(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write random faces, one file each, and a sheet of all."""
    from desktop_app.engine.image_file import write_image
    from desktop_app.engine.invert.step_pictures import strip
    from desktop_app.jobs import sample_faces

    request = SampleFacesRequest(args.model, args.count, args.psi, args.seed)
    drawn = console.drive(sample_faces.run(request, console.services()))
    make_folder(args.out)
    files = []
    for number, image in enumerate(drawn.images, start=1):
        file = args.out / f"face_{number:03d}.png"
        write_image(image, file)
        files.append(str(file))
    columns = max(1, round(len(drawn.images) ** 0.5))
    rows = [drawn.images[i : i + columns] for i in range(0, len(drawn.images), columns)]
    write_image(strip(rows), args.out / "sheet.png")
    console.line(f"Drew {len(drawn.images)} faces with {drawn.model}; all of them: {args.out / 'sheet.png'}")
    return {"model": drawn.model, "sheet": str(args.out / "sheet.png"), "faces": files}
