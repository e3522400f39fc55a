"""What stands over a picture: whether its map is on its way, coarse, or older than the shortcuts."""

from PySide6.QtCore import QCoreApplication

from core.methods import METHODS
from gui.picture_state import PictureState
from gui.subject import Subject


def standing(state: PictureState, subject: Subject) -> str:
    """Word what is going on with one map; the answers come one after the other."""
    answer = subject.answer
    if state.coarse() and state.explanation is not None:
        if answer is None:
            return QCoreApplication.translate("Explanation", "computing…")
        newest = answer is state.explanation.networks[-1]
        refined = answer.method not in METHODS or not METHODS[answer.method].one_pass
        return QCoreApplication.translate("Explanation", "coarse…") if newest and refined else ""
    if state.asked_by_hand():
        return QCoreApplication.translate("Explanation", "computing…")
    if state.branches_changed():
        return QCoreApplication.translate("Explanation", "branches changed since")
    if state.toggled():
        return QCoreApplication.translate("Explanation", "shortcuts changed since")
    return ""
