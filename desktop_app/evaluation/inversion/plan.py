"""Which method runs with which model, and which cannot run for want of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.engine.edit.directions import direction_files
from desktop_app.engine.invert.methods import E4E_ENCODERS
from desktop_app.engine.invert.model import ARCHITECTURE
from desktop_app.engine.weights.store import ModelCard, ModelStore

RESTYLE_CHANNELS = 6


@dataclass(frozen=True, slots=True)
class EvaluatedMethod:
    """A method that can be asked for.

    Attributes:
        name: As on the command line.
        title: For tables and charts.
        method: Key of `engine.invert.methods.METHODS`.
        fits: Whether a model's card fits.
        needs: What is missing when no model fits, a whole sentence.
        is_search: It optimises for many iterations.
        is_stepped: It makes as many encoder passes as asked for.
    """

    name: str
    title: str
    method: str
    fits: Callable[[ModelCard], bool]
    needs: str
    is_search: bool = False
    is_stepped: bool = False


def _encoder(card: ModelCard) -> tuple[str, int]:
    """Type and input channels of a card's encoder."""
    encoder = card.config.get("encoder")
    if not isinstance(encoder, dict):
        return "", 0
    channels = encoder.get("input_nc", RESTYLE_CHANNELS)
    return str(encoder.get("type", "")), channels if isinstance(channels, int) else 0


def _restyle_psp(card: ModelCard) -> bool:
    kind, channels = _encoder(card)
    return channels >= RESTYLE_CHANNELS and kind not in E4E_ENCODERS


def _restyle_e4e(card: ModelCard) -> bool:
    kind, channels = _encoder(card)
    return channels >= RESTYLE_CHANNELS and kind in E4E_ENCODERS


def _psp(card: ModelCard) -> bool:
    kind, channels = _encoder(card)
    return 0 < channels < RESTYLE_CHANNELS and kind not in E4E_ENCODERS


def _e4e(card: ModelCard) -> bool:
    kind, channels = _encoder(card)
    return 0 < channels < RESTYLE_CHANNELS and kind in E4E_ENCODERS


def _any(card: ModelCard) -> bool:
    return _encoder(card)[1] > 0


_ANY = "No inversion model is installed; import one."
_METHODS = (
    EvaluatedMethod(
        "restyle_psp", "ReStyle-pSp", "restyle", _restyle_psp,
        "No ReStyle-pSp model is installed; import a published one or train one.", is_stepped=True,
    ),
    EvaluatedMethod(
        "restyle_e4e", "ReStyle-e4e", "restyle", _restyle_e4e,
        "No ReStyle-e4e model is installed; import a published one.", is_stepped=True,
    ),
    EvaluatedMethod("psp", "pSp", "one_pass", _psp, "No one-pass pSp model is installed; import one."),
    EvaluatedMethod("e4e", "e4e", "one_pass", _e4e, "No one-pass e4e model is installed; import one."),
    EvaluatedMethod("idinvert", "In-domain", "idinvert", _any, _ANY, is_search=True),
    EvaluatedMethod("karras", "Projection to W", "karras_w", _any, _ANY, is_search=True),
    EvaluatedMethod("karras_w_plus", "Projection to W+", "karras_w_plus", _any, _ANY, is_search=True),
    EvaluatedMethod("hybrid", "Hybrid", "hybrid", _any, _ANY, is_search=True, is_stepped=True),
)  # fmt: skip
METHODS: dict[str, EvaluatedMethod] = {method.name: method for method in _METHODS}
DEFAULT_METHODS = ("restyle_psp", "restyle_e4e", "psp", "e4e", "idinvert", "karras", "hybrid")


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A method with a model.

    Attributes:
        method: What runs.
        card: With what.
        label: For tables and charts; names the model where a method runs with several.
    """

    method: EvaluatedMethod
    card: ModelCard
    label: str

    @property
    def key(self) -> str:
        """Tells runs apart."""
        return f"{self.method.name}@{self.card.name}"


@dataclass(frozen=True, slots=True)
class NotRun:
    """A method that was asked for and did not run, and why."""

    method: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be measured: runs by model, so that one model at a time is in memory.

    Attributes:
        runs: In the order of the models; of one model in the order asked for.
        left_out: What cannot run.
    """

    runs: tuple[PlannedRun, ...]
    left_out: tuple[NotRun, ...]


def methods_named(text: str) -> tuple[EvaluatedMethod, ...]:
    """The methods of a list such as `restyle_psp,hybrid`, each once.

    Raises:
        UserInputError: A name is unknown or there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        what = f"There is no inversion method '{unknown[0]}'." if unknown else "No inversion method is named."
        raise UserInputError(what, f"Known methods: {', '.join(METHODS)}.")
    return tuple(METHODS[name] for name in dict.fromkeys(names))


def make_plan(
    store: ModelStore, methods: Sequence[EvaluatedMethod], *, models: Sequence[str], preferred: str
) -> Plan:
    """Match methods with models.

    Args:
        store: Models on disk.
        methods: What is asked for.
        models: Model names; each method runs with every one that fits. None: with the preferred
            model where it fits, else with the first one of the same domain that does.
        preferred: Model of the settings.

    Raises:
        WeightsError: A named model does not exist or is no inversion model, or no method can run.
    """
    if models:
        cards = [_inversion_card(store, name) for name in dict.fromkeys(models)]
    else:
        cards = _cards_of_a_domain(store, preferred)
    runs: list[PlannedRun] = []
    left_out: list[NotRun] = []
    for method in methods:
        fitting = [card for card in cards if method.fits(card)]
        if not fitting:
            reason = f"None of the named models fits ({', '.join(models)})." if models else method.needs
            left_out.append(NotRun(method.name, method.title, reason))
        chosen = fitting if models else fitting[:1]
        for card in chosen:
            label = method.title if len(chosen) == 1 else f"{method.title} ({card.name})"
            runs.append(PlannedRun(method, card, label))
    if not runs:
        raise WeightsError(
            "None of the methods can run: " + " ".join(dict.fromkeys(one.reason for one in left_out))
        )
    order = [card.name for card in sorted(cards, key=_lacks_directions)]
    runs.sort(key=lambda run: order.index(run.card.name))
    return Plan(tuple(runs), tuple(left_out))


def _lacks_directions(card: ModelCard) -> bool:
    """Models with stored edit directions come first: others of the same generator use these too."""
    return not direction_files(card.folder, card.name)[0].is_file()


def _inversion_card(store: ModelStore, name: str) -> ModelCard:
    card = store.card(name, roles=("inversion",))
    if card.architecture != ARCHITECTURE:
        known = ", ".join(one.name for one in store.cards() if one.architecture == ARCHITECTURE) or "none"
        raise WeightsError(
            f"The model '{name}' is no inversion model (it is '{card.architecture}').",
            f"Inversion models: {known}.",
        )
    return card


def _cards_of_a_domain(store: ModelStore, preferred: str) -> list[ModelCard]:
    """Inversion models of the preferred model's domain, that model first."""
    cards = [card for card in store.cards() if card.architecture == ARCHITECTURE]
    if not cards:
        raise WeightsError("No inversion model is installed.", "Import one on the models page.")
    cards.sort(key=lambda card: card.name != preferred)
    domain = cards[0].config.get("domain", "faces")
    return [card for card in cards if card.config.get("domain", "faces") == domain]
