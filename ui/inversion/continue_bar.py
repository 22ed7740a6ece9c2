"""Going on with an inversion: further steps, or tuning the model to the photo."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from desktop_app.core.types import FaceModelInfo, InversionResult, MethodInfo
from ui.inversion.method_chooser import time_text
from ui.widgets.controls import button, row

_MORE_STEPS = (1, 3, 5, 10)
_MORE_SHARES = (0.25, 0.5, 1.0)
_TUNING = (50, 100, 200)


class ContinueBar(QWidget):
    """Two buttons with menus; each entry says how long it will take.

    Signals:
        wanted: Further encoder passes, iterations of an optimiser, iterations of tuning.
        finish_wanted: The run that was stopped is to be finished.

    Args:
        parent: Qt owner.
    """

    wanted = Signal(int, int, int)
    finish_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._more = button(
            self.tr("Go on"), icon="more", tip=self.tr("Further steps from where the inversion ended")
        )
        self._tune = button(
            self.tr("Tune"),
            icon="tune",
            tip=self.tr("Adjust the generator itself to this photo; kept with this face only"),
        )
        for one in (self._more, self._tune):
            one.setMenu(QMenu(one))
        self.setLayout(row(self._more, self._tune, spacing=6))
        self.close_session()

    def close_session(self) -> None:
        """There is nothing to go on from."""
        self.setEnabled(False)

    def open_session(self, result: InversionResult, model: FaceModelInfo | None) -> None:
        """Offer what the method of an inversion can do."""
        method = None if model is None else model.method(result.method)
        self._fill_more(model, method)
        if result.is_unfinished:
            self._offer_to_finish()
        self._tune.menu().clear()
        for count in _TUNING:
            seconds = 0.0 if model is None else count * model.iteration_s
            text = self.tr("{} iterations").format(count) + _time(seconds, model)
            self._add(self._tune, text, refine=count)
        self._more.setEnabled(bool(self._more.menu().actions()))
        self.setEnabled(True)

    def _offer_to_finish(self) -> None:
        menu, finish = self._more.menu(), QAction(self.tr("Finish the run that was stopped"), self)
        finish.triggered.connect(self.finish_wanted)
        before = menu.actions()
        if before:
            menu.insertAction(before[0], finish)
            menu.insertSeparator(before[0])
        else:
            menu.addAction(finish)

    def _fill_more(self, model: FaceModelInfo | None, method: MethodInfo | None) -> None:
        self._more.menu().clear()
        if model is None or method is None:
            return
        if method.iterations:
            for share in _MORE_SHARES:
                count = max(1, round(share * method.iterations))
                text = self.tr("{} more iterations").format(count)
                self._add(self._more, text + _time(count * model.iteration_s, model), iterations=count)
        elif method.uses_steps:
            for count in _MORE_STEPS:
                text = self.tr("1 more step") if count == 1 else self.tr("{} more steps").format(count)
                self._add(self._more, text + _time(count * model.pass_s, model), steps=count)

    def _add(
        self, owner: QPushButton, text: str, *, steps: int = 0, iterations: int = 0, refine: int = 0
    ) -> None:
        action = owner.menu().addAction(text)
        action.setData((steps, iterations, refine))
        action.triggered.connect(self._tell)

    def _tell(self) -> None:
        steps, iterations, refine = self.sender().data()  # type: ignore[attr-defined]
        self.wanted.emit(steps, iterations, refine)


def _time(seconds: float, model: FaceModelInfo | None) -> str:
    if model is None or seconds <= 0:
        return ""
    return f"   ({time_text(seconds, is_measured=model.is_measured)})"
