"""The attribution methods as a person is offered them: in groups, with what one costs and why one is not right."""

from collections.abc import Iterator
from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from core.methods import METHODS, Method, Size, passes
from gui.network_words import number
from gui.wording import whole

# The type of QT_TRANSLATE_NOOP's answer is not known.
_GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        QT_TRANSLATE_NOOP("Method", "Gradient methods"),
        ("saliency", "input_x_gradient", "integrated_gradients", "guided_backprop", "deep_lift", "gradient_shap",
         "smooth_grad"),
    ),
    (
        QT_TRANSLATE_NOOP("Method", "Occluding methods"),
        ("occlusion", "feature_ablation", "shapley_value_sampling"),
    ),
    (
        QT_TRANSLATE_NOOP("Method", "Inside the network"),
        ("grad_cam", "guided_grad_cam", "activation", "conductance"),
    ),
)  # fmt: skip
_MINUTE = 60.0


def groups() -> Iterator[tuple[str, tuple[Method, ...]]]:
    """Yield each group's title with its methods; what is in none comes last."""
    named = {name for _, names in _GROUPS for name in names}
    for title, names in _GROUPS:
        yield said(title), tuple(METHODS[name] for name in names if name in METHODS)
    if others := tuple(method for name, method in METHODS.items() if name not in named):
        yield QCoreApplication.translate("Method", "Others"), others


def said(text: str) -> str:
    """Word what core says of a method in the window's language."""
    return QCoreApplication.translate("Method", text)


def offer_words(method: Method, size: Size, reason: str) -> str:
    """Explain a method, say what a map costs, and why it is not offered where it is not."""
    price = QCoreApplication.translate("Method", "About {passes} passes a map")
    if reason:
        return f"{said(method.explain)}\n{reason}"
    return f"{said(method.explain)}\n{price.format(passes=whole(round(passes(method.name, (), size))))}"


def price_words(forward_passes: float, maps: int, seconds: float | None) -> str:
    """Say what a question costs before it is asked; `seconds` is None until a pass was measured."""
    if maps == 1:
        text = QCoreApplication.translate("Method", "about {passes} passes")
    else:
        text = QCoreApplication.translate("Method", "about {passes} passes for {maps} maps")
    price = text.format(passes=whole(round(forward_passes)), maps=maps)
    return price if seconds is None else f"{price} · {time_words(seconds)}"


def time_words(seconds: float) -> str:
    """Return a time that was reckoned, not measured: ≈ 2.1 s."""
    if seconds >= 2 * _MINUTE:
        text = QCoreApplication.translate("Method", "≈ {minutes} min")
        return text.format(minutes=number(seconds / _MINUTE, 2))
    return QCoreApplication.translate("Method", "≈ {seconds} s").format(seconds=number(seconds, 2))
