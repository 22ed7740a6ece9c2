"""List the models that invert pictures: what they paint, by which methods, and how long it takes."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import FaceModelInfo, FaceModelList, FaceModelsRequest, MethodInfo

if TYPE_CHECKING:
    from desktop_app.engine.invert.methods import InversionMethod
    from desktop_app.engine.invert.model_sizes import ModelSizes
    from desktop_app.engine.weights.store import ModelCard
    from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)


def run(request: FaceModelsRequest, services: Services) -> Generator[object, None, FaceModelList]:
    """Read the cards; no weights are loaded.

    Yields:
        None between two models.
    """
    from desktop_app.engine.invert.methods import E4E_ENCODERS
    from desktop_app.engine.invert.model import INVERTIBLE
    from desktop_app.engine.invert.model_sizes import can_start, sizes_of

    usable = {info.name for info in services.models.infos() if info.is_usable}
    known: list[tuple[ModelCard, ModelSizes]] = []
    for card in services.models.cards():
        if card.architecture not in INVERTIBLE or card.name not in usable:
            continue
        try:
            known.append((card, sizes_of(card)))
        except WeightsError as error:
            _log.warning("%s", error)
    models = []
    for card, sizes in known:
        able = [other for _, other in known if can_start(other, sizes)]
        able.sort(key=lambda other: other.encoder_type in E4E_ENCODERS)  # the better likeness first
        starters = tuple(other.name for other in able)
        models.append(_info(card, sizes, starters=starters, services=services))
        yield None
    return FaceModelList(tuple(models))


def _info(
    card: ModelCard, sizes: ModelSizes, *, starters: tuple[str, ...], services: Services
) -> FaceModelInfo:
    from desktop_app.engine.invert.methods import fitting_methods, natural_method

    natural = natural_method(sizes)
    methods = [method for method in fitting_methods(sizes) if starters or not method.needs_first]
    methods.sort(key=lambda method: method.name != natural)
    pass_s, iteration_s, is_measured = services.faces.expected_seconds(card)
    return FaceModelInfo(
        name=card.name,
        title=card.title,
        sentence=_sentence(sizes),
        domain=sizes.preset.name,
        domain_title=sizes.preset.title,
        needs_face=sizes.preset.needs_alignment,
        output_px=sizes.output_px,
        methods=tuple(_method_info(method, sizes) for method in methods),
        starters=starters,
        rows=sizes.n_styles,
        pass_s=pass_s,
        iteration_s=iteration_s,
        is_measured=is_measured,
    )


def _method_info(method: InversionMethod, sizes: ModelSizes) -> MethodInfo:
    return MethodInfo(
        name=method.name,
        title=method.title_with(sizes.encoder_type),
        sentence=method.sentence,
        uses_steps=method.uses_steps,
        iterations=method.iterations,
        needs_first=method.needs_first,
    )


def _sentence(sizes: ModelSizes) -> str:
    """What a model is: domain, size, and what its family of encoders is good at."""
    from desktop_app.engine.invert.methods import E4E_ENCODERS

    if not sizes.input_nc:
        what = sizes.preset.title or "Pictures like those it was trained on"
        return (
            f"{what}, {sizes.output_px} pixels; a generator alone: methods that begin with an encoder are "
            "not offered, because it has none."
        )
    height, width = sizes.preset.input_size(sizes.input_px)
    good_at = (
        "keeps its codes easy to edit" if sizes.encoder_type in E4E_ENCODERS else "keeps close to the photo"
    )
    return (
        f"{sizes.preset.title}, {sizes.output_px} pixels; looks at {width} x {height} pixels and {good_at}."
    )
