"""The methods that average over noisy pictures: gradient SHAP and SmoothGrad.

They compute what Captum's GradientShap and NoiseTunnel do, in pieces with a map to be seen after
each. Draws come from a generator of their own, one picture after the other and on the CPU, so that
the same seed gives the same draws however the work is cut, on every device.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from core.attribution_gradients import (
    deep_lift_of_many,
    guided_backprop,
    input_x_gradient,
    integrated_gradients,
    saliency,
    saliency_and_scores,
)
from core.attribution_layers import grad_cam, guided_grad_cam
from core.attribution_question import (
    WEIGHTS,
    Piece,
    Pieces,
    Question,
    completeness_of,
    piece_size,
    runs,
    sum_of,
)
from core.methods import METHODS, Size

_OF_BATCHES: Mapping[str, Callable[[Question, Tensor], Tensor]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "guided_backprop": guided_backprop,
    "grad_cam": grad_cam,
    "guided_grad_cam": guided_grad_cam,
    "deep_lift": deep_lift_of_many,
}


def gradient_shap(question: Question) -> Pieces:
    """Yield the mean of gradient times noisy picture, at random points from the zero picture to it.

    The sum comes near the change of the score as samples grow and noise vanishes; no nearer.
    """
    samples, noise = question.whole("samples"), question.number("noise")
    generator = torch.Generator().manual_seed(question.whole("seed"))
    total = torch.zeros_like(question.picture[0])
    for chosen, done in runs(samples, piece_size(question)):
        draws = [(_noise(question, generator), torch.rand((), generator=generator)) for _ in chosen]
        noisy = question.picture + noise * torch.stack([each for each, _ in draws]).to(question.picture)
        alphas = torch.stack([alpha for _, alpha in draws]).to(question.picture)
        points = alphas.view(-1, 1, 1, 1) * noisy
        with torch.enable_grad():
            gradients, scores = saliency_and_scores(question, points, scored=done)
        total += (gradients * noisy).sum(0)
        found = total / chosen.stop
        yield Piece(found, done, None if scores is None else completeness_of(scores, sum_of(found)))


def smooth_grad(question: Question) -> Pieces:
    """Yield another method's map, averaged over noisy copies of the picture; no copy is without noise."""
    of = str(question.values["of"])
    samples = question.whole("samples")
    deviation = question.number("noise") * float(question.picture.max() - question.picture.min())
    generator = torch.Generator().manual_seed(question.whole("seed"))
    size = Size(min(question.picture.shape[2:]), question.network.settings.block_count)
    inner = replace(question, values=METHODS[of].values((), size))
    if of == "integrated_gradients":
        yield from _smooth_path(inner, samples, deviation, generator)
        return
    total: Tensor | float = 0.0
    for chosen, done in runs(samples, piece_size(question, WEIGHTS.get(of, 1))):
        noise = torch.stack([_noise(question, generator) for _ in chosen])
        noisy = question.picture + deviation * noise.to(question.picture)
        with torch.enable_grad():
            total = total + _OF_BATCHES[of](inner, noisy).detach().sum(0)
        yield Piece(total / chosen.stop, done)


def _smooth_path(inner: Question, samples: int, deviation: float, generator: torch.Generator) -> Pieces:
    """Do so for integrated gradients, which come in pieces themselves."""
    total = torch.zeros_like(inner.picture[0])
    for sample in range(samples):
        noisy = inner.picture + deviation * _noise(inner, generator).to(inner.picture)
        for piece in integrated_gradients(replace(inner, picture=noisy)):
            so_far = total + piece.map
            yield Piece(so_far / (sample + 1), piece.done and sample == samples - 1)
        total = so_far


def _noise(question: Question, generator: torch.Generator) -> Tensor:
    """Return one picture of noise of deviation 1, on the CPU: (3, H, W)."""
    return torch.randn(question.picture.shape[1:], generator=generator)
