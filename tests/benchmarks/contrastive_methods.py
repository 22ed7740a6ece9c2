"""Ways to train the photo encoder at equal compute: method, network, input size; one thing changed at a time.

    CONTRASTYLE_RUNS=DIR SECONDS_EACH=120 python -m tests.benchmarks contrastive_methods

Every variant begins with random weights and gets the same processor seconds of one thread, its rate falling
to the end as in a long training. All are finished alike (norms, whitening, colours) and compared on the
labelled sets, which none was trained on. Encoders are kept in the folder: a second run continues.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import timm
import torch
from torch import Tensor, nn

from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
from desktop_app.engine.embed.photo_encoder import PhotoEncoder
from desktop_app.engine.embed.preprocessing import Preprocessing
from desktop_app.evaluation.copies import CopyPlan
from desktop_app.evaluation.describers import EncoderDescriber
from desktop_app.evaluation.retrieval import EncoderScores, evaluate_retrieval, read_labels
from desktop_app.training.alike import AlikeSets, find_alike
from desktop_app.training.config import METHODS, ContrastiveConfig, EncoderConfig, Similarity
from desktop_app.training.contrastive import ContrastiveTraining
from desktop_app.training.datasets import SmallPictures, load_pictures
from desktop_app.training.optimisers import make_optimisers
from desktop_app.training.run_folder import RunFolder

STORED_PX = 144
VIEW_SHARE = 2 / 3  # of the input in use, as the built-in encoder has it
PROBE_STEPS = 3
VIT = {"patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 3}

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the table."""

    name: str
    method: str = "simclr"
    input_px: int = 96
    is_vit: bool = False


VARIANTS = (
    Variant("SimCLR, convolutions, 96 px"),
    Variant("MoCo, convolutions, 96 px", method="moco"),
    Variant("DINO-type, convolutions, 96 px", method="dino"),
    Variant("SimCLR, small ViT, 96 px", is_vit=True),
    Variant("SimCLR, convolutions, 128 px", input_px=128),
    Variant("SimCLR, convolutions, 160 px", input_px=160),
    Variant("labels and views (joint), convolutions, 96 px", method="joint_sets"),
    Variant("DINO-type, small ViT, 96 px", method="dino", is_vit=True),
)


class VitMaps(nn.Module):
    """A small vision transformer that gives its tokens as one map, as the convolutions give theirs."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape
        self.network = timm.models.vision_transformer.VisionTransformer(
            img_size=64, num_classes=0, class_token=False, global_pool="avg", dynamic_img_size=True, **VIT
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one map (B, C, H / 8, W / 8)."""
        tokens = self.network.forward_features(x)
        side = x.shape[-1] // VIT["patch_size"]
        return [tokens.transpose(1, 2).reshape(len(x), -1, side, side)]


def run() -> dict[str, object]:
    """Figures by variant; the table in Markdown goes to standard error."""
    data = Path(os.environ.get("CONTRASTYLE_DATA", "../shared/data"))
    folder = Path(os.environ.get("CONTRASTYLE_RUNS", tempfile.gettempdir())) / "contrastive_methods"
    seconds = float(os.environ.get("SECONDS_EACH", "180"))
    torch.set_num_threads(1)
    pictures = _answer(load_pictures([data / "photos", data / "faces" / "train"], folder, side=STORED_PX))
    labels = find_alike(pictures.files, Similarity.LABELS, table=data / "photos" / "index.csv")
    describers, speeds = {}, {}
    for number, variant in enumerate(VARIANTS):
        kept = folder / f"{number}.pt"
        if not kept.is_file():
            torch.save(_trained(variant, pictures, labels, seconds=seconds, folder=folder), kept)
        saved = torch.load(kept, weights_only=True)
        speeds[variant.name] = saved["images"]
        training = _training(variant, pictures.only(range(400)), None, folder=folder)
        encoder = training.network.encoder
        encoder.load_state_dict(saved["encoder"])
        describers[variant.name] = _describer(encoder, variant)
    retrieval = read_labels(data / "retrieval" / "index.csv", data / "retrieval")
    report = _answer(evaluate_retrieval(retrieval, describers, copies=CopyPlan()))
    sys.stderr.write(table(report.encoders, speeds))
    return {
        "seconds_each": seconds,
        **{
            e.name: {"map": [round(s.mean_average_precision, 3) for s in e.sets.values()]}
            for e in report.encoders
        },
    }


def table(encoders: tuple[EncoderScores, ...], pictures: dict[str, int]) -> str:
    """Lines of a Markdown table: mAP / recall@1 / 5-NN of each set and of their mean, copies."""
    names = list(encoders[0].sets)
    lines = [
        "| | pictures seen | " + " | ".join(names) + " | mean | copies |",
        "| --- " * (len(names) + 4) + "|",
    ]
    for one in encoders:
        rows = [(s.mean_average_precision, s.recall_at_1, s.knn_accuracy) for s in one.sets.values()]
        cells = [" / ".join(f"{value:.3f}"[1:] for value in row) for row in [*rows, one.mean()]]
        found = f"{one.copies.recall_at_1:.3f}" if one.copies is not None else ""
        lines.append(f"| {one.name} | {pictures[one.name]:,} | " + " | ".join(cells) + f" | {found} |")
    return "\n".join(lines) + "\n"


def _config(variant: Variant, images: int = 100_000) -> ContrastiveConfig:
    encoder = EncoderConfig(view_px=round(variant.input_px * VIEW_SHARE / 8) * 8, input_px=variant.input_px)
    if variant.is_vit:
        encoder = replace(encoder, widths=(VIT["embed_dim"],), blocks=(1,), pool_power=1.0)
    if variant.method == "joint_sets":
        encoder = replace(
            encoder, class_size=128, class_weight=1.0, embedding_size=encoder.embedding_size + 128
        )
    base = replace(ContrastiveConfig(), **METHODS[variant.method], images=images, warmup_images=images // 10)
    return replace(base, encoder=encoder)


def _training(
    variant: Variant, pictures: SmallPictures, labels: AlikeSets | None, *, folder: Path
) -> ContrastiveTraining:
    config = _config(variant)
    alike = labels if variant.method == "joint_sets" else None
    training = ContrastiveTraining(config, pictures, RunFolder(folder / "run"), alike=alike)
    if variant.is_vit:
        encoder = training.network.encoder
        assert isinstance(encoder, PhotoEncoder)
        encoder.backbone = VitMaps(encoder.backbone.shape)
        if training.slow is not None:
            training.slow.encoder.load_state_dict(encoder.state_dict(), strict=False)
            training.slow.encoder.backbone = VitMaps(encoder.backbone.shape).requires_grad_(False)
            training.slow.load_state_dict(training.network.state_dict())
        training.optimisers = make_optimisers(nn.ModuleList([training.network, training.objective]), config)
    return training


def _trained(
    variant: Variant, pictures: SmallPictures, labels: AlikeSets, *, seconds: float, folder: Path
) -> dict[str, Any]:
    training = _training(variant, pictures, labels, folder=folder)
    training.network.train()
    began = time.process_time()
    training._step()  # the first one also prepares the kernels
    probing = time.process_time()
    for _ in range(PROBE_STEPS):
        training._step()
    a_step = (time.process_time() - probing) / PROBE_STEPS
    left = seconds - (time.process_time() - began)
    images = max(1, round(left / a_step)) * training.order.batch
    training.config = replace(training.config, images=images, warmup_images=images // 10)
    steps = training.steps()
    for progress in steps:
        if time.process_time() - began > seconds:
            break
        sys.stderr.write(f"\r{variant.name}: {progress.done} of {images}")
    seen = training.seen
    steps.close()
    sys.stderr.write(f"\n{variant.name}: {seen} pictures in {time.process_time() - began:.0f} s\n")
    return {"images": seen, "encoder": training.finish().state_dict()}


def _describer(encoder: nn.Module, variant: Variant) -> EncoderDescriber:
    facts = EmbedderFacts(variant.name, "0", 0)
    device = torch.device("cpu")
    embedder = Embedder(frozen(encoder, device), Preprocessing(variant.input_px), facts=facts, device=device)
    return EncoderDescriber(embedder)


def _answer(running: Generator[object, None, _Answer]) -> _Answer:
    while True:
        try:
            next(running)
        except StopIteration as ending:
            answer: _Answer = ending.value
            return answer


if __name__ == "__main__":
    print(json.dumps(run()))
