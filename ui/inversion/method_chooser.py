"""Choosing a model and a method, with what they are and how long they will take."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QComboBox, QSpinBox, QWidget

from desktop_app.core.inversion_types import MAX_ITERATIONS, MAX_PASSES
from desktop_app.core.types import FaceModelInfo, FaceModelList, MethodInfo
from ui import texts
from ui.widgets.controls import column, label, pad_spin_box, row

_ITERATION_STEP = 50


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """What was chosen.

    Attributes:
        model: The model.
        method: The method.
        steps: Encoder passes; they count only where the method uses them.
        iterations: Iterations; 0 where the method has no optimiser.
    """

    model: FaceModelInfo
    method: MethodInfo
    steps: int
    iterations: int

    def expected_s(self, refine: int = 0) -> float:
        """Seconds the run will take, with iterations of tuning."""
        return self.model.expected_s(
            self.method.name, steps=self.steps, iterations=self.iterations, refine=refine
        )

    @property
    def first_model(self) -> str:
        """The model that has to start, for methods of two models."""
        return self.model.starters[0] if self.method.needs_first and self.model.starters else ""


class MethodChooser(QWidget):
    """Model, method, steps and iterations.

    Signals:
        changed: Something was chosen.

    Args:
        parent: Qt owner.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = FaceModelList(())
        self._wanted = ""
        self._model = _wide_combo(self.tr("Model"))
        self._model_words = label(role="muted", wraps=True)
        self._method = _wide_combo(self.tr("Method"))
        self._method_words = label(role="muted", wraps=True)
        self._steps = QSpinBox()
        self._iterations = QSpinBox()
        self._build_ui()
        self._connect()
        self._show()

    @property
    def choice(self) -> MethodChoice | None:
        """What is chosen; None while no model is known."""
        model = self._models.model(str(self._model.currentData() or ""))
        method = None if model is None else model.method(str(self._method.currentData() or ""))
        if model is None or method is None:
            return None
        iterations = self._iterations.value() if method.iterations else 0
        return MethodChoice(model, method, self._steps.value(), iterations)

    def set_models(self, models: FaceModelList, *, wanted: str = "") -> None:
        """Offer models; the chosen one and its method stay chosen.

        Args:
            models: All models.
            wanted: Chosen when nothing was chosen before.
        """
        chosen = str(self._model.currentData() or "") or wanted
        method = str(self._method.currentData() or "")
        self._models = models
        self._model.blockSignals(True)
        self._model.clear()
        for one in models.models:
            self._model.addItem(short_title(one, models), one.name)
            self._model.setItemData(self._model.count() - 1, one.name, Qt.ItemDataRole.ToolTipRole)
        self._model.setCurrentIndex(max(0, self._model.findData(chosen)))
        self._model.blockSignals(False)
        self._offer_methods(method)

    def choose(self, *, model: str = "", method: str = "") -> None:
        """Choose a model, a method, or both."""
        if model:
            self._model.setCurrentIndex(max(0, self._model.findData(model)))
        if method:
            self._method.setCurrentIndex(max(0, self._method.findData(method)))

    def set_steps(self, steps: int) -> None:
        """Set the number of encoder passes."""
        self._steps.setValue(steps)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self._steps.setRange(1, MAX_PASSES)
        self._steps.setAccessibleName(self.tr("Steps"))
        self._steps.setToolTip(self.tr("How often the encoder refines the code, 1 to 20"))
        self._iterations.setRange(1, MAX_ITERATIONS)
        self._iterations.setSingleStep(_ITERATION_STEP)
        self._iterations.setAccessibleName(self.tr("Iterations"))
        self._iterations.setToolTip(self.tr("How long the optimiser searches"))
        for spin in (self._steps, self._iterations):
            pad_spin_box(spin)
        self._steps_box, self._iterations_box = QWidget(), QWidget()
        self._steps_box.setLayout(column(label(self.tr("STEPS"), role="section"), self._steps, spacing=4))
        self._iterations_box.setLayout(
            column(label(self.tr("ITERATIONS"), role="section"), self._iterations, spacing=4)
        )
        box = column(
            label(self.tr("MODEL"), role="section"), self._model, self._model_words, 4,
            label(self.tr("METHOD"), role="section"), self._method, self._method_words, 4,
            spacing=5,
        )  # fmt: skip
        box.addLayout(row(self._steps_box, self._iterations_box, spacing=10))
        self.setLayout(box)

    def _connect(self) -> None:
        self._model.currentIndexChanged.connect(self._take_model)
        self._method.currentIndexChanged.connect(self._take_method)
        self._steps.valueChanged.connect(self._tell)
        self._iterations.valueChanged.connect(self._tell)

    # --- state --------------------------------------------------------------------------------------

    def _take_model(self, _index: int) -> None:
        self._offer_methods(str(self._method.currentData() or ""))

    def _take_method(self, _index: int) -> None:
        choice = self.choice
        if choice is not None and choice.method.iterations:
            self._iterations.setValue(choice.method.iterations)
        self._show()
        self.changed.emit()

    def _tell(self, _value: int) -> None:
        self.changed.emit()

    def _offer_methods(self, wanted: str) -> None:
        model = self._models.model(str(self._model.currentData() or ""))
        self._method.blockSignals(True)
        self._method.clear()
        for one in () if model is None else model.methods:
            self._method.addItem(one.title, one.name)
            self._method.setItemData(self._method.count() - 1, one.sentence, Qt.ItemDataRole.ToolTipRole)
        self._method.setCurrentIndex(max(0, self._method.findData(wanted)))
        self._method.blockSignals(False)
        self._take_method(self._method.currentIndex())

    def _show(self) -> None:
        choice = self.choice
        self.setEnabled(choice is not None)
        self._model_words.setText("" if choice is None else choice.model.sentence)
        self._method_words.setText("" if choice is None else choice.method.sentence)
        self._steps_box.setVisible(choice is None or choice.method.uses_steps)
        self._iterations_box.setVisible(choice is not None and choice.method.iterations > 0)


def short_title(model: FaceModelInfo, models: FaceModelList) -> str:
    """The part of a model's title before a colon, or its name where that would not tell it apart."""
    short = model.title.partition(":")[0]
    others = [one.title.partition(":")[0] for one in models.models if one.name != model.name]
    return f"{short} ({model.name})" if short in others else short


def time_text(seconds: float, *, is_measured: bool) -> str:
    """How long something will take, no more exact than it is known: "about 3 s"."""
    if seconds < 1:
        rounded = texts.seconds_text(float(f"{seconds:.1g}"))
    elif seconds < 90:
        rounded = _tr("{} s").format(round(seconds))
    else:
        rounded = _tr("{} min").format(round(seconds / 60))
    words = _tr("about {}") if is_measured else _tr("about {}, by estimate")
    return words.format(rounded)


def _wide_combo(name: str) -> QComboBox:
    """A combo box that is as wide as its place, whatever its texts."""
    made = QComboBox()
    made.setAccessibleName(name)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(12)
    return made


def _tr(text: str) -> str:
    return QCoreApplication.translate("method_chooser", text)
