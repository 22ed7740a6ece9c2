"""How near embeddings by the previews inside camera files are to those of the full pictures.

    python -m tests.benchmarks preview_closeness

Labelled photos (CONTRASTYLE_DATA) are enlarged to two megapixels and stored as cameras do, with a preview of
160 x 120 pixels: once 4:3, and once cut to 16:9, whose preview has bars and 90 rows of picture.
Told are the cosines of the two embeddings, and mean average precision over the labels with either.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from desktop_app.catalogue.decode import decode_content
from desktop_app.catalogue.embedded_preview import embedded_preview
from desktop_app.core.paths import default_paths
from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.weights.store import ModelStore
from desktop_app.evaluation.metrics import retrieval_scores
from desktop_app.evaluation.retrieval import LabelledPicture, read_labels
from tests.pictures import camera_jpeg

ENCODER = "contrastive_photo.builtin"
PIXELS = 2_100_000
SHAPES = {"4:3": 4 / 3, "16:9": 16 / 9}
OTHER_PHOTOS = 400


def run() -> dict[str, object]:
    """Cosines and precision, by shape and set."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    source = Path(os.environ.get("CONTRASTYLE_DATA", default))
    table = source / "retrieval" / "index.csv"
    if not table.is_file():
        return {"skipped": "no labelled photos; set CONTRASTYLE_DATA"}
    paths = default_paths()
    store = ModelStore(paths.builtin_models, paths.models)
    embedder = load_embedder(store, ENCODER, device=torch.device("cpu"))
    labelled = read_labels(table, source / "retrieval")
    others = sorted((source / "photos").rglob("*.jpg"))
    others = others[:: max(1, len(others) // OTHER_PHOTOS)]
    figures: dict[str, object] = {}
    for name, shape in SHAPES.items():
        pairs = [_inputs(picture.file, shape, embedder) for picture in labelled]
        previews, full = (embedder.embed_prepared(np.stack(side)) for side in zip(*pairs, strict=True))
        figures[f"{name} labelled"] = {
            **_cosines(previews, full),
            "mAP full": _precision(full, labelled),
            "mAP previews": _precision(previews, labelled),
            # A query that was read in full against a library of previews, and the other way round.
            "own preview first": round(
                float((np.argmax(full @ previews.T, axis=1) == np.arange(len(full))).mean()), 4
            ),
        }
        pairs = [_inputs(file, shape, embedder) for file in others]
        previews, full = (embedder.embed_prepared(np.stack(side)) for side in zip(*pairs, strict=True))
        figures[f"{name} other photos"] = _cosines(previews, full)
    return figures


def _inputs(file: Path, shape: float, embedder: object) -> tuple[Image, Image]:
    """The encoder's input of a photo by its preview, and in full."""
    with PillowImage.open(file) as opened:
        picture = opened.convert("RGB")
    if picture.width < picture.height:  # cameras store photos as the sensor lies
        picture = picture.transpose(PillowImage.Transpose.ROTATE_90)
        orientation = 6
    else:
        orientation = 1
    width, height = picture.size
    kept = min(width, round(height * shape)), min(height, round(width / shape))
    left, top = (width - kept[0]) // 2, (height - kept[1]) // 2
    size = round((PIXELS * shape) ** 0.5), round((PIXELS / shape) ** 0.5)
    box = (left, top, left + kept[0], top + kept[1])
    large = picture.resize(size, PillowImage.Resampling.BICUBIC, box=box)
    content = camera_jpeg(np.asarray(large), orientation=orientation)
    preview = embedded_preview(content, at_least_px=87, max_megapixels=250)
    full = decode_content(content, path=None, max_megapixels=250, at_least_px=256)
    assert preview is not None, file
    return embedder.prepare(preview.image), embedder.prepare(full.image)


def _cosines(a: FloatArray, b: FloatArray) -> dict[str, float]:
    cosines = (a * b).sum(axis=1)
    shares = {"median": 50, "1 %": 1, "min": 0}
    return {name: round(float(np.percentile(cosines, share)), 4) for name, share in shares.items()}


def _precision(rows: FloatArray, pictures: list[LabelledPicture]) -> dict[str, float]:
    found = {}
    for name in sorted({picture.set_name for picture in pictures}):
        chosen = [n for n, picture in enumerate(pictures) if picture.set_name == name]
        scores = retrieval_scores(rows[chosen], [pictures[n].label for n in chosen])
        if scores is not None:
            found[name] = round(scores.mean_average_precision, 4)
    return found
