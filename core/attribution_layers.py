"""The methods that look at one place in the network: Grad-CAM, activation, conductance.

A place is a block's output after the addition and its activation, or the stem's. In a
pre-activation network a block ends with the addition, and the last one's activation is at the end
of the main path.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.attribution_gradients import guided_backprop, traced
from core.attribution_question import Piece, Pieces, Question, completeness, piece_size, sum_of
from core.methods import ALL_CHANNELS, STEM
from core.network import ResidualNetwork
from core.settings import NetworkSettings


def channels_at(settings: NetworkSettings, block: int) -> int:
    """Return how many channels come out of a block, or of the stem."""
    return settings.width if block == STEM else settings.blocks[block].out_channels


def grad_cam(question: Question, pictures: Tensor) -> Tensor:
    """Return what a block puts out, weighted by its mean gradients, signed, as large as the pictures."""
    return _enlarged(_coarse_grad_cam(question, pictures), pictures)


def guided_grad_cam(question: Question, pictures: Tensor) -> Tensor:
    """Return guided gradients, weighted by the positive part of Grad-CAM."""
    positive = F.relu(_coarse_grad_cam(question, pictures))
    return guided_backprop(question, pictures) * _enlarged(positive, pictures)


def _coarse_grad_cam(question: Question, pictures: Tensor) -> Tensor:
    from captum.attr import LayerGradCam

    layer = _module_at(question.network, question.whole("block"))
    found: Tensor = LayerGradCam(question.network, layer).attribute(traced(pictures), question.target)
    return found.detach()


def activation(question: Question) -> Pieces:
    """Yield one channel of what a block puts out, or the mean of all."""
    channel = question.whole("channel")
    with torch.no_grad():
        out = _up_to(question.network, question.whole("block"), question.picture)
    chosen = out.mean(1, keepdim=True) if channel == ALL_CHANNELS else out[:, channel : channel + 1]
    yield Piece(_enlarged(chosen, question.picture)[0], True)


def conductance(question: Question) -> Pieces:
    """Captum's LayerConductance, summed over channels; each piece takes points from all along the way.

    The sum over points k of ∂f/∂a (k) · (a (k + 1) − a (k)), with the block's output a. Every p-th
    point makes one of p pieces; a term is known once the next piece has brought point k + 1.
    """
    block, points = question.whole("block"), question.whole("steps") + 1
    alphas = torch.from_numpy((1 + np.polynomial.legendre.leggauss(points)[0]) / 2).float()
    pieces = -(-points // piece_size(question))
    total = torch.zeros(())
    first, before, gradients = total, total, total
    for number in range(pieces):
        inputs = alphas[number::pieces].to(question.picture).view(-1, 1, 1, 1) * question.picture
        with torch.no_grad():
            out = _up_to(question.network, block, inputs)
        if number == 0:
            first = out
        else:
            total = total.to(out) + _passed(gradients, before, out)
        before, gradients = out, _gradients(question, block, out)
        if number == pieces - 1:
            total = total.to(out) + _passed(gradients, before, first[1:])
            error = completeness(question, sum_of(total))
            yield Piece(_enlarged(total[None, None], question.picture)[0], True, error)
        else:
            so_far = total * (pieces / number) if number else _glimpse(gradients, out)
            yield Piece(_enlarged(so_far[None, None], question.picture)[0], False)


def _gradients(question: Question, block: int, out: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = out.detach().requires_grad_()
        scores = _from(question.network, block, leaf)[:, question.target]
        return torch.autograd.grad(scores.sum(), leaf)[0]


def _passed(gradients: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return what passes on the ways from points to the next ones: (N, C, h, w) each to (h, w)."""
    count = min(len(before), len(after))
    return (gradients[:count] * (after[:count] - before[:count])).sum((0, 1))


def _glimpse(gradients: Tensor, out: Tensor) -> Tensor:
    """Return a map made of the first piece alone: in large strides, or at its only point."""
    if len(out) > 1:
        return _passed(gradients, out, out[1:])
    return (gradients * out).sum((0, 1))


# ---- places ---------------------------------------------------------------------------------


def _module_at(network: ResidualNetwork, block: int) -> nn.Module:
    """Return the module whose output is that of the place."""
    if block == STEM:
        return network.maxpool
    blocks = network.blocks
    return network.act_last if block == len(blocks) - 1 else blocks[block]


def _up_to(network: ResidualNetwork, block: int, x: Tensor) -> Tensor:
    """Pictures to the output of a place."""
    x = network.stem(x)
    blocks = network.blocks
    for each in blocks[: block + 1]:
        x = each(x)
    return network.act_last(network.bn_last(x)) if block == len(blocks) - 1 else x


def _from(network: ResidualNetwork, block: int, x: Tensor) -> Tensor:
    """The output of a place to logits."""
    blocks = network.blocks
    if block == len(blocks) - 1:
        return network.fc(x.mean((2, 3)))
    for each in blocks[block + 1 :]:
        x = each(x)
    return network.head(x)


def _enlarged(coarse: Tensor, pictures: Tensor) -> Tensor:
    """(N, 1, h, w) to the pictures' height and width, bilinear."""
    return F.interpolate(coarse, pictures.shape[2:], mode="bilinear", align_corners=False)
