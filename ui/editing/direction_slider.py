"""One edit slider: label, strength, and a slider whose middle is "no change"."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QWidget

from desktop_app.core.types import DirectionInfo
from ui.widgets.centred_slider import CentredSlider
from ui.widgets.controls import column, label, row

_POSITIONS = 100
# Changes of other properties, in standard deviations: named below the slider, listed in its tooltip.
_CLEAR_CHANGE, _LEAST_CHANGE = 0.3, 0.1
_MOST_NAMED, _MOST_LISTED = 2, 6


class DirectionSlider(QWidget):
    """A slider for one direction; a double click resets it.

    Signals:
        moved: The strength changed (the direction's name).
        settled: The user let go (the direction's name): a state worth undoing to.

    Args:
        direction: What the slider changes.
        parent: Qt owner.
    """

    moved = Signal(str)
    settled = Signal(str)

    def __init__(self, direction: DirectionInfo, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.direction = direction
        self._slider = CentredSlider()
        self._value = label(role="value")
        self._build_ui()
        self._slider.valueChanged.connect(self._on_value)
        self._slider.sliderReleased.connect(self._on_released)

    @property
    def strength(self) -> float:
        """The strength now; 0 changes nothing."""
        position = self._slider.value() / _POSITIONS
        limit = self.direction.maximum if position > 0 else -self.direction.minimum
        return position * limit

    def set_strength(self, strength: float) -> None:
        """Move the slider without telling anybody."""
        limit = self.direction.maximum if strength > 0 else -self.direction.minimum
        position = round(_POSITIONS * strength / limit) if limit else 0
        self._slider.blockSignals(True)
        self._slider.setValue(position)
        self._slider.blockSignals(False)
        self._show_value()

    def reset(self) -> None:
        """Go back to no change."""
        if self._slider.value() != 0:
            self._slider.setValue(0)

    def _build_ui(self) -> None:
        low = -_POSITIONS if self.direction.minimum < 0 else 0
        high = _POSITIONS if self.direction.maximum > 0 else 0
        self._slider.setRange(low, high)
        self._slider.setPageStep(10)
        self._slider.setAccessibleName(self.direction.label)
        self.setToolTip(self._tip())
        self._slider.installEventFilter(self)
        name = label(self.direction.label, wraps=True)
        head = row(name, self._value)
        head.setStretch(0, 1)
        box = column(spacing=0)
        box.addLayout(head)
        box.addWidget(self._slider)
        also = self._also_changes()
        if also:
            note = label(self.tr("also: {}").format(also), role="muted", wraps=True)
            box.addWidget(note)
        self.setLayout(box)
        self._show_value()

    def _also_changes(self) -> str:
        """The properties that clearly change besides its own, lower case; empty: none, or not measured."""
        facts = self.direction.facts
        if facts is None or facts.accuracy is None:
            return ""
        own = self.direction.label.partition(" · ")[0]
        named = [name for name, value in facts.changes if name != own and abs(value) >= _CLEAR_CHANGE]
        return ", ".join(_in_sentence(name) for name in named[:_MOST_NAMED])

    def _tip(self) -> str:
        """Name, range, and what was measured of the direction."""
        one = self.direction
        lines = [
            self.tr("{} ({}), {:+.1f} to {:+.1f}. Double-click to reset.").format(
                one.label, one.name, one.minimum, one.maximum
            )
        ]
        facts = one.facts
        if facts is None:
            return lines[0]
        if facts.accuracy is not None:
            text = self.tr("Tells {:.0%} of {} faces of other people apart rightly.")
            lines.append(text.format(facts.accuracy, facts.faces))
        shown = [(name, value) for name, value in facts.changes if abs(value) >= _LEAST_CHANGE]
        if shown:
            lines.append(
                self.tr("At strength {:g} it changes, in standard deviations between faces:").format(
                    facts.strength
                )
            )
            lines += [f"    {value:+.1f}  {name}" for name, value in shown[:_MOST_LISTED]]
        if facts.identity is not None:
            text = self.tr("Likeness to the unchanged face there: {:.2f} (different people: {:.2f}).")
            lines.append(text.format(facts.identity, facts.strangers))
        return "\n".join(lines)

    def _show_value(self) -> None:
        self._value.setText(f"{self.strength:+.1f}" if self._slider.value() else "0")

    def _on_value(self, _value: int) -> None:
        self._show_value()
        self.moved.emit(self.direction.name)
        if not self._slider.isSliderDown():
            self.settled.emit(self.direction.name)

    def _on_released(self) -> None:
        self.settled.emit(self.direction.name)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Reset on a double click; let the wheel scroll the list unless the slider has the focus."""
        if event.type() == QEvent.Type.MouseButtonDblClick:
            self.reset()
            return True
        if event.type() == QEvent.Type.Wheel and not self._slider.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def _in_sentence(label: str) -> str:
    """A property's label with a small first letter."""
    return label[:1].lower() + label[1:]
