"""From a finished ReStyle run to a model that ships: an encoder of one byte a weight, and a card."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from desktop_app.engine.invert.model import ARCHITECTURE, build_inversion_model, model_tensors
from desktop_app.engine.metrics.ms_ssim import ms_ssim_each
from desktop_app.engine.weights.compact import pack, unpack
from desktop_app.engine.weights.store import ModelCard, write_model
from desktop_app.training.card_pictures import write_card_pictures
from desktop_app.training.faces import AlignedPictures
from desktop_app.training.generator import FaceAutoencoder, GeneratorConfig, step_errors
from desktop_app.training.restyle import load_autoencoder
from desktop_app.training.run_folder import RunFolder

NEAR_AVERAGE = 0.2  # of the average code's length


@dataclass(frozen=True, slots=True)
class Publication:
    """What a card says beside the figures.

    Attributes:
        name: Model name; also the file name.
        folder: Where the files go.
        title: One line for the user.
        licence: Licence of the weights.
        sources: What the model was trained on.
    """

    name: str
    folder: Path
    title: str
    licence: str
    sources: str


def publish_restyle(run: RunFolder, data: Path, publication: Publication) -> ModelCard:
    """Write a ReStyle run as a model and measure it as it will be used.

    Args:
        run: The finished run.
        data: Folder of aligned pictures with a `val` split.
        publication: Name, place and words of the card.

    Returns:
        The card as written, with mean L2 of steps 1 to 5 on the held-out people among its facts.
    """
    config, model = load_autoencoder(run)
    tensors = pack(model_tensors(model.encoder, model.generator, model.w_avg), tight="encoder.styles.")
    stored = unpack(tensors, what=publication.name)
    pictures = AlignedPictures(data, "val", size=config.size, filter_name=config.filter)
    held_out = pictures.fixed_pairs(300)
    card = ModelCard(
        name=publication.name,
        role="inversion",
        architecture=ARCHITECTURE,
        config=_config(config),
        title=publication.title,
        licence=publication.licence,
        sources=publication.sources,
        sha256="",
        bytes=0,
        facts=_facts(_as_stored(model, stored), held_out),
        folder=publication.folder,
    )
    card = write_model(card, tensors)
    write_card_pictures(
        model, pictures, data, card.folder / card.name, draws=_draws(model) and not config.filter
    )
    build_inversion_model(card, stored, device=torch.device("cpu"))  # what is shipped must load
    return card


def _config(config: GeneratorConfig) -> dict[str, object]:
    return {
        "generator": {
            "size": config.size,
            "style_dim": config.style_dim,
            "n_mlp": config.n_mlp,
            "channels": {str(k): v for k, v in config.widths().items()},
        },
        "encoder": {"type": config.encoder_type, **asdict(config.shape())},
        "domain": "toon" if config.filter else "faces",
    }


def _as_stored(model: FaceAutoencoder, tensors: dict[str, Tensor]) -> FaceAutoencoder:
    """The model with weights rounded as in the file."""
    parts = {"encoder.": model.encoder, "decoder.": model.generator}
    for prefix, network in parts.items():
        network.load_state_dict(
            {
                k[len(prefix) :]: v.float() if v.is_floating_point() else v
                for k, v in tensors.items()
                if k.startswith(prefix)
            }
        )
    model.w_avg.copy_(tensors["latent_avg"].float())
    model.dtype = torch.float32
    return model


def _draws(model: FaceAutoencoder) -> bool:
    """Whether the mapping network was trained: it draws around the average code."""
    centre = model.generator.mean_latent(1_000, torch.Generator().manual_seed(0))[0]
    distance = (centre - model.w_avg).norm() / model.w_avg.norm().clamp_min(1e-6)
    return bool(distance < NEAR_AVERAGE)


def _facts(model: FaceAutoencoder, held_out: tuple[Tensor, Tensor]) -> dict[str, str]:
    """Means over held-out people: L2 of every step, MS-SSIM of the last."""
    steps = 5 if model.sees_estimate else 1
    errors, images = step_errors(model, held_out[0], steps, targets=held_out[1])
    means = errors.mean(dim=0).tolist()
    facts = {f"L2 of step {i}, held-out people": f"{value:.4f}" for i, value in enumerate(means, start=1)}
    pairs = zip(torch.split(images.clamp(-1, 1), 50), torch.split(held_out[1], 50), strict=True)
    structure = torch.cat([ms_ssim_each(y_hat, x) for y_hat, x in pairs])
    facts[f"MS-SSIM of step {steps}"] = f"{float(structure.mean()):.3f}"
    facts["held-out people"] = str(len(held_out[0]))
    facts["pixels"] = str(model.generator.size)
    return facts
