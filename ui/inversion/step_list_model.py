"""The pictures of an inversion: aligned face, average start, and each step with its heat map."""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QPixmap

from desktop_app.core.types import AlignedFace, InversionStep
from ui import texts
from ui.inversion.colour_map import heat_image
from ui.qt_image import to_qimage

_Index = QModelIndex | QPersistentModelIndex
# More passes than a model was trained for may lead away again; less than this is no matter.
_CLEARLY = 1.03
_BEFORE_STEPS = 2  # the input and the start


class StepRole(IntEnum):
    """Roles of the step model.

    `PICTURE` and `HEAT` are a `QPixmap` (heat: None before step 1), `FIGURES` one or two lines.
    """

    PICTURE = Qt.ItemDataRole.UserRole + 1
    HEAT = Qt.ItemDataRole.UserRole + 2
    FIGURES = Qt.ItemDataRole.UserRole + 3


class StepListModel(QAbstractListModel):
    """Row 0 is the input, row 1 the start, row 1 + i step i.

    Args:
        parent: Qt owner.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._face: AlignedFace | None = None
        self._steps: list[InversionStep] = []
        self._pictures: list[QPixmap] = []
        self._heat: dict[int, QPixmap] = {}
        self._is_scale_shared = False

    def clear(self) -> None:
        """Forget everything."""
        self.beginResetModel()
        self._face = None
        self._steps.clear()
        self._pictures.clear()
        self._heat.clear()
        self.endResetModel()

    def set_face(self, face: AlignedFace) -> None:
        """Begin with the aligned face and the average image."""
        self.beginResetModel()
        self._face = face
        self._steps.clear()
        self._heat.clear()
        self._pictures = [QPixmap.fromImage(to_qimage(image)) for image in (face.image, face.start)]
        self.endResetModel()

    def add_step(self, step: InversionStep) -> None:
        """Append a step."""
        if self._face is None:
            return
        old_peak = self._peak()
        row = self.rowCount()
        self.beginInsertRows(QModelIndex(), row, row)
        self._steps.append(step)
        self._pictures.append(QPixmap.fromImage(to_qimage(step.y_hat)))
        self.endInsertRows()
        if self._is_scale_shared and self._peak() != old_peak:
            self._forget_heat()

    def keep_steps(self, count: int) -> None:
        """Forget the steps after the first `count`."""
        first = _BEFORE_STEPS + count
        if first >= self.rowCount():
            return
        self.beginRemoveRows(QModelIndex(), first, self.rowCount() - 1)
        del self._steps[count:]
        del self._pictures[first:]
        self.endRemoveRows()
        self._forget_heat()

    def set_scale_shared(self, is_shared: bool) -> None:
        """Colour all heat maps by one scale, or each by its own strongest change."""
        self._is_scale_shared = is_shared
        self._forget_heat()

    @property
    def steps(self) -> tuple[InversionStep, ...]:
        """The steps so far."""
        return tuple(self._steps)

    def picture(self, row: int) -> QPixmap | None:
        """The picture of a row."""
        return self._pictures[row] if 0 <= row < len(self._pictures) else None

    def heat(self, row: int) -> QPixmap | None:
        """The heat map of a row; None for the input and the start."""
        number = row - _BEFORE_STEPS
        if not 0 <= number < len(self._steps):
            return None
        if row not in self._heat:
            change = self._steps[number].change_map
            peak = self._peak() if self._is_scale_shared else float(change.max())
            self._heat[row] = QPixmap.fromImage(to_qimage(heat_image(change, peak=peak)))
        return self._heat[row]

    def row_of_step(self, index: int) -> int:
        """The row of step `index`, from 1."""
        return index + _BEFORE_STEPS - 1

    def step_of_row(self, row: int) -> int:
        """The step of a row, or 0 for the input and the start."""
        return max(0, row - _BEFORE_STEPS + 1)

    def nearer_step(self, step_number: int) -> InversionStep | None:
        """The earlier step whose error is least, where it is clearly less than that of a step.

        Steps of another phase are left out: a second model has another aim.
        """
        if not step_number:
            return None
        step = self._steps[step_number - 1]
        earlier = [one for one in self._steps[: step_number - 1] if one.phase == step.phase]
        best = min(earlier, key=lambda one: one.l2, default=step)
        return best if step.l2 > _CLEARLY * best.l2 else None

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Input, start and steps."""
        return 0 if parent.isValid() or self._face is None else _BEFORE_STEPS + len(self._steps)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """What the strip paints."""
        if not index.isValid() or not 0 <= index.row() < self.rowCount():
            return None
        row = index.row()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._title(row)
        if role == StepRole.PICTURE:
            return self.picture(row)
        if role == StepRole.HEAT:
            return self.heat(row)
        if role == StepRole.FIGURES:
            return self._figures(row)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return self._description(row)
        return None

    def _title(self, row: int) -> str:
        if row < _BEFORE_STEPS:
            return (self.tr("Input"), self.tr("Average"))[row]
        phase = self._steps[row - _BEFORE_STEPS].phase
        return f"{texts.phase_text(phase)} {row - 1}" if phase else self.tr("Step {}").format(row - 1)

    def _figures(self, row: int) -> str:
        if row < _BEFORE_STEPS:
            return (self.tr("aligned face"), self.tr("step 0, start"))[row]
        step = self._steps[row - _BEFORE_STEPS]
        return f"L2 {step.l2:.4f}\n{texts.seconds_text(step.seconds)}"

    def _description(self, row: int) -> str:
        if row == 0:
            return self.tr("The face as the encoder sees it")
        if row == 1:
            return self.tr("The average face, from which step 1 starts")
        step = self._steps[row - _BEFORE_STEPS]
        return self.tr(
            "Step {}\nL2 (mean squared error) {:.4f}\nChange relative to step 1: {:.0f} %\nTime: {}"
        ).format(step.index, step.l2, 100 * step.relative_change, texts.seconds_text(step.seconds))

    def _peak(self) -> float:
        return max((float(step.change_map.max()) for step in self._steps), default=0.0)

    def _forget_heat(self) -> None:
        self._heat.clear()
        if self.rowCount():
            last = self.index(self.rowCount() - 1, 0)
            self.dataChanged.emit(self.index(0, 0), last, [int(StepRole.HEAT)])
